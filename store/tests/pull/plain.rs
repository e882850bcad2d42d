//! Pulls that go well: every form of manifest and layer, names, platforms, progress, repetition.

use serde_json::json;
use store::pull::{Progress, PullErrorKind};
use store::reference::Reference;

use crate::faulty::{Content, Registry};
use crate::images::{self, Compressed, Image, Layer, OCI_INDEX};
use crate::setting::{Setting, impatient};

#[tokio::test]
async fn every_form_of_layer_is_unpacked() {
    for is_docker in [false, true] {
        let forms = [Compressed::Gzip, Compressed::Members, Compressed::Zstd, Compressed::Not];
        let layers = forms.iter().enumerate().map(|(at, &form)| {
            Layer::new(&[(format!("file{at}").as_str(), &images::noise(300_000, at as u64))], form)
        });
        let mut image = Image::new(layers.collect());
        image.is_docker = is_docker;
        let registry = Registry::start(image.content("a/b:latest"));
        let setting = Setting::new();
        let pulled = setting.pull(&format!("{}/a/b", registry.domain())).await.expect("pull");
        assert_eq!(pulled.image, image.id());
        assert!(!pulled.up_to_date);
        for at in 0..forms.len() {
            let bytes = setting.file(&pulled.image, at, &format!("file{at}"));
            assert_eq!(bytes, images::noise(300_000, at as u64));
        }
        let stored = setting.store.images().get(&pulled.image).expect("get").expect("image");
        assert_eq!(stored.repo_digests, [format!("{}/a/b@{}", registry.domain(), pulled.digest)]);
        assert_eq!(
            stored.tags,
            [Reference::parse_normalized(&format!("{}/a/b", registry.domain()))
                .expect("reference")]
        );
        assert_eq!(setting.names("ingest"), Vec::<String>::new());
        // Layers, config, manifest, and its OCI form where it is Docker's.
        let blobs = forms.len() + 2 + usize::from(is_docker);
        assert_eq!(setting.names("blobs/sha256").len(), blobs);
    }
}

#[tokio::test]
async fn an_image_without_layers_is_an_image() {
    let image = Image::new(Vec::new());
    let registry = Registry::start(image.content("a:latest"));
    let setting = Setting::new();
    let pulled = setting.pull(&format!("{}/a", registry.domain())).await.expect("pull");
    assert_eq!(pulled.image, image.id());
}

#[tokio::test]
async fn the_same_layer_twice_is_fetched_once() {
    let layer = Layer::new(&[("x", b"x")], Compressed::Gzip);
    let image = Image::new(vec![layer.clone(), layer.clone()]);
    let registry = Registry::start(image.content("a:latest"));
    let setting = Setting::new();
    let pulled = setting.pull(&format!("{}/a", registry.domain())).await.expect("pull");
    assert_eq!(setting.file(&pulled.image, 1, "x"), b"x");
    assert_eq!(registry.requests_for(&layer.digest().to_string()).len(), 1);
}

#[tokio::test]
async fn an_index_leads_to_the_platforms_image() {
    let mut content = Content::default();
    let mut entries = Vec::new();
    let platforms = [("arm", "v7"), ("amd64", ""), ("arm64", "v8")];
    for (architecture, variant) in platforms {
        let image = platform_image(architecture, variant);
        image.add_to(&mut content, &format!("a:{architecture}"));
        let platform = json!({"os": "linux", "architecture": architecture, "variant": variant});
        entries.push(image.entry(&platform));
    }
    entries.push(json!({
        "mediaType": images::OCI_MANIFEST, "digest": format!("sha512:{}", "0".repeat(128)),
        "size": 5, "platform": {"os": "unknown", "architecture": "unknown"},
    }));
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
    let index = images::add_manifest(&mut content, "a:latest", OCI_INDEX, index.to_string().into());
    let registry = Registry::start(content);
    let name = format!("{}/a", registry.domain());
    for (platform, architecture, variant) in [
        ("linux/amd64", "amd64", ""),
        ("linux/arm64", "arm64", "v8"),
        ("linux/arm/v8", "arm", "v7"),
    ] {
        let mut setting = Setting::new();
        setting.options.platform = Some(platform.parse().expect("platform"));
        let pulled = setting.pull(&name).await.expect(platform);
        assert_eq!(pulled.image, platform_image(architecture, variant).id(), "{platform}");
        assert_eq!(pulled.digest, index);
        let by_digest = setting.pull(&format!("{name}@{index}")).await.expect("by digest");
        assert!(by_digest.image == pulled.image);
    }
    let mut setting = Setting::new();
    setting.options.platform = Some("linux/s390x".parse().expect("platform"));
    let error = setting.pull(&name).await.expect_err("no such platform");
    assert_eq!(error.kind(), PullErrorKind::UnsupportedPlatform);
    let text = "no matching manifest for linux/s390x in the manifest list entries";
    assert_eq!(error.to_string(), text);
}

fn platform_image(architecture: &str, variant: &str) -> Image {
    let mut image = Image::small(architecture);
    image.config["architecture"] = json!(architecture);
    image.config["variant"] = json!(variant);
    image
}

#[tokio::test]
async fn a_single_image_is_of_the_platform_asked_for() {
    let registry = Registry::start(Image::small("x").content("a:latest"));
    let mut setting = Setting::new();
    setting.options.platform = Some("linux/riscv64".parse().expect("platform"));
    let text = setting.refused(&format!("{}/a", registry.domain())).await;
    assert!(text.ends_with("does not match the specified platform (linux/riscv64)"), "{text}");
    let mut windows = Image::small("x");
    windows.config["os"] = json!("windows");
    let registry = Registry::start(windows.content("a:latest"));
    let text = Setting::new().refused(&format!("{}/a", registry.domain())).await;
    assert_eq!(text, "image operating system \"windows\" cannot be used on this platform");
}

#[tokio::test]
async fn the_second_pull_costs_one_question() {
    let image = Image::small("x");
    let registry = Registry::start(image.content("a:latest"));
    let name = format!("{}/a", registry.domain());
    let setting = Setting::new();
    let first = setting.pull(&name).await.expect("first");
    let before = registry.requests().len();
    let second = setting.pull(&name).await.expect("second");
    assert_eq!((second.image, second.up_to_date), (first.image, true));
    let asked = registry.requests().split_off(before);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].method, "HEAD");
    let status = format!("Status: Image is up to date for {name}:latest");
    assert_eq!(setting.told().last(), Some(&Progress::Status(status)));
}

#[tokio::test]
async fn another_name_for_the_same_image_fetches_no_layer() {
    let image = Image::small("x");
    let mut content = image.content("a:latest");
    image.add_to(&mut content, "a:other");
    let registry = Registry::start(content);
    let setting = Setting::new();
    setting.pull(&format!("{}/a", registry.domain())).await.expect("first");
    let blobs = registry.requests_for("/blobs/").len();
    let pulled = setting.pull(&format!("{}/a:other", registry.domain())).await.expect("second");
    assert!(!pulled.up_to_date);
    assert_eq!(registry.requests_for("/blobs/").len(), blobs);
    assert_eq!(setting.store.images().list().expect("list")[0].tags.len(), 2);
    // dockerd tells nothing of the layers of an image that is here.
    let id = image.layers[0].digest().short();
    assert!(!setting.told().contains(&Progress::AlreadyExists { id }));
}

#[tokio::test]
async fn a_moved_tag_brings_the_newer_image() {
    let (old, new) = (Image::small("old"), Image::small("new"));
    let mut content = old.content("a:latest");
    new.add_to(&mut content, "a:next");
    let is_moved = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let moved = std::sync::Arc::clone(&is_moved);
    let registry = Registry::with_hook(content, move |request, content| {
        let is_tag = request.path.ends_with("/manifests/latest");
        if !is_tag || !moved.load(std::sync::atomic::Ordering::Relaxed) {
            return None;
        }
        let mut request = request.clone();
        request.path = "/v2/a/manifests/next".to_owned();
        Some(crate::faulty::answer(&request, content))
    });
    let setting = Setting::new();
    let name = format!("{}/a", registry.domain());
    setting.pull(&name).await.expect("old");
    is_moved.store(true, std::sync::atomic::Ordering::Relaxed);
    let pulled = setting.pull(&name).await.expect("new");
    assert_eq!((pulled.image, pulled.up_to_date), (new.id(), false));
    assert_eq!(setting.store.images().resolve(&name).expect("resolve").id, new.id());
}

#[tokio::test]
async fn all_tags_are_pulled() {
    let mut content = Image::small("one").content("a:1");
    Image::small("two").add_to(&mut content, "a:2");
    Image::small("else").add_to(&mut content, "b:3");
    let registry = Registry::start(content);
    let mut setting = Setting::new();
    setting.options.all_tags = true;
    let pulled = setting.pull(&format!("{}/a", registry.domain())).await.expect("pull");
    assert_eq!(pulled.image, Image::small("two").id());
    assert_eq!(setting.store.images().list().expect("list").len(), 2);
    let error = setting.pull(&format!("{}/none", registry.domain())).await.expect_err("no tags");
    assert!(error.to_string().contains("repository has no tags"), "{error}");
}

#[tokio::test]
async fn progress_comes_in_order() {
    let layers =
        (0..5).map(|at| Layer::new(&[("x", &images::noise(200_000, at))], Compressed::Gzip));
    let image = Image::new(layers.collect());
    let registry = Registry::start(image.content("team/a:1"));
    let setting = Setting::new();
    let pulled = setting.pull(&format!("{}/team/a:1", registry.domain())).await.expect("pull");
    let told = setting.told();
    let from = Progress::PullingFrom { repository: "team/a".to_owned(), tag: "1".to_owned() };
    assert_eq!(told[0], from);
    assert_eq!(told[told.len() - 2], Progress::Digest(pulled.digest));
    for layer in &image.layers {
        let id = layer.digest().short();
        let position = |wanted: &Progress| told.iter().position(|told| told == wanted);
        let pulling = position(&Progress::PullingLayer { id: id.clone() });
        let verifying = position(&Progress::VerifyingChecksum { id: id.clone() });
        let downloaded = position(&Progress::DownloadComplete { id: id.clone() });
        let complete = position(&Progress::PullComplete { id });
        assert!(pulling.is_some() && pulling < verifying, "{told:?}");
        assert!(verifying < downloaded && downloaded < complete, "{told:?}");
    }
    let waiting = told.iter().filter(|told| matches!(told, Progress::LayerWaiting { .. }));
    assert_eq!(waiting.count(), 2, "{told:?}");
}

#[tokio::test]
async fn concurrent_pulls_share_every_blob() {
    let layers =
        (0..4).map(|at| Layer::new(&[("x", &images::noise(400_000, at))], Compressed::Gzip));
    let image = Image::new(layers.collect());
    let mut content = image.content("a:1");
    image.add_to(&mut content, "a:2");
    let registry = Registry::start(content);
    let setting = Setting::with(impatient());
    let (first, second) =
        (format!("{}/a:1", registry.domain()), format!("{}/a:2", registry.domain()));
    let (first, second, third) =
        tokio::join!(setting.pull(&first), setting.pull(&second), setting.pull(&first));
    for pulled in [first, second, third] {
        assert_eq!(pulled.expect("pull").image, image.id());
    }
    for layer in &image.layers {
        assert_eq!(registry.requests_for(&layer.digest().to_string()).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pulls_run_in_tasks_of_their_own() {
    let registry = Registry::start(Image::small("x").content("a:latest"));
    let setting = std::sync::Arc::new(Setting::new());
    let name = format!("{}/a", registry.domain());
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (setting, name) = (std::sync::Arc::clone(&setting), name.clone());
            tokio::spawn(async move { setting.pull(&name).await.expect("pull").image })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("task"), Image::small("x").id());
    }
}
