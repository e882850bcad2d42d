//! From a layer's bytes to its tar: gzip of any number of members, zstd of any number of frames, or
//! neither; from a client's archive what [`foreign`] knows, too. The bytes decide and not the media
//! type, as with dockerd.

use std::io::{self, BufRead, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::foreign::{self, Form, Inflated};
use super::gzip::Members;

/// No layer unpacks to more bytes.
pub(crate) const UNPACKED_LIMIT: u64 = 256 << 30;

const MAGIC_LEN: usize = foreign::MAGIC_LEN;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

type Whole<'a, R> = Chain<Cursor<Vec<u8>>, &'a mut R>;

enum Kind<'a, R: BufRead> {
    Plain(Whole<'a, R>),
    Gzip(Box<MultiGzDecoder<Whole<'a, R>>>),
    Members(Box<Members<Whole<'a, R>>>),
    Zstd(Box<zstd::Decoder<'static, Whole<'a, R>>>),
    Foreign(Box<Inflated<Whole<'a, R>>>),
}

/// The uncompressed bytes of a layer.
pub(crate) struct Decoder<'a, R: BufRead> {
    kind: Kind<'a, R>,
    room: u64,
}

impl<'a, R: BufRead> Decoder<'a, R> {
    /// Looks at the first bytes to tell how the rest is compressed.
    pub(crate) fn new(source: &'a mut R) -> io::Result<Self> {
        Self::of(source, |_| None, |whole| Kind::Gzip(Box::new(MultiGzDecoder::new(whole))))
    }

    /// As [`Decoder::new`], for a client's archive: what the host has a program for is read, too.
    pub(crate) fn of_archive(source: &'a mut R) -> io::Result<Self> {
        Self::of(source, Form::of, |whole| Kind::Gzip(Box::new(MultiGzDecoder::new(whole))))
    }

    /// As [`Decoder::new`], for what is verified by its digest: gzip's own checksum is not.
    pub(crate) fn of_layer(source: &'a mut R) -> io::Result<Self> {
        Self::of(source, |_| None, |whole| Kind::Members(Box::new(Members::new(whole))))
    }

    fn of(
        source: &'a mut R,
        foreign: impl FnOnce(&[u8]) -> Option<Form>,
        gzip: impl FnOnce(Whole<'a, R>) -> Kind<'a, R>,
    ) -> io::Result<Self> {
        let mut magic = Vec::with_capacity(MAGIC_LEN);
        source.by_ref().take(MAGIC_LEN as u64).read_to_end(&mut magic)?;
        let is_gzip = magic.starts_with(GZIP_MAGIC);
        let is_zstd = magic.starts_with(ZSTD_MAGIC);
        let form = foreign(&magic);
        let whole = Cursor::new(magic).chain(source);
        let kind = if let Some(form) = form {
            Kind::Foreign(Box::new(Inflated::new(whole, form)?))
        } else if is_gzip {
            gzip(whole)
        } else if is_zstd {
            Kind::Zstd(Box::new(zstd::Decoder::with_buffer(whole)?))
        } else {
            Kind::Plain(whole)
        };
        Ok(Self { kind, room: UNPACKED_LIMIT })
    }

    /// Whether the source's bytes are the uncompressed ones.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Plain(_))
    }
}

/// Whether bytes that begin so are compressed in a way that is known.
pub(crate) fn is_compressed(beginning: &[u8]) -> bool {
    beginning.starts_with(GZIP_MAGIC) || beginning.starts_with(ZSTD_MAGIC)
}

/// What OCI's media types add for how a layer is compressed: `""`, `+gzip` or `+zstd`.
pub(crate) fn suffix(layer: &mut impl Read) -> io::Result<&'static str> {
    let mut magic = Vec::with_capacity(MAGIC_LEN);
    layer.take(MAGIC_LEN as u64).read_to_end(&mut magic)?;
    Ok(match magic.as_slice() {
        magic if magic.starts_with(GZIP_MAGIC) => "+gzip",
        magic if magic.starts_with(ZSTD_MAGIC) => "+zstd",
        _ => "",
    })
}

impl<R: BufRead> Read for Decoder<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.kind {
            Kind::Plain(reader) => reader.read(buffer),
            Kind::Gzip(reader) => reader.read(buffer),
            Kind::Members(reader) => reader.read(buffer),
            Kind::Zstd(reader) => reader.read(buffer),
            Kind::Foreign(reader) => reader.read(buffer),
        }?;
        self.room = self.room.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(format!("layer unpacks to more than {UNPACKED_LIMIT} bytes"))
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("write");
        encoder.finish().expect("finish")
    }

    fn decoded(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut source = io::BufReader::with_capacity(3, bytes);
        let mut plain = Vec::new();
        Decoder::new(&mut source)?.read_to_end(&mut plain)?;
        let (mut source, mut same) = (io::BufReader::with_capacity(3, bytes), Vec::new());
        Decoder::of_layer(&mut source)?.read_to_end(&mut same)?;
        assert_eq!(same, plain);
        Ok(plain)
    }

    #[test]
    fn every_form_gives_the_same_bytes() {
        let plain = b"some bytes that are a layer".repeat(1000);
        let (first, second) = plain.split_at(100);
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("zstd");
        for form in [
            plain.clone(),
            gzip(&plain),
            [gzip(first), gzip(second)].concat(),
            zstd(&plain),
            [zstd(first), zstd(second)].concat(),
        ] {
            assert_eq!(decoded(&form).expect("decoded"), plain);
        }
        assert_eq!(decoded(b"").expect("empty"), b"");
        assert_eq!(decoded(b"ab").expect("short"), b"ab");
    }

    #[test]
    fn broken_streams_are_errors() {
        let whole = gzip(&[7; 10_000]);
        assert!(decoded(&whole[..whole.len() - 3]).is_err());
        let mut damaged = whole;
        let crc = damaged.len() - 6;
        damaged[crc] ^= 1;
        assert!(decoded(&damaged).is_err());
        let zstd = zstd::encode_all(&[7; 10_000][..], 1).expect("zstd");
        assert!(decoded(&zstd[..zstd.len() - 3]).is_err());
    }
}
