//! `jocker top`

use api_spec::container::TopResponse;

use super::Outcome;
use crate::args::TopArgs;
use crate::client::{Client, Path};
use crate::render::table;

pub(super) async fn top(client: &Client, args: &TopArgs) -> Outcome {
    let options = (!args.options.is_empty()).then(|| args.options.join(" "));
    let path = Path::container(&args.container, "/top").maybe("ps_args", options);
    let answer: TopResponse = client.get(&path).await?;
    let rows: Vec<Vec<String>> = std::iter::once(answer.titles).chain(answer.processes).collect();
    super::print(&table::align(&rows))
}
