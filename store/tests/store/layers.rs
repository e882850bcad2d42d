//! Blobs on their way in, layers unpacked from streams.

use std::fs;
use std::io::{self, Read};

use store::{ContentError, Digest, LayerError};

use crate::fixture::{Ground, assert_empty};
use crate::specimen::Specimen;

#[test]
fn a_layer_is_there_whole_or_not_at_all() {
    let ground = Ground::new();
    let layers = ground.store.layers();
    let tar = Specimen::default().file("a", b"x").finish();
    let diff_id = Digest::of(&tar);
    let other = Digest::of(b"other");
    let wrong = layers.unpack(&other, &other, &tar[..]).expect_err("wrong digest");
    assert!(matches!(wrong, LayerError::DiffIdMismatch { actual, .. } if actual == diff_id));
    let cut = layers.unpack(&diff_id, &diff_id, &tar[..512]).expect_err("cut");
    assert!(matches!(cut, LayerError::Archive(_)), "{cut}");
    let broken = tar[..512].chain(Broken);
    let read = layers.unpack(&diff_id, &diff_id, broken).expect_err("broken stream");
    assert!(matches!(read, LayerError::Read(_)), "{read}");
    let hostile = Specimen::default().file("../a", b"x").finish();
    let digest = Digest::of(&hostile);
    let entry = layers.unpack(&digest, &digest, &hostile[..]).expect_err("hostile");
    assert_eq!(entry.to_string(), "layer entry \"../a\": path leaves the root");
    assert!(!layers.has(&diff_id) && !layers.has(&other) && !layers.has(&digest));
    assert_empty(&ground.store);
    let info = layers.unpack(&diff_id, &diff_id, &tar[..]).expect("unpack");
    assert_eq!((info.size, info.entries), (1, 1));
    assert_eq!(layers.info(&diff_id).expect("info"), Some(info));
    layers.unpack(&diff_id, &diff_id, &tar[..]).expect("a second time does no harm");
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("connection lost"))
    }
}

#[test]
fn what_follows_the_end_belongs_to_the_digest() {
    let ground = Ground::new();
    let tar = [Specimen::default().file("a", b"x").finish(), vec![0; 10_240]].concat();
    let diff_id = Digest::of(&tar);
    ground.store.layers().unpack(&diff_id, &diff_id, &tar[..]).expect("unpack");
}

#[test]
fn a_broken_download_goes_on_where_it_ended() {
    let ground = Ground::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let digest = Digest::of(&bytes);
    let size = Some(bytes.len() as u64);
    let mut first = ground.store.ingest(&digest, size).expect("ingest");
    first.write(&bytes[..60_000]).expect("write");
    assert!(matches!(ground.store.ingest(&digest, size), Err(ContentError::Busy(_))));
    first.keep();
    let ground = ground.reopen();
    let mut second = ground.store.ingest(&digest, size).expect("ingest");
    assert_eq!(second.offset(), 60_000);
    second.write(&bytes[60_000..]).expect("write");
    assert!(matches!(second.write(b"x"), Err(ContentError::TooLarge { .. })));
    second.commit().expect("commit");
    let blob = ground.store.blob(&digest).expect("blob").expect("there");
    assert_eq!(fs::read(blob.path).expect("read"), bytes);
    assert_eq!(ground.store.read_small(&digest, 100_000).expect("read"), bytes);
    let limit = ground.store.read_small(&digest, 99_999);
    assert!(matches!(limit, Err(ContentError::TooLarge { .. })));
}

#[test]
fn wrong_bytes_do_not_stay() {
    let ground = Ground::new();
    let digest = Digest::of(b"right");
    let mut ingest = ground.store.ingest(&digest, Some(5)).expect("ingest");
    ingest.write(b"wrong").expect("write");
    assert!(matches!(ingest.commit(), Err(ContentError::DigestMismatch { .. })));
    assert_eq!(ground.store.ingest(&digest, Some(5)).expect("ingest").offset(), 0);
    let mut ingest = ground.store.ingest(&digest, Some(5)).expect("ingest");
    ingest.write(b"rig").expect("write");
    assert!(matches!(ingest.commit(), Err(ContentError::Incomplete { actual: 3, .. })));
    let mut ingest = ground.store.ingest(&digest, Some(5)).expect("ingest");
    assert_eq!(ingest.offset(), 3);
    ingest.restart().expect("restart");
    ingest.write(b"right").expect("write");
    ingest.commit().expect("commit");
    fs::write(ground.store.blob(&digest).expect("blob").expect("there").path, "wrong")
        .expect("write");
    assert!(matches!(
        ground.store.read_small(&digest, 5),
        Err(ContentError::DigestMismatch { .. })
    ));
}
