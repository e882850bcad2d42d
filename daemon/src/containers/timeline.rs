//! The timelines of starts and execs, as clients see them. Kept in memory: a daemon that comes up anew is told those of
//! running containers by their monitors.

use api_spec::container::{Timeline as Shown, TimelineStep};
use runtime::timeline::Timeline;

use super::Service;
use super::error::Error;
use super::exec::Exec;
use super::handle::Handle;

impl Service {
    /// The last start of a container, and its newest exec.
    pub(super) fn timeline(&self, handle: &Handle) -> Result<Shown, Error> {
        let seen = handle.snapshot();
        if seen.timeline.is_empty() {
            let id = handle.id();
            let why = format!("no start of container {id} has come to its program yet");
            return Err(Error::Conflict(why));
        }
        let exec = self.execs.newest_begun(handle.id()).and_then(|exec| exec.timeline().ok());
        Ok(Shown { exec: exec.map(Box::new), ..shown(handle.id(), &seen.timeline) })
    }
}

impl Exec {
    /// When the steps of its start were done.
    pub(crate) fn timeline(&self) -> Result<Shown, Error> {
        let unknown = || Error::Conflict(format!("exec {} has not come to its program", self.id));
        self.begun().map(|timeline| shown(&self.id, timeline)).ok_or_else(unknown)
    }
}

fn shown(id: &str, timeline: &Timeline) -> Shown {
    let mut last = 0;
    let steps = timeline.marks().iter().map(|mark| {
        let (process, name) = mark.0.describe();
        let done = mark.1 / 1000;
        let took = done - std::mem::replace(&mut last, done);
        TimelineStep { process: process.to_owned(), name: name.to_owned(), done, took }
    });
    let began = jiff::Timestamp::from_nanosecond(timeline.began().into()).unwrap_or_default();
    Shown {
        id: id.to_owned(),
        steps: steps.collect(),
        began: began.to_string(),
        ..Shown::default()
    }
}
