//! `jocker export` and `jocker save`: an archive to a file or to a reader behind stdout.

use std::fs::File;
use std::io::{self, IsTerminal};

use http::Method;

use super::{Failure, Outcome};
use crate::args::{ExportArgs, SaveArgs};
use crate::client::{Client, Download, Path, download};

pub(super) async fn export(client: &Client, args: &ExportArgs) -> Outcome {
    write(client, &Path::container(&args.container, "/export"), args.output.as_deref()).await
}

pub(super) async fn save(client: &Client, args: &SaveArgs) -> Outcome {
    let mut path = Path::new("/images/get");
    for image in &args.images {
        path = path.with("names", image);
    }
    path = path.platforms("platform", &args.platform);
    write(client, &path, args.output.as_deref()).await
}

async fn write(client: &Client, path: &Path, output: Option<&str>) -> Outcome {
    let Some(name) = output else {
        if io::stdout().is_terminal() {
            let text = "cowardly refusing to save to a terminal. Use the -o flag or redirect";
            return Err(Failure::Message(text.into()));
        }
        let body = client.stream(Method::GET, path).await?.into_body();
        let copied =
            download(path, body, |from: &mut Download| io::copy(from, &mut io::stdout().lock()));
        return Ok(copied.await.map(drop)?);
    };
    let body = client.stream(Method::GET, path).await?.into_body();
    // Under another name until it is whole.
    let partial = format!("{name}.{}.partial", std::process::id());
    let mut file = File::create_new(&partial).map_err(Failure::io(format!("open {partial}")))?;
    let copied = download(path, body, move |from: &mut Download| {
        io::copy(from, &mut file)?;
        file.sync_all()
    });
    if let Err(error) = copied.await {
        // What came is of no use, and the error is what matters.
        let _ = std::fs::remove_file(&partial);
        return Err(error.into());
    }
    std::fs::rename(&partial, name).map_err(Failure::io(format!("rename {partial}")))
}
