//! Pushing: which tags go, and Docker's lines for what the store does.

use api_spec::progress::{Detail, Message};
use serde_json::json;
use store::push::{self, PushProgress, Pushed};
use store::reference::Reference;
use store::registry::Credentials;
use tokio::sync::mpsc;

use super::{Error, Images};

impl Images {
    /// Pushes a tag, or all tags of a repository named alone; lines go into `lines` while it runs.
    /// Dropping the future stops the push.
    pub(crate) async fn push(
        &self,
        reference: &Reference,
        credentials: Option<&Credentials>,
        lines: mpsc::Sender<Message>,
    ) -> Result<(), Error> {
        let status = format!("The push refers to repository [{}]", reference.name());
        let _ = lines.send(Message::status(status)).await;
        for tag in self.tags_to_push(reference).await? {
            let image = self.find(&tag.familiar()).await?;
            let tell = |step| {
                // A full queue drops the line: the client is slow, not the push.
                let _ = lines.try_send(line(step));
            };
            let (store, registries) = (&self.store, &self.registries);
            let credentials = credentials.cloned();
            let pushed = push::push(store, registries, &image, &tag, credentials, tell).await?;
            for last in last_lines(&tag, &pushed) {
                let _ = lines.send(last).await;
            }
            self.tell("push", &tag.familiar(), &tag.familiar_name(), Some(&image));
        }
        Ok(())
    }

    async fn tags_to_push(&self, reference: &Reference) -> Result<Vec<Reference>, Error> {
        let wanted = reference.clone();
        self.blocking(move |images| {
            let repository = wanted.name();
            let all = images.store.images().list()?;
            let mut tags: Vec<Reference> = (all.iter().flat_map(|image| &image.tags))
                .filter(|tag| tag.name() == repository)
                .cloned()
                .collect();
            if tags.is_empty() {
                return Err(Error::NothingToPush(wanted.familiar_name()));
            }
            if wanted.tag().is_some() {
                tags.retain(|tag| *tag == wanted);
            }
            if tags.is_empty() {
                return Err(Error::NoSuchTag(wanted.familiar()));
            }
            tags.sort();
            Ok(tags)
        })
        .await
    }
}

/// One step of a push as dockerd tells it.
fn line(progress: PushProgress) -> Message {
    match progress {
        PushProgress::Preparing { id } => Message::of(id, "Preparing"),
        PushProgress::Waiting { id } => Message::of(id, "Waiting"),
        PushProgress::Pushing { id, current, total } => {
            Message::step(id, "Pushing", current, Some(total))
        }
        PushProgress::Pushed { id } => Message::of(id, "Pushed"),
        PushProgress::AlreadyExists { id } => Message::of(id, "Layer already exists"),
        PushProgress::Mounted { id, from } => Message::of(id, format!("Mounted from {from}")),
    }
}

/// What the registry calls the image now: for people, and for programs.
fn last_lines(tag: &Reference, pushed: &Pushed) -> [Message; 2] {
    let Pushed { digest, size } = pushed;
    let name = tag.tag().unwrap_or_default();
    [
        Message::status(format!("{name}: digest: {digest} size: {size}")),
        Message {
            progress_detail: Some(Detail::default()),
            aux: Some(json!({"Tag": name, "Digest": digest, "Size": size})),
            ..Message::default()
        },
    ]
}
