//! `--storage-opt size=`: a limit of what a container writes, which takes project quotas of the file system below.

use std::collections::BTreeMap;

use store::Store;

use crate::containers::error::Error;
use crate::size;

const SIZE: &str = "size";

/// How many bytes a container may write, if that is limited; refuses what can not be, in dockerd's words.
pub(super) fn limit(
    options: Option<&BTreeMap<String, String>>,
    store: &Store,
) -> Result<Option<u64>, Error> {
    let Some(options) = options.filter(|options| !options.is_empty()) else { return Ok(None) };
    if let Some(unknown) = options.keys().find(|key| !key.eq_ignore_ascii_case(SIZE)) {
        return Err(Error::Internal(format!("Unknown option {unknown}")));
    }
    if !store.has_quotas() {
        return Err(Error::Internal(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
                .to_owned(),
        ));
    }
    let sizes = options.values().map(|text| size::parse(text).map_err(Error::Internal));
    let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
    Ok(sizes.into_iter().min().filter(|bytes| *bytes > 0))
}
