//! Waking up when a log grows: inotify(7) on its directory.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

/// Bytes of events that are taken at once; their content does not matter.
const EVENTS: usize = 4096;

/// Watches a directory.
#[derive(Debug)]
pub(crate) struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, directory, flags | WatchFlags::ONLYDIR)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; an owned descriptor is what that is about"
        )]
        let watch = AsyncFd::new(watch)?;
        Ok(Self(watch))
    }

    /// Ends when something was written since the watch began or was last asked.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut events = [0; EVENTS];
            let taken = ready.try_io(|watch| Ok(rustix::io::read(watch.get_ref(), &mut events)?));
            match taken {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Err(_not_ready) => {}
            }
        }
    }
}
