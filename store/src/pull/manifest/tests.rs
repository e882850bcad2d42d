//! Manifests of all kinds, well and ill.

use proptest::prelude::*;

use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn entry(media_type: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{HEX}","size":3}}"#)
}

fn manifest(media_type: &str, config: &str, layer: &str) -> String {
    let (config, layer) = (entry(config), entry(layer));
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{config},"layers":[{layer}]}}"#
    )
}

fn oci() -> String {
    manifest(OCI_MANIFEST, CONFIGS[0], "application/vnd.oci.image.layer.v1.tar+zstd")
}

fn refused(text: &str, announced: Option<&str>) -> ManifestError {
    parse(text.as_bytes(), announced).expect_err(text)
}

#[test]
fn images_of_both_kinds_are_read() {
    let docker =
        manifest(DOCKER_MANIFEST, CONFIGS[1], "application/vnd.docker.image.rootfs.diff.tar.gzip");
    for (text, announced) in [
        (oci(), Some(OCI_MANIFEST)),
        (oci(), Some("text/plain")),
        (oci(), None),
        (docker, Some(DOCKER_MANIFEST)),
    ] {
        let Document::Image(image) = parse(text.as_bytes(), announced).expect(&text) else {
            panic!("an index: {text}");
        };
        assert_eq!((image.config.size, image.layers.len()), (3, 1));
    }
}

#[test]
fn indexes_are_read_whatever_their_digests() {
    let text =
        format!(r#"{{"manifests":[{{"digest":"sha512:00","size":1}},{}]}}"#, entry(OCI_MANIFEST));
    let Document::Index(entries) = parse(text.as_bytes(), None).expect("index") else {
        panic!("not an index");
    };
    assert!(entries[0].descriptor("manifest").is_err());
    assert_eq!(entries[1].descriptor("manifest").expect("descriptor").digest.hex(), HEX);
}

#[test]
fn ambiguous_documents_are_refused() {
    let both = oci().replacen('{', r#"{"manifests":[],"#, 1);
    assert!(matches!(refused(&both, None), ManifestError::Ambiguous(_)));
    let untyped = format!(r#"{{"manifests":[],"layers":[],"config":{}}}"#, entry(CONFIGS[0]));
    assert!(matches!(refused(&untyped, None), ManifestError::Ambiguous(_)));
    assert!(matches!(refused(&untyped, Some(OCI_INDEX)), ManifestError::Ambiguous(_)));
    assert!(matches!(refused(&oci(), Some(OCI_INDEX)), ManifestError::Ambiguous(_)));
    let twice = oci().replacen('{', r#"{"layers":[],"#, 1);
    assert!(matches!(refused(&twice, None), ManifestError::Json { .. }));
}

#[test]
fn unsupported_kinds_are_named() {
    let pretty = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    assert!(matches!(refused("{}", Some(pretty)), ManifestError::Schema1));
    assert!(matches!(refused(r#"{"schemaVersion":1}"#, None), ManifestError::Schema1));
    assert!(matches!(refused("<html>", Some("text/html")), ManifestError::MediaType { .. }));
    let helm =
        manifest(OCI_MANIFEST, "application/vnd.cncf.helm.config.v1+json", LAYER_PREFIXES[0]);
    let text = refused(&helm, None).to_string();
    assert!(text.contains("helm") && text.contains("config"), "{text}");
    let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let text = refused(&manifest(OCI_MANIFEST, CONFIGS[0], encrypted), None).to_string();
    assert!(text.contains("encrypted"), "{text}");
    let sha512 = oci().replace(&format!("sha256:{HEX}"), &format!("sha512:{HEX}{HEX}"));
    let text = refused(&sha512, None).to_string();
    assert!(text.contains("unsupported digest algorithm"), "{text}");
}

#[test]
fn deep_and_long_documents_are_refused() {
    // Nothing else is wrong with it.
    let annotations = format!(r#"{{"annotations":{}{},"#, "[".repeat(100), "]".repeat(100));
    let deep = refused(&oci().replacen('{', &annotations, 1), None);
    assert!(deep.to_string().contains("nested deeper than 64"), "{deep}");
    let layers = vec![entry(LAYER_PREFIXES[0]); LAYERS_LIMIT + 1].join(",");
    let long = format!(r#"{{"config":{},"layers":[{layers}]}}"#, entry(CONFIGS[0]));
    let long = refused(&long, None);
    assert!(long.to_string().contains(&LAYERS_LIMIT.to_string()), "{long}");
    let negative = oci().replace(r#""size":3"#, r#""size":-3"#);
    assert!(matches!(refused(&negative, None), ManifestError::Json { .. }));
}

proptest! {
    #[test]
    fn no_document_panics(at in 0_usize..200, byte in any::<u8>()) {
        let mut bytes = oci().into_bytes();
        let at = at.min(bytes.len() - 1);
        bytes[at] = byte;
        drop(parse(&bytes, None));
    }
}
