//! `jocker wait`

use api_spec::container::WaitResponse;
use http::Method;

use super::{Failure, Outcome};
use crate::args::NamesArgs;
use crate::client::{Client, Path};

pub(super) async fn wait(client: &Client, args: &NamesArgs) -> Outcome {
    let mut failed = false;
    for name in &args.containers {
        let path = Path::container(name, "/wait");
        match client.call::<WaitResponse>(Method::POST, &path, None::<&()>).await {
            Ok(answer) => println!("{}", answer.status_code),
            Err(error) => {
                eprintln!("{error}");
                failed = true;
            }
        }
    }
    if failed { Err(Failure::Exit(1)) } else { Ok(()) }
}
