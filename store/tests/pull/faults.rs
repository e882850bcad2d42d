//! Registries that break, lie, stall or are full: what a user is told, and that nothing is left
//! that a later pull trips over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use store::Digest;
use store::pull::{Progress, PullErrorKind};

use crate::faulty::{Content, Registry, Request, Response, answer};
use crate::images::{self, Compressed, Image, Layer, OCI_MANIFEST};
use crate::setting::{Setting, impatient};

const BIG: usize = 3_000_000;

fn big_image() -> Image {
    Image::new(vec![Layer::new(&[("big", &images::noise(BIG, 1))], Compressed::Gzip)])
}

/// A hook that changes what is answered for the image's only layer, the first `times` times.
fn on_layer(
    image: &Image,
    times: u32,
    change: impl Fn(Response) -> Response + Send + Sync + 'static,
) -> impl Fn(&Request, &Content) -> Option<Response> + Send + Sync + 'static {
    let path = format!("/blobs/{}", image.layers[0].digest());
    let left = AtomicU32::new(times);
    let take = move || {
        let fewer = |left: u32| left.checked_sub(1);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok()
    };
    move |request, content| {
        let is_layer = request.path.ends_with(&path);
        (is_layer && take()).then(|| change(answer(request, content)))
    }
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let image = big_image();
    let cut = |response: Response| Response { cut: Some(1_200_000), ..response };
    let registry = Registry::with_hook(image.content("a:latest"), on_layer(&image, 2, cut));
    let setting = Setting::new();
    let pulled = setting.pull(&format!("{}/a", registry.domain())).await.expect("pull");
    assert_eq!(setting.file(&pulled.image, 0, "big"), images::noise(BIG, 1));
    let asked = registry.requests_for(&image.layers[0].digest().to_string());
    let ranges: Vec<_> = asked.iter().map(|request| request.header("range")).collect();
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert_eq!(ranges[0], None);
    assert!(ranges[1].is_some() && ranges[2].is_some() && ranges[1] != ranges[2], "{ranges:?}");
    assert!(setting.told().iter().any(|told| matches!(told, Progress::Retrying { .. })));
}

#[tokio::test]
async fn a_failed_pull_is_resumed_by_the_next() {
    let image = big_image();
    let cut = |response: Response| Response { cut: Some(200_000), ..response };
    let registry = Registry::with_hook(image.content("a:latest"), on_layer(&image, 4, cut));
    let setting = Setting::new();
    let name = format!("{}/a", registry.domain());
    let error = setting.pull(&name).await.expect_err("pull");
    assert_eq!(error.kind(), PullErrorKind::Network, "{error}");
    assert!(setting.store.images().list().expect("list").is_empty());
    assert_eq!(setting.names("ingest").len(), 1);
    let pulled = setting.pull(&name).await.expect("second pull");
    assert_eq!(setting.file(&pulled.image, 0, "big"), images::noise(BIG, 1));
    let last = registry.requests_for(&image.layers[0].digest().to_string()).pop().expect("request");
    assert_eq!(last.header("range"), Some("bytes=800000-"));
    assert_eq!(setting.names("ingest"), Vec::<String>::new());
}

#[tokio::test]
async fn servers_without_ranges_are_resumed_by_skipping() {
    let image = big_image();
    let path = image.layers[0].digest().to_string();
    let count = AtomicU32::new(0);
    let registry = Registry::with_hook(image.content("a:latest"), move |request, content| {
        let bytes = content.blobs.get(&path).filter(|_| request.path.ends_with(&path))?;
        let cut = (count.fetch_add(1, Ordering::Relaxed) == 0).then_some(1_000_000);
        Some(Response { cut, ..Response::new(200, bytes.clone()) })
    });
    let setting = Setting::new();
    let pulled = setting.pull(&format!("{}/a", registry.domain())).await.expect("pull");
    assert_eq!(setting.file(&pulled.image, 0, "big"), images::noise(BIG, 1));
}

#[tokio::test]
async fn a_dropped_pull_is_resumed_by_the_next() {
    let image = big_image();
    let hook = on_layer(&image, 1, |response| Response { cut: Some(500_000), ..response });
    let registry = Registry::with_hook(image.content("a:latest"), hook);
    let mut config = impatient();
    config.retry.first_delay = Duration::from_secs(60);
    config.retry.longest_delay = Duration::from_secs(60);
    let setting = Setting::with(config);
    let name = format!("{}/a", registry.domain());
    let dropped = tokio::time::timeout(Duration::from_millis(600), setting.pull(&name)).await;
    assert!(dropped.is_err(), "{dropped:?}");
    let pulled = setting.pull(&name).await.expect("second pull");
    assert_eq!(setting.file(&pulled.image, 0, "big"), images::noise(BIG, 1));
    let asked = registry.requests_for(&image.layers[0].digest().to_string());
    assert_eq!(asked.last().and_then(|request| request.header("range")), Some("bytes=500000-"));
}

#[tokio::test]
async fn damaged_earlier_bytes_are_fetched_again() {
    let image = big_image();
    let digest = image.layers[0].digest();
    let registry = Registry::start(image.content("a:latest"));
    for garbage in [images::noise(1_000_000, 9), images::noise(image.layers[0].blob.len(), 9)] {
        let setting = Setting::new();
        let partial = setting.root.path().join(format!("ingest/{}.partial", digest.hex()));
        std::fs::write(partial, garbage).expect("garbage");
        let pulled = setting.pull(&format!("{}/a", registry.domain())).await.expect("pull");
        assert_eq!(setting.file(&pulled.image, 0, "big"), images::noise(BIG, 1));
    }
}

#[tokio::test]
async fn lies_about_bytes_are_refused() {
    let image = big_image();
    let digest = image.layers[0].digest();
    let flipped = |mut response: Response| {
        response.body[1_000_000] ^= 1;
        response
    };
    let registry = Registry::with_hook(image.content("a:latest"), on_layer(&image, 99, flipped));
    let setting = Setting::new();
    let error = setting.pull(&format!("{}/a", registry.domain())).await.expect_err("flipped");
    assert_eq!(error.kind(), PullErrorKind::DigestMismatch);
    let text = format!("filesystem layer verification failed for digest {digest}");
    assert_eq!(error.to_string(), text);
    assert_eq!(setting.names("ingest"), Vec::<String>::new());
    assert_eq!(setting.names("layers"), Vec::<String>::new());

    let longer = |mut response: Response| {
        response.body.extend_from_slice(b"more");
        response
    };
    let registry = Registry::with_hook(image.content("a:latest"), on_layer(&image, 99, longer));
    let text = Setting::new().refused(&format!("{}/a", registry.domain())).await;
    assert!(text.contains("is larger than"), "{text}");

    let endless = |response: Response| Response { endless: true, ..response };
    let registry = Registry::with_hook(image.content("a:latest"), on_layer(&image, 99, endless));
    let text = Setting::new().refused(&format!("{}/a", registry.domain())).await;
    assert!(text.contains("sends more bytes"), "{text}");

    let shorter = |mut response: Response| {
        response.body.truncate(response.body.len().saturating_sub(2_500_000));
        response
    };
    let registry = Registry::with_hook(image.content("a:latest"), on_layer(&image, 99, shorter));
    let text = Setting::new().refused(&format!("{}/a", registry.domain())).await;
    assert!(text.contains("bytes to come"), "{text}");
}

#[tokio::test]
async fn diff_ids_are_verified() {
    let mut image = Image::small("x");
    image.config["rootfs"]["diff_ids"][0] = json!(Digest::of(b"other").to_string());
    let registry = Registry::start(image.content("a:latest"));
    let setting = Setting::new();
    let error = setting.pull(&format!("{}/a", registry.domain())).await.expect_err("pull");
    assert_eq!(error.kind(), PullErrorKind::DigestMismatch);
    assert_eq!(setting.names("layers"), Vec::<String>::new());
    let mut image = Image::small("x");
    image.config["rootfs"]["diff_ids"] = json!([]);
    let registry = Registry::start(image.content("a:latest"));
    let text = Setting::new().refused(&format!("{}/a", registry.domain())).await;
    assert_eq!(text, "invalid config: 0 diff ids for 1 layers");
}

#[tokio::test]
async fn busy_registries_are_asked_again() {
    for status in [429, 500, 502, 503, 504] {
        let image = Image::small("x");
        let count = AtomicU32::new(0);
        let registry = Registry::with_hook(image.content("a:latest"), move |_, _| {
            let is_busy = count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            is_busy.then(|| Response::error(status, "TOOMANYREQUESTS").with("retry-after", "0"))
        });
        let pulled = Setting::new().pull(&format!("{}/a", registry.domain())).await;
        assert_eq!(pulled.expect("pull").image, image.id());
        assert_eq!(registry.requests().len(), 6);
    }
    let registry = Registry::with_hook(Content::default(), |_, _| {
        Some(Response::error(429, "TOOMANYREQUESTS").with("retry-after", "3600"))
    });
    let error = Setting::new().pull(&format!("{}/a", registry.domain())).await.expect_err("busy");
    assert_eq!(error.kind(), PullErrorKind::RateLimited);
    assert_eq!(error.to_string(), "toomanyrequests: TOOMANYREQUESTS told");
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let image = Image::small("x");
    let busy = |_| Response::error(503, "UNAVAILABLE").with("retry-after", "1");
    let registry = Registry::with_hook(image.content("a:latest"), on_layer(&image, 1, busy));
    let begin = Instant::now();
    Setting::new().pull(&format!("{}/a", registry.domain())).await.expect("pull");
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn docker_words_for_what_is_not_there() {
    let registry = Registry::start(Image::small("x").content("a:latest"));
    let name = registry.domain();
    let error = Setting::new().pull(&format!("{name}/a:none")).await.expect_err("no tag");
    assert_eq!(error.kind(), PullErrorKind::NotFound);
    let text =
        format!("manifest for {name}/a:none not found: manifest unknown: MANIFEST_UNKNOWN told");
    assert_eq!(error.to_string(), text);
    let registry =
        Registry::with_hook(Content::default(), |_, _| Some(Response::error(403, "DENIED")));
    let name = registry.domain();
    let error = Setting::new().pull(&format!("{name}/a")).await.expect_err("denied");
    let text = format!(
        "pull access denied for {name}/a, repository does not exist or may require 'docker login': \
         denied: DENIED told"
    );
    assert_eq!((error.kind(), error.to_string()), (PullErrorKind::NotFound, text));
    let error = Setting::new().pull("localhost:1/a").await.expect_err("no registry");
    assert_eq!(error.kind(), PullErrorKind::Network);
    let text = error.to_string();
    assert!(text.starts_with("Get \"http://localhost:1/v2/a/manifests/latest\": "), "{text}");
    assert!(text.ends_with(": connection refused"), "{text}");
}

#[tokio::test]
async fn silent_peers_are_given_up() {
    for path in ["/manifests/", "/blobs/"] {
        let registry =
            Registry::with_hook(Image::small("x").content("a:latest"), move |request, content| {
                let stall = Some(Duration::from_secs(4));
                request.path.contains(path).then(|| Response { stall, ..answer(request, content) })
            });
        let mut config = impatient();
        config.retry.attempts = 2;
        let setting = Setting::with(config);
        let begin = Instant::now();
        let text = setting.refused(&format!("{}/a", registry.domain())).await;
        assert!(text.ends_with("timed out"), "{text}");
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    }
}

#[tokio::test]
async fn endless_and_large_documents_are_refused() {
    let registry = Registry::with_hook(Content::default(), |_, _| {
        Some(Response {
            endless: true,
            ..Response::new(200, "{").with("content-type", OCI_MANIFEST)
        })
    });
    let error =
        Setting::new().pull(&format!("{}/a", registry.domain())).await.expect_err("endless");
    assert_eq!(error.kind(), PullErrorKind::TooLarge, "{error}");

    let mut image = Image::small("x");
    image.config["history"] = json!("x".repeat(9 << 20));
    let registry = Registry::start(image.content("a:latest"));
    let error = Setting::new().pull(&format!("{}/a", registry.domain())).await.expect_err("large");
    assert_eq!(error.kind(), PullErrorKind::TooLarge, "{error}");

    let registry = Registry::with_hook(Content::default(), |_, _| {
        Some(Response { endless: true, ..Response::error(404, "NAME_UNKNOWN") })
    });
    let error = Setting::new().pull(&format!("{}/a", registry.domain())).await.expect_err("error");
    assert_eq!(error.kind(), PullErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn manifests_of_other_kinds_are_refused() {
    let schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let helm = Image::small("x").manifest().to_string().replace("image.config", "chart.config");
    let both = json!({"schemaVersion": 2, "manifests": [], "layers": []}).to_string();
    let mut sha512 = Image::small("x").manifest();
    sha512["layers"][0]["digest"] = json!(format!("sha512:{}", "0".repeat(128)));
    for (media_type, manifest, expected) in [
        (schema1, "{}".to_owned(), "schema 1 is not supported"),
        ("text/html", "<html>".to_owned(), "unsupported media type \"text/html\" of manifest"),
        (OCI_MANIFEST, "<html>".to_owned(), "invalid manifest: "),
        (OCI_MANIFEST, helm, "unsupported media type \"application/vnd.oci.chart.config"),
        (OCI_MANIFEST, both, "ambiguous manifest: "),
        (images::OCI_INDEX, Image::small("x").manifest().to_string(), "ambiguous manifest: "),
        (OCI_MANIFEST, sha512.to_string(), "unsupported digest algorithm \"sha512\""),
    ] {
        let mut content = Content::default();
        images::add_manifest(&mut content, "a:latest", media_type, manifest.into());
        let registry = Registry::start(content);
        let text = Setting::new().refused(&format!("{}/a", registry.domain())).await;
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[tokio::test]
async fn digests_of_manifests_are_verified() {
    let (wanted, other) = (Image::small("wanted"), Image::small("other"));
    let wanted_digest = Digest::of(wanted.manifest().to_string().as_bytes());
    let mut content = other.content("a:latest");
    let lie = content.manifests.values().next().expect("manifest").clone();
    content.manifests.insert(wanted_digest.to_string(), lie);
    let registry = Registry::start(content);
    let setting = Setting::new();
    let name = format!("{}/a@{wanted_digest}", registry.domain());
    let error = setting.pull(&name).await.expect_err("other manifest");
    assert_eq!(error.kind(), PullErrorKind::DigestMismatch);
    assert!(error.to_string().starts_with("manifest verification failed for digest"), "{error}");

    let registry = Registry::with_hook(other.content("a:latest"), move |request, content| {
        let mut response = answer(request, content);
        response.headers.retain(|(name, _)| name != "docker-content-digest");
        Some(response.with("docker-content-digest", wanted_digest.to_string()))
    });
    let text = Setting::new().refused(&format!("{}/a", registry.domain())).await;
    assert!(text.contains("manifest latest: expected"), "{text}");
}

#[tokio::test]
async fn configs_are_verified() {
    let image = Image::small("x");
    let mut content = image.content("a:latest");
    let lie = image.config_bytes().to_ascii_uppercase();
    content.blobs.insert(image.id().to_string(), lie);
    let registry = Registry::start(content);
    let error = Setting::new().pull(&format!("{}/a", registry.domain())).await.expect_err("config");
    assert_eq!(error.kind(), PullErrorKind::DigestMismatch, "{error}");
}

#[tokio::test]
async fn layers_that_are_no_archives_are_refused() {
    for blob in
        [images::noise(100_000, 3), b"\x1f\x8b\x08 not gzip at all, only its magic".to_vec()]
    {
        let mut layer = Layer::of_tar(&blob, Compressed::Not);
        layer.diff_id = Digest::of(&blob);
        let image = Image::new(vec![layer]);
        let registry = Registry::start(image.content("a:latest"));
        let setting = Setting::new();
        let text = setting.refused(&format!("{}/a", registry.domain())).await;
        assert!(text.starts_with("failed to register layer sha256:"), "{text}");
        assert_eq!(setting.names("layers"), Vec::<String>::new());
    }
}

#[tokio::test]
async fn indexes_in_indexes_end() {
    let mut content = Content::default();
    let image = Image::small("x");
    image.add_to(&mut content, "a:image");
    let amd64 = json!({"os": "linux", "architecture": "amd64"});
    let mut entry = image.entry(&amd64);
    for depth in 1..=3 {
        let index =
            json!({"schemaVersion": 2, "mediaType": images::OCI_INDEX, "manifests": [entry]});
        let bytes = index.to_string();
        entry = json!({
            "mediaType": images::OCI_INDEX, "digest": Digest::of(bytes.as_bytes()).to_string(),
            "size": bytes.len(), "platform": amd64,
        });
        let name = format!("a:{depth}");
        images::add_manifest(&mut content, &name, images::OCI_INDEX, bytes.into());
    }
    let registry = Registry::start(content);
    let name = registry.domain();
    let pulled = Setting::new().pull(&format!("{name}/a:2")).await.expect("two indexes");
    assert_eq!(pulled.image, image.id());
    let text = Setting::new().refused(&format!("{name}/a:3")).await;
    assert_eq!(text, "invalid index: too many indexes in indexes");
}

#[tokio::test]
async fn pulls_at_once_outlive_the_one_that_is_dropped() {
    let image = Arc::new(big_image());
    let slow =
        |response: Response| Response { stall: Some(Duration::from_millis(300)), ..response };
    let registry = Registry::with_hook(image.content("a:latest"), on_layer(&image, 1, slow));
    let setting = Setting::new();
    let name = format!("{}/a", registry.domain());
    let short = tokio::time::timeout(Duration::from_millis(150), setting.pull(&name));
    let (dropped, pulled) = tokio::join!(short, setting.pull(&name));
    assert!(dropped.is_err());
    assert_eq!(pulled.expect("pull").image, image.id());
}
