//! Names of images: who has them, who loses them, what a user's text means.

use store::{Digest, ImageError, ResolveError};

use crate::fixture::{Ground, OCI, Sample, reference};

#[test]
fn a_committed_image_is_found_by_all_its_names() {
    let ground = Ground::new();
    let sample = Sample::new(OCI, &["one", "two"]);
    let id = sample.pull(&ground.store, "busybox");
    let images = ground.store.images();
    let digest = sample.manifest_digest();
    let hex = id.hex();
    for name in [
        "busybox".to_owned(),
        "busybox:latest".to_owned(),
        "docker.io/library/busybox:latest".to_owned(),
        format!("busybox@{digest}"),
        format!("busybox:other@{digest}"),
        id.to_string(),
        hex.clone(),
        hex[..1].to_owned(),
        hex[..12].to_owned(),
        format!("sha256:{}", &hex[..5]),
    ] {
        assert_eq!(images.resolve(&name).expect(&name).id, id, "{name}");
    }
    let image = images.get(&id).expect("get").expect("image");
    assert_eq!(image.tags, [reference("busybox")]);
    assert_eq!(image.repo_digests, [format!("busybox@{digest}")]);
    assert_eq!((image.size, image.chain.clone()), (6, sample.chain()));
    assert_eq!(image.created.expect("created").to_string(), "2024-05-06T07:08:09.123456789Z");
    assert!(String::from_utf8_lossy(&image.config_raw).contains("Healthcheck"));
}

#[test]
fn what_is_no_image_is_said() {
    let ground = Ground::new();
    let id = Sample::new(OCI, &["one"]).pull(&ground.store, "busybox");
    let images = ground.store.images();
    let other = Digest::of(b"other");
    for name in [
        "alpine",
        "busybox:1",
        &other.hex(),
        &format!("busybox@{other}"),
        &format!("{}@{id}", "busybox"),
    ] {
        assert!(matches!(images.resolve(name), Err(ResolveError::NotFound(_))), "{name}");
    }
    for name in ["", "Busybox", "a b", "busybox:", "sha512:00"] {
        let error = images.resolve(name).expect_err(name);
        assert!(
            matches!(error, ResolveError::Invalid { .. } | ResolveError::NotFound(_)),
            "{name}"
        );
    }
    assert!(matches!(images.resolve("Busybox"), Err(ResolveError::Invalid { .. })));
}

#[test]
fn a_prefix_of_two_ids_is_ambiguous_and_a_tag_goes_first() {
    let ground = Ground::new();
    let mut by_first = std::collections::HashMap::new();
    let images = ground.store.images();
    let (one, two) = (0..)
        .find_map(|n| {
            let id = Sample::new(OCI, &[&n.to_string()]).pull(&ground.store, &format!("image{n}"));
            let first = id.hex()[..1].to_owned();
            by_first.insert(first, id.clone()).map(|other| (other, id))
        })
        .expect("two ids with the same first digit");
    let prefix = one.hex()[..1].to_owned();
    assert!(matches!(images.resolve(&prefix), Err(ResolveError::Ambiguous(_))));
    images.tag(&two, &reference(&prefix)).expect("tag");
    assert_eq!(images.resolve(&prefix).expect("by name").id, two);
}

#[test]
fn tags_move_and_names_go() {
    let ground = Ground::new();
    let images = ground.store.images();
    let old = Sample::new(OCI, &["old"]);
    let old_id = old.pull(&ground.store, "app");
    images.tag(&old_id, &reference("app:v1")).expect("tag");
    let new_id = Sample::new(OCI, &["new"]).pull(&ground.store, "app");
    assert_eq!(images.resolve("app").expect("app").id, new_id);
    let first = images.untag(&reference("app:v1")).expect("untag");
    assert_eq!(first.image, old_id);
    let digest = format!("app@{}", old.manifest_digest());
    assert_eq!((first.names, first.remaining), (vec!["app:v1".to_owned(), digest], 0));
    assert_eq!(images.list().expect("list").len(), 2, "an image without names stays");
    assert!(matches!(images.untag(&reference("app:v1")), Err(ImageError::NotFound(_))));
    let missing = Digest::of(b"missing");
    assert!(matches!(images.tag(&missing, &reference("x")), Err(ImageError::NotFound(_))));
    drop(images);
    let ground = ground.reopen();
    assert_eq!(ground.store.images().resolve("app").expect("app").id, new_id);
    assert_eq!(ground.store.images().list().expect("list").len(), 2);
}

#[test]
fn a_name_with_a_digest_makes_no_tag() {
    let ground = Ground::new();
    let sample = Sample::new(OCI, &["one"]);
    let name = format!("busybox:1.36@{}", sample.manifest_digest());
    let id = sample.pull(&ground.store, &name);
    let image = ground.store.images().resolve(&name).expect("by digest");
    assert_eq!((image.id.clone(), image.tags.len(), image.repo_digests.len()), (id, 0, 1));
    let gone = ground.store.images().untag(&reference(&name)).expect("untag");
    assert_eq!(gone.remaining, 0);
}

#[test]
fn images_that_lack_something_are_not_made() {
    let ground = Ground::new();
    let sample = Sample::new(OCI, &["one"]);
    let mut lacking = sample.fetch(&ground.store, "busybox");
    lacking.layers[0].blob = Digest::of(b"missing");
    let error = ground.store.images().commit(lacking).expect_err("no blob");
    assert!(matches!(error, ImageError::MissingBlob { .. }));
    let mut swapped = sample.fetch(&ground.store, "busybox");
    swapped.layers[0].diff_id = Digest::of(b"other");
    let error = ground.store.images().commit(swapped).expect_err("other layer");
    assert!(matches!(error, ImageError::LayersMismatch { .. }));
    assert!(ground.store.images().list().expect("list").is_empty());
}

#[test]
fn an_image_is_made_of_bytes_in_memory() {
    let ground = Ground::new();
    let tar = crate::specimen::Specimen::default().file("hello", b"hi").finish();
    let config = br#"{"architecture":"amd64","os":"linux","config":{"Cmd":["/hello"]}}"#;
    let images = ground.store.images();
    let id = images.load_embedded(&reference("hello"), &tar, config).expect("load");
    assert_eq!(images.load_embedded(&reference("hello"), &tar, config).expect("again"), id);
    let image = images.resolve("hello").expect("hello");
    assert_eq!((image.size, image.repo_digests.len(), image.chain.len()), (2, 0, 1));
    crate::fixture::assert_whole(&ground.store);
}
