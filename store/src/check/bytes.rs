//! Blobs against their digests, layers against their blobs.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::{CheckError, Checker, Remedy, Subject};
use crate::db::images;
use crate::digest::{Digest, Hasher};
use crate::durable;
use crate::error::Context;
use crate::layer::{Bytes, DIFF_DIR, LayerError, LayerInfo, Unpacked, compare};
use crate::pull::decompress::Decoder;

/// Bytes read at once.
const BUFFER: usize = 256 << 10;

impl Checker {
    /// Every blob that a row names.
    pub(super) fn blobs(&mut self) -> Result<(), CheckError> {
        for digest in self.inner.db.read(images::known_blobs)? {
            self.checked.blobs += 1;
            let path = self.inner.blob_path(&digest);
            let problem = match File::open(&path).and_then(|file| self.digest_of(file)) {
                Ok(actual) if actual == digest => continue,
                Ok(actual) => format!("its bytes have the digest {actual}"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing".to_owned(),
                // A disk that cannot read it has lost it.
                Err(error) => format!("cannot be read: {error}"),
            };
            if self.repair {
                self.inner.throw_away(&path)?;
            }
            self.broken_blobs.insert(digest.clone());
            self.found(Subject::Blob(digest), problem, Remedy::Dropped);
        }
        Ok(())
    }

    fn digest_of(&mut self, mut file: File) -> io::Result<Digest> {
        let (mut hasher, mut buffer) = (Hasher::default(), vec![0; BUFFER]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                count => {
                    hasher.update(&buffer[..count]);
                    self.checked.bytes += count as u64;
                }
            }
        }
    }

    /// Every layer that a row names, by unpacking its blob again where that is here.
    pub(super) fn layers(&mut self) -> Result<(), CheckError> {
        for (chain_id, diff_id, size) in self.inner.db.read(images::layer_rows)? {
            self.checked.layers += 1;
            let fresh = self.inner.ingest_dir().join(format!("check-{}", self.inner.next_number()));
            durable::create_dir(&fresh, 0o700)?;
            let result = self.layer(&chain_id, &diff_id, size, &fresh);
            self.inner.throw_away(&fresh)?;
            result?;
        }
        Ok(())
    }

    fn layer(
        &mut self,
        chain_id: &Digest,
        diff_id: &Digest,
        size: u64,
        fresh: &Path,
    ) -> Result<(), CheckError> {
        let unpacked = match self.sources.get(chain_id) {
            Some(blob) if !self.broken_blobs.contains(blob) => {
                let path = self.inner.blob_path(blob);
                let file = File::open(&path).on("open", &path)?;
                match self.unpack(file, diff_id, fresh) {
                    Ok(unpacked) => Some(unpacked),
                    Err(LayerError::Io(error)) => return Err(error.into()),
                    Err(error) => {
                        let problem = format!("its blob {blob} does not unpack to it: {error}");
                        self.broken_layer(chain_id, problem, None, fresh)?;
                        return Ok(());
                    }
                }
            }
            _ => None,
        };
        let problem = self.problem(chain_id, diff_id, size, unpacked.as_ref(), fresh)?;
        match problem {
            None => Ok(()),
            Some(problem) => self.broken_layer(chain_id, problem, unpacked.as_ref(), fresh),
        }
    }

    fn unpack(&self, file: File, diff_id: &Digest, fresh: &Path) -> Result<Unpacked, LayerError> {
        let mut source = BufReader::with_capacity(BUFFER, file);
        let decoder = Decoder::of_layer(&mut source).map_err(LayerError::Read)?;
        self.inner.unpack_at(fresh, Bytes::Unknown, diff_id, decoder)
    }

    /// What is wrong with the layer that is here.
    fn problem(
        &self,
        chain_id: &Digest,
        diff_id: &Digest,
        size: u64,
        unpacked: Option<&Unpacked>,
        fresh: &Path,
    ) -> Result<Option<String>, CheckError> {
        let place = self.inner.layer_dir(chain_id);
        if !place.join(DIFF_DIR).is_dir() {
            return Ok(Some("is missing".to_owned()));
        }
        let info = match self.inner.layer_info(chain_id) {
            Ok(Some(info)) => info,
            Ok(None) => return Ok(Some("what is known of it is missing".to_owned())),
            Err(error) => return Ok(Some(error.to_string())),
        };
        let LayerInfo { diff_id: actual, size: told, .. } = &info;
        if actual != diff_id || *told != size {
            return Ok(Some("its row tells another diff id or size".to_owned()));
        }
        let Some(Unpacked { info: expected, implied }) = unpacked else { return Ok(None) };
        if *expected != info {
            return Ok(Some("has another size or number of entries".to_owned()));
        }
        let (one, other) = (fresh.join(DIFF_DIR), place.join(DIFF_DIR));
        Ok(compare::difference(&one, &other, implied).on("compare", &other)?)
    }

    /// Drops a layer, or puts the fresh one in its place. Its list of implied directories is beside
    /// it, so that they are settled when the store is opened.
    fn broken_layer(
        &mut self,
        chain_id: &Digest,
        problem: String,
        unpacked: Option<&Unpacked>,
        fresh: &Path,
    ) -> Result<(), CheckError> {
        let remedy = if unpacked.is_some() { Remedy::Mended } else { Remedy::Dropped };
        if self.repair {
            let place = self.inner.layer_dir(chain_id);
            self.inner.throw_away(&place)?;
            if unpacked.is_some() {
                self.inner.sync()?;
                fs::rename(fresh, &place).on("rename", &place)?;
            }
        }
        if !self.repair || unpacked.is_none() {
            self.broken_layers.insert(chain_id.clone());
        }
        self.found(Subject::Layer(chain_id.clone()), problem, remedy);
        Ok(())
    }
}
