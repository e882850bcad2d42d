//! Rows as they were written last: who lists containers again and again mostly gets the same ones.

use std::sync::{Arc, Mutex, PoisonError};

use api_spec::container::ContainerSummary;
use api_spec::version::ApiVersion;

use super::{Row, summary};
use crate::containers::Service;
use crate::containers::handle::Snapshot;
use crate::containers::record::Definition;

/// How an API version has its rows.
pub(crate) struct Form<'a> {
    pub(crate) version: ApiVersion,
    /// Takes away what the version does not have. The same for every row of the version.
    pub(crate) shape: &'a dyn Fn(&mut ContainerSummary),
}

/// A container's row of the last list, if there was one.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<Option<Line>>);

/// A row and all that it was made of; the volumes of a container stay where they are.
#[derive(Debug)]
struct Line {
    definition: Arc<Definition>,
    seen: Arc<Snapshot>,
    version: ApiVersion,
    image: String,
    status: String,
    json: Vec<u8>,
}

impl Form<'_> {
    pub(super) fn write(
        &self,
        mut row: ContainerSummary,
        into: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        (self.shape)(&mut row);
        serde_json::to_writer(into, &row)
    }
}

impl Row {
    /// Writes the row, made anew only if something of it has changed.
    pub(super) fn write(
        &self,
        service: &Service,
        form: &Form<'_>,
        (image, status): (&str, String),
        into: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        let mut last = self.handle.shown.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = last.as_ref().filter(|line| {
            Arc::ptr_eq(&line.seen, &self.seen)
                && Arc::ptr_eq(&line.definition, &self.handle.definition)
                && line.version == form.version
                && line.image == image
                && line.status == status
        });
        if let Some(line) = same {
            into.extend_from_slice(&line.json);
            return Ok(());
        }
        let begin = into.len();
        form.write(summary(service, self, image, status.clone(), false), into)?;
        *last = Some(Line {
            definition: Arc::clone(&self.handle.definition),
            seen: Arc::clone(&self.seen),
            version: form.version,
            image: image.to_owned(),
            status,
            json: into[begin..].to_vec(),
        });
        Ok(())
    }
}
