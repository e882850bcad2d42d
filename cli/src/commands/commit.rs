//! `jocker commit`

use api_spec::container::CommitResponse;
use http::Method;

use super::Outcome;
use super::pull::Name;
use crate::args::CommitArgs;
use crate::client::{Client, Path};

pub(super) async fn commit(client: &Client, args: &CommitArgs) -> Outcome {
    let target = Name::parse(args.target.as_deref().unwrap_or_default());
    let mut path = Path::new("/commit")
        .with("container", &args.container)
        .with("repo", target.repository)
        .maybe("tag", target.suffix)
        .maybe("author", args.author.as_ref())
        .maybe("comment", args.message.as_ref())
        .with("pause", u8::from(args.pause));
    for change in &args.change {
        path = path.with("changes", change);
    }
    let made: CommitResponse = client.call(Method::POST, &path, None::<&()>).await?;
    super::print(&format!("{}\n", made.id))
}
