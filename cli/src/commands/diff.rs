//! `jocker diff`

use api_spec::container::Change;

use super::{Failure, Outcome};
use crate::args::NameArgs;
use crate::client::{Client, Path};

pub(super) async fn diff(client: &Client, args: &NameArgs) -> Outcome {
    if args.container.is_empty() {
        return Err(Failure::Message("Container name cannot be empty".into()));
    }
    let path = Path::container(&args.container, "/changes");
    let changes: Option<Vec<Change>> = client.get(&path).await?;
    let mut text = String::new();
    for change in changes.into_iter().flatten() {
        let letter = match change.kind {
            0 => 'C',
            1 => 'A',
            _ => 'D',
        };
        text.push_str(&format!("{letter} {}\n", change.path));
    }
    super::print(&text)
}
