//! Endpoints under /images: one a file.

pub(crate) mod create;
pub(crate) mod history;
mod import;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod load;
mod progress;
pub(crate) mod prune;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod save;
pub(crate) mod search;
pub(crate) mod tag;

use store::pull::Platform;

use crate::http::error::Error;
use crate::http::extract::{Api, Query};
use crate::images::platform;

/// Since this version a query may name several platforms.
const SEVERAL_PLATFORMS_SINCE: u32 = 52;

/// The platforms that a query names in JSON; clients older than API 1.`since` can not mean it.
fn platforms(query: &Query, key: &str, api: Api, since: u32) -> Result<Vec<Platform>, Error> {
    let written = query.all(key).filter(|text| api.since(since) && !text.is_empty());
    written.map(|text| Ok(platform::decode(text)?)).collect()
}

/// The same for an archive's images: one at most before API 1.52.
fn archived_platforms(query: &Query, api: Api) -> Result<Vec<Platform>, Error> {
    const SINCE: u32 = 48;
    const KEY: &str = "platform";
    let is_told = api.since(SINCE) && !api.since(SEVERAL_PLATFORMS_SINCE);
    if is_told && query.all(KEY).count() > 1 {
        let why = "multiple platform parameters are not supported in this API version; use API version 1.52 or later";
        return Err(Error::bad_request(why));
    }
    platforms(query, KEY, api, SINCE)
}
