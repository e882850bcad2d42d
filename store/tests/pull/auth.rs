//! Who may pull: basic and token authentication, logins, redirects that must not get credentials,
//! and mirrors.

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::pull::PullErrorKind;
use store::reference::Reference;
use store::registry::{Credentials, Registries, RegistryError};

use crate::faulty::{Content, Registry, Request, Response};
use crate::images::Image;
use crate::setting::{Setting, impatient};

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

fn basic_registry(content: Content) -> Registry {
    Registry::with_hook(content, |request, _| {
        let is_known = request.header("authorization") == Some(&basic("me", "secret"));
        let challenge = "Basic realm=\"a registry\"";
        let refusal = || Response::error(401, "UNAUTHORIZED").with("www-authenticate", challenge);
        (!is_known).then(refusal)
    })
}

#[tokio::test]
async fn basic_authentication() {
    let image = Image::small("x");
    let registry = basic_registry(image.content("a:latest"));
    let name = format!("{}/a", registry.domain());
    let pulled = Setting::new().login("me", "secret").pull(&name).await.expect("pull");
    assert_eq!(pulled.image, image.id());
    let refused = registry.requests().into_iter().filter(|r| r.header("authorization").is_none());
    assert_eq!(refused.count(), 1, "the challenge is learnt once");
    let error = Setting::new().pull(&name).await.expect_err("anonymous");
    assert_eq!(error.kind(), PullErrorKind::Unauthorized);
    assert!(error.to_string().ends_with("no basic auth credentials"), "{error}");
    let error = Setting::new().login("me", "wrong").pull(&name).await.expect_err("wrong");
    assert_eq!(error.kind(), PullErrorKind::Unauthorized);
    assert_eq!(error.to_string(), "unauthorized: UNAUTHORIZED told");
    assert!(!format!("{error:?}").contains("wrong"));
}

/// A token service for `me`, whose tokens name the scopes they are good for.
fn token_service() -> Registry {
    Registry::with_hook(Content::default(), |request, _| Some(token(request)))
}

fn token(request: &Request) -> Response {
    if request.method == "POST" {
        let is_known = request.body.contains("refresh_token=refresh")
            && request.body.contains("grant_type=refresh_token");
        return match is_known {
            true => Response::new(200, r#"{"access_token":"for-me"}"#),
            false => Response::error(401, "UNAUTHORIZED"),
        };
    }
    let who = match request.header("authorization") {
        None => "anyone",
        Some(header) if header == basic("me", "secret") => "me",
        Some(_) => return Response::new(401, r#"{"details":"incorrect username or password"}"#),
    };
    let refresh = match request.query.contains("offline_token=true") {
        true => r#","refresh_token":"refresh""#,
        false => "",
    };
    Response::new(200, format!(r#"{{"token":"for-{who}","expires_in":300{refresh}}}"#))
}

fn token_registry(content: Content, service: &Registry) -> Registry {
    let realm = format!("http://{}/token", service.address);
    Registry::with_hook(content, move |request, _| {
        let may = match request.header("authorization") {
            Some("Bearer for-me") => true,
            Some("Bearer for-anyone") => !request.path.contains("private"),
            _ => false,
        };
        let error = match request.header("authorization") {
            Some(_) => ",error=\"insufficient_scope\"",
            None => "",
        };
        let challenge = format!(
            "Bearer realm=\"{realm}\",service=\"reg\",scope=\"repository:asked/for:pull\"{error}"
        );
        (!may).then(|| Response::error(401, "UNAUTHORIZED").with("www-authenticate", challenge))
    })
}

#[tokio::test]
async fn token_authentication() {
    let mut content = Image::small("public").content("public/a:latest");
    Image::small("private").add_to(&mut content, "private/a:latest");
    let service = token_service();
    let registry = token_registry(content, &service);
    let name = registry.domain();
    Setting::new().pull(&format!("{name}/public/a")).await.expect("anonymous");
    let asked = service.requests();
    assert_eq!(asked.len(), 1, "one token a pull");
    assert_eq!(
        asked[0].query,
        "service=reg&scope=repository%3Apublic%2Fa%3Apull&scope=repository%3Aasked%2Ffor%3Apull"
    );
    let me = Setting::new().login("me", "secret");
    me.pull(&format!("{name}/private/a")).await.expect("private");
    assert!(service.requests()[1].query.contains("account=me"));
    for request in registry.requests() {
        let header = request.header("authorization").unwrap_or_default();
        assert!(!header.starts_with("Basic"), "a password went to the registry");
    }
    let error = Setting::new().pull(&format!("{name}/private/a")).await.expect_err("anonymous");
    assert_eq!(error.kind(), PullErrorKind::NotFound);
    let text = format!(
        "pull access denied for {name}/private/a, repository does not exist or may require \
         'docker login': denied: requested access to the resource is denied"
    );
    assert_eq!(error.to_string(), text);
    let wrong = Setting::new().login("me", "wrong");
    let error = wrong.pull(&format!("{name}/public/a")).await.expect_err("wrong");
    assert_eq!(error.to_string(), "unauthorized: incorrect username or password");
}

#[tokio::test]
async fn identity_and_registry_tokens() {
    let service = token_service();
    let registry = token_registry(Image::small("x").content("private/a:latest"), &service);
    let name = format!("{}/private/a", registry.domain());
    let mut setting = Setting::new();
    let identity_token = Some("refresh".to_owned());
    setting.options.credentials = Some(Credentials { identity_token, ..Credentials::default() });
    setting.pull(&name).await.expect("identity token");
    assert_eq!(service.requests()[0].method, "POST");
    let mut setting = Setting::new();
    let registry_token = Some("for-me".to_owned());
    setting.options.credentials = Some(Credentials { registry_token, ..Credentials::default() });
    setting.pull(&name).await.expect("registry token");
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn an_expired_token_is_renewed() {
    let service = token_service();
    let realm = format!("http://{}/token", service.address);
    let count = Mutex::new(0);
    let image = Image::small("x");
    let registry = Registry::with_hook(image.content("a:latest"), move |request, _| {
        let mut count = count.lock().expect("count");
        *count += 1;
        // Request 1 is the first challenge; the token is refused once more at request 3.
        let is_refused = *count == 3 || request.header("authorization").is_none();
        let challenge = format!("Bearer realm=\"{realm}\"");
        let refusal = || Response::error(401, "UNAUTHORIZED").with("www-authenticate", challenge);
        is_refused.then(refusal)
    });
    Setting::new().pull(&format!("{}/a", registry.domain())).await.expect("pull");
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn credentials_do_not_follow_redirects() {
    let image = Image::small("x");
    let storage = Registry::start(image.content("a:latest"));
    let target = format!("http://{}", storage.address);
    let registry = Registry::with_hook(image.content("a:latest"), move |request, _| {
        if request.header("authorization") != Some(&basic("me", "secret")) {
            let refusal = Response::error(401, "UNAUTHORIZED");
            return Some(refusal.with("www-authenticate", "Basic realm=\"x\""));
        }
        let location = format!("{target}{}?signed=yes", request.path);
        request.path.contains("/blobs/").then(|| Response::new(307, "").with("location", location))
    });
    let setting = Setting::new().login("me", "secret");
    setting.pull(&format!("{}/a", registry.domain())).await.expect("pull");
    assert_eq!(storage.requests().len(), 2);
    for request in storage.requests() {
        assert_eq!(request.header("authorization"), None, "credentials went to another host");
        assert_eq!(request.query, "signed=yes");
    }
}

#[tokio::test]
async fn redirects_end() {
    let registry = Registry::with_hook(Content::default(), |request, _| {
        Some(Response::new(302, "").with("location", request.path.as_str()))
    });
    let text = Setting::new().refused(&format!("{}/a", registry.domain())).await;
    assert!(text.ends_with("too many redirects"), "{text}");
    let registry = Registry::with_hook(Content::default(), |_, _| {
        Some(Response::new(302, "").with("location", "file:///etc/passwd"))
    });
    let text = Setting::new().refused(&format!("{}/a", registry.domain())).await;
    assert!(text.ends_with("to another scheme"), "{text}");
}

#[tokio::test]
async fn logins_are_checked() {
    let registries = Registries::new(impatient()).expect("registries");
    let me = |password: &str| Credentials {
        username: "me".to_owned(),
        password: password.to_owned(),
        ..Credentials::default()
    };
    let registry = basic_registry(Content::default());
    let login = registries.login(&registry.domain(), &me("secret")).await.expect("login");
    assert_eq!(login.identity_token, None);
    let error = registries.login(&registry.domain(), &me("wrong")).await.expect_err("wrong");
    assert!(matches!(error, RegistryError::Api(ref error) if error.status == 401), "{error}");

    let service = token_service();
    let registry = token_registry(Content::default(), &service);
    let server = format!("http://{}/v2/", registry.domain());
    let login = registries.login(&server, &me("secret")).await.expect("login");
    assert_eq!(login.identity_token.as_deref(), Some("refresh"));
    let error = registries.login(&server, &me("wrong")).await.expect_err("wrong");
    assert!(matches!(error, RegistryError::Api(ref error) if error.status == 401), "{error}");
    assert_eq!(error.to_string(), "unauthorized: incorrect username or password");
}

#[tokio::test]
async fn mirrors_go_first_and_get_no_credentials() {
    let image = Image::small("x");
    let broken =
        Registry::with_hook(Content::default(), |_, _| Some(Response::error(500, "UNKNOWN")));
    let mirror = Registry::start(image.content("library/busybox:latest"));
    let mut config = impatient();
    config.mirrors =
        vec![format!("http://{}", broken.address), format!("http://{}/", mirror.address)];
    let setting = Setting::with(config).login("me", "secret");
    let pulled = setting.pull("busybox").await.expect("pull");
    assert_eq!(pulled.image, image.id());
    assert_eq!(broken.requests().len(), 1, "a mirror is asked once");
    for request in mirror.requests() {
        assert_eq!(request.header("authorization"), None);
    }
    let stored = setting.store.images().resolve("busybox").expect("resolve");
    assert_eq!(stored.tags, [Reference::parse_normalized("busybox").expect("reference")]);
}
