//! Pulling: the store does it; here its progress becomes Docker's lines.

use api_spec::progress::Message;
use store::pull::{self, Progress, PullOptions};
use store::reference::Reference;
use tokio::sync::mpsc;

use super::{Error, Images};

/// Lines that may wait for a slow client; beyond them byte counts are dropped.
pub(crate) const PROGRESS_QUEUE: usize = 4096;

impl Images {
    /// Pulls an image; lines go into `lines` while it runs. Dropping the future stops the pull.
    pub(crate) async fn pull(
        &self,
        reference: &Reference,
        options: &PullOptions,
        lines: mpsc::Sender<Message>,
    ) -> Result<(), Error> {
        let tell = move |progress| {
            // A full queue drops the line: the client is slow, not the pull.
            let _ = lines.try_send(line(progress));
        };
        pull::pull(&self.store, &self.registries, reference, options, tell).await?;
        let image = self.find(&reference.familiar()).await.ok();
        let name = reference.familiar_name();
        self.tell("pull", &reference.familiar(), &name, image.as_deref());
        Ok(())
    }
}

/// One step of a pull as dockerd tells it.
fn line(progress: Progress) -> Message {
    match progress {
        Progress::PullingFrom { repository, tag } => {
            let status = Message::status(format!("Pulling from {repository}"));
            Message { id: Some(tag), ..status }
        }
        Progress::PullingLayer { id } => Message::of(id, "Pulling fs layer"),
        Progress::LayerWaiting { id } => Message::of(id, "Waiting"),
        Progress::Downloading { id, current, total } => {
            Message::step(id, "Downloading", current, Some(total))
        }
        Progress::VerifyingChecksum { id } => Message::of(id, "Verifying Checksum"),
        Progress::DownloadComplete { id } => Message::of(id, "Download complete"),
        Progress::Extracting { id, current, total } => {
            Message::step(id, "Extracting", current, Some(total))
        }
        Progress::PullComplete { id } => Message::of(id, "Pull complete"),
        Progress::AlreadyExists { id } => Message::of(id, "Already exists"),
        Progress::Retrying { id, seconds } => {
            let unit = if seconds == 1 { "second" } else { "seconds" };
            Message::of(id, format!("Retrying in {seconds} {unit}"))
        }
        Progress::Digest(digest) => Message::status(format!("Digest: {digest}")),
        Progress::Status(text) => Message::status(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_dockerd_s() {
        let text = |progress| serde_json::to_string(&line(progress)).unwrap();
        let from =
            Progress::PullingFrom { repository: "library/busybox".into(), tag: "latest".into() };
        assert_eq!(text(from), r#"{"status":"Pulling from library/busybox","id":"latest"}"#);
        let waiting = Progress::LayerWaiting { id: "abc".into() };
        assert_eq!(text(waiting), r#"{"status":"Waiting","progressDetail":{},"id":"abc"}"#);
        let bytes = Progress::Downloading { id: "abc".into(), current: 1, total: 2 };
        assert_eq!(
            text(bytes),
            r#"{"status":"Downloading","progressDetail":{"current":1,"total":2},"id":"abc"}"#
        );
    }
}
