//! The grammar, case by case, and its properties on made-up references.

use proptest::prelude::*;

use super::*;

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn parsed(text: &str) -> Reference {
    Reference::parse_normalized(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> ReferenceError {
    Reference::parse_normalized(text).expect_err(text)
}

#[test]
fn names_are_normalised() {
    for (text, canonical, familiar) in [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"),
        ("library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("user/app:Tag_1.-", "docker.io/user/app:Tag_1.-", "user/app:Tag_1.-"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("Upper/app", "Upper/app:latest", "Upper/app:latest"),
        ("quay.io/a/b/c:x", "quay.io/a/b/c:x", "quay.io/a/b/c:x"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000/a:latest", "127.0.0.1:5000/a:latest"),
        ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
        ("[fd00::3]/a", "[fd00::3]/a:latest", "[fd00::3]/a:latest"),
        ("a__b/c--d/e.f/g_h", "docker.io/a__b/c--d/e.f/g_h:latest", "a__b/c--d/e.f/g_h:latest"),
        ("sha256:abc", "docker.io/library/sha256:abc", "sha256:abc"),
        ("docker.io/localhost/a:1", "docker.io/localhost/a:1", "docker.io/localhost/a:1"),
        ("docker.io/docker.io/a:1", "docker.io/docker.io/a:1", "docker.io/docker.io/a:1"),
        (
            "docker.io/index.docker.io/a:1",
            "docker.io/index.docker.io/a:1",
            "docker.io/index.docker.io/a:1",
        ),
    ] {
        let reference = parsed(text);
        assert_eq!(reference.canonical(), canonical, "{text}");
        assert_eq!(reference.familiar(), familiar, "{text}");
    }
}

#[test]
fn digests_stand_beside_tags() {
    let reference = parsed(&format!("busybox@sha256:{HEX}"));
    assert_eq!(reference.tag(), None);
    assert_eq!(reference.digest().map(ToString::to_string), Some(format!("sha256:{HEX}")));
    assert_eq!(reference.familiar(), format!("busybox@sha256:{HEX}"));
    let both = parsed(&format!("x.io/busybox:1@sha256:{HEX}"));
    assert_eq!(both.canonical(), format!("x.io/busybox:1@sha256:{HEX}"));
    assert_eq!(both.with_tag("2").expect("tag").canonical(), "x.io/busybox:2");
    assert_eq!(parsed("busybox").with_digest(both.digest().expect("digest")), reference);
}

#[test]
fn bare_names_keep_no_tag() {
    let bare = Reference::parse_named("busybox").expect("bare");
    assert_eq!((bare.tag(), bare.familiar().as_str()), (None, "busybox"));
}

#[test]
fn malformed_references_are_refused() {
    let format = ReferenceError::InvalidFormat;
    for text in [
        "",
        "/",
        ":",
        "@",
        "a/",
        "/a",
        "a//b",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a._b",
        "a b",
        "a:",
        "a:-x",
        "a@",
        "a@sha256",
        "a@sha256:abc",
        "a:b:c",
        "aa/asdf$$^/aa",
        "http://x/y",
        "x.io/a\n",
        "[::1/a",
        "[]/a",
        "[::g]/a",
        "[::1]x/a",
        "x.io:/a",
        "x.io:p/a",
        "-x.io/a",
        "ä",
        "a/b:c/d",
        "../x",
        "x.io/../y",
        "a:..\u{e9}",
    ] {
        assert_eq!(refused(text), format, "{text:?}");
    }
    let long_tag = "t".repeat(129);
    assert_eq!(refused(&format!("a:{long_tag}")), format);
    assert!(Reference::parse_normalized(&format!("a:{}", &long_tag[1..])).is_ok());
}

#[test]
fn texts_are_those_that_clients_know() {
    for (text, error) in [
        ("a b".to_owned(), "invalid reference format".to_owned()),
        (
            "Busybox".to_owned(),
            "invalid reference format: repository name (library/Busybox) must be lowercase"
                .to_owned(),
        ),
        (
            HEX.to_owned(),
            format!("invalid repository name ({HEX}), cannot specify 64-byte hexadecimal strings"),
        ),
        (
            "a/".to_owned() + &"b".repeat(255),
            "repository name must not be more than 255 characters".to_owned(),
        ),
        (format!("a@sha512:{HEX}{HEX}"), "unsupported digest algorithm".to_owned()),
        (format!("a@sha256:{}", &HEX[..40]), "invalid checksum digest length".to_owned()),
        (format!("a@sha256:{}", HEX.to_uppercase()), "invalid checksum digest format".to_owned()),
    ] {
        assert_eq!(refused(&text).to_string(), error, "{text}");
    }
}

/// References in their canonical form, made from the grammar.
fn canonical() -> impl Strategy<Value = String> {
    let domain = "(docker\\.io|localhost|[a-z]{1,8}\\.[a-z]{2,3}|\\[[0-9a-f]{1,4}::[0-9a-f]{1,4}\\])(:[0-9]{1,5})?";
    let path = "[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}){1,3}";
    let tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}";
    (domain, path, tag, proptest::option::of("[0-9a-f]{64}")).prop_map(
        |(domain, path, tag, hex)| {
            let digest = hex.map(|hex| format!("@sha256:{hex}")).unwrap_or_default();
            format!("{domain}/{path}:{tag}{digest}")
        },
    )
}

proptest! {
    #[test]
    fn canonical_references_come_back(text in canonical()) {
        let reference = parsed(&text);
        prop_assert_eq!(reference.canonical(), text);
    }

    #[test]
    fn familiar_references_mean_the_same(text in canonical()) {
        let reference = parsed(&text);
        prop_assert_eq!(parsed(&reference.familiar()), reference);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        if let Ok(reference) = Reference::parse_normalized(&text) {
            prop_assert_eq!(parsed(&reference.canonical()), reference);
        }
    }

    #[test]
    fn near_misses_do_not_panic(text in "[a-zA-Z0-9:/@._\\[\\]-]{0,40}") {
        if let Ok(reference) = Reference::parse_normalized(&text) {
            prop_assert!(!reference.path().contains(".."));
            prop_assert_eq!(parsed(&reference.familiar()), reference);
        }
    }
}
