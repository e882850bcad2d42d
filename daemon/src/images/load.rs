//! `docker load`: the store reads the archive; here its steps become Docker's lines.

use std::io;

use api_spec::progress::Message;
use store::archive::{LoadProgress, Loaded};
use store::pull::Platform;
use tokio::sync::mpsc;

use super::{Error, Images};

impl Images {
    /// Loads an archive, of its images those for these platforms, if there are any; lines go into `lines` while it
    /// runs, without byte counts if `quiet`. Blocks.
    pub(crate) fn load(
        &self,
        archive: impl io::Read,
        platforms: &[Platform],
        quiet: bool,
        lines: &mpsc::Sender<Message>,
    ) -> Result<(), Error> {
        let tell = |step| match step {
            LoadProgress::Layer { id, current, total } => {
                if !quiet {
                    // A full queue drops the line: the client is slow, not the load.
                    let line = Message::step(id, "Loading layer", current, Some(total));
                    let _ = lines.try_send(line);
                }
            }
            LoadProgress::Renamed { name, old } => {
                let name = name.familiar();
                say(
                    lines,
                    format!(
                        "The image {name} already exists, renaming the old one with ID {old} to empty string\n"
                    ),
                );
            }
            LoadProgress::Image(loaded) => self.loaded(&loaded, lines),
        };
        Ok(self.store.images().load(archive, platforms, &tell)?)
    }

    fn loaded(&self, loaded: &Loaded, lines: &mpsc::Sender<Message>) {
        for name in &loaded.names {
            say(lines, format!("Loaded image: {}\n", name.familiar()));
        }
        if loaded.names.is_empty() {
            say(lines, format!("Loaded image ID: {}\n", loaded.image));
        }
        let id = loaded.image.to_string();
        let image = self.store.images().get(&loaded.image).ok().flatten();
        self.tell("load", &id, &id, image.as_deref());
    }
}

/// A line that must not be lost; it waits for a slow client.
fn say(lines: &mpsc::Sender<Message>, text: String) {
    let line = Message { stream: Some(text), ..Message::default() };
    // Nobody listens when the client has gone.
    let _ = lines.blocking_send(line);
}
