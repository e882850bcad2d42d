//! TLS: verification, authorities and client certificates from `certs.d`, insecure registries.
//!
//! The registry is asked for as `0.0.0.0`, which reaches loopback but is not in a loopback block.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use store::pull::PullErrorKind;
use tempfile::TempDir;

use crate::faulty::{Connection, Content, Registry, Request, Response};
use crate::images::Image;
use crate::setting::{Setting, impatient};

/// An authority, and a server's and a client's certificate of it.
struct Certificates {
    directory: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let certificates = Self { directory: tempfile::tempdir().expect("directory") };
        certificates.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
             -subj /CN=authority -keyout ca.key -out ca.crt",
        );
        fs::write(certificates.path("san"), "subjectAltName=IP:0.0.0.0,DNS:localhost")
            .expect("san");
        for name in ["server", "client"] {
            certificates.openssl(&format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} \
                 -keyout {name}.key -out {name}.csr"
            ));
            certificates.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
                 -extfile san -out {name}.cert"
            ));
        }
        certificates
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(self.directory.path());
        let output = command.output().expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A `certs.d` for the registry with these files.
    fn certs_dir(&self, registry: &Registry, files: &[&str]) -> TempDir {
        let directory = tempfile::tempdir().expect("directory");
        let host = directory.path().join(domain(registry));
        fs::create_dir(&host).expect("host directory");
        for file in files {
            fs::copy(self.path(file), host.join(file)).expect(file);
        }
        directory
    }

    fn registry(
        &self,
        content: Content,
        wants_client: bool,
        hook: impl Fn(&Request, &Content) -> Option<Response> + Send + Sync + 'static,
    ) -> Registry {
        let certificate =
            |name: &str| CertificateDer::from_pem_file(self.path(name)).expect("certificate");
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).expect("key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if wants_client {
            let mut roots = RootCertStore::empty();
            roots.add(certificate("ca.crt")).expect("root");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(vec![certificate("server.cert")], key);
        let config = Arc::new(config.expect("config"));
        let accept = move |stream: TcpStream| {
            let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(Box::new(StreamOwned::new(connection, stream)) as Box<dyn Connection>)
        };
        Registry::with_accept(content, hook, accept)
    }
}

fn domain(registry: &Registry) -> String {
    format!("0.0.0.0:{}", registry.address.port())
}

fn setting(certs_dir: Option<&Path>, insecure: &[String]) -> Setting {
    let mut config = impatient();
    config.certs_dirs = certs_dir.map(Path::to_owned).into_iter().collect();
    config.insecure = insecure.to_vec();
    Setting::with(config)
}

#[tokio::test]
async fn certificates_are_verified_with_the_hosts_authorities() {
    let certificates = Certificates::new();
    let image = Image::small("x");
    let registry = certificates.registry(image.content("a:latest"), false, |_, _| None);
    let name = format!("{}/a", domain(&registry));
    let error = setting(None, &[]).pull(&name).await.expect_err("unknown authority");
    assert_eq!(error.kind(), PullErrorKind::Network);
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(registry.requests().is_empty());
    let certs_dir = certificates.certs_dir(&registry, &["ca.crt"]);
    let pulled = setting(Some(certs_dir.path()), &[]).pull(&name).await.expect("pull");
    assert_eq!(pulled.image, image.id());
}

#[tokio::test]
async fn insecure_registries_are_not_verified() {
    let certificates = Certificates::new();
    let image = Image::small("x");
    let registry = certificates.registry(image.content("a:latest"), false, |_, _| None);
    let name = format!("{}/a", domain(&registry));
    for insecure in [domain(&registry), "0.0.0.0/8".to_owned(), "0.0.0.0".to_owned()] {
        let pulled = setting(None, &[insecure]).pull(&name).await.expect("insecure");
        assert_eq!(pulled.image, image.id());
    }
    let pulled = setting(None, &[]).pull(&format!("{}/a", registry.domain())).await;
    assert_eq!(pulled.expect("loopback").image, image.id());
    let plain = Registry::start(image.content("a:latest"));
    let name = format!("{}/a", domain(&plain));
    assert!(setting(None, &[]).pull(&name).await.is_err(), "http without being insecure");
    assert!(plain.requests().is_empty());
    setting(None, &[domain(&plain)]).pull(&name).await.expect("http");
}

#[tokio::test]
async fn client_certificates_are_shown() {
    let certificates = Certificates::new();
    let image = Image::small("x");
    let registry = certificates.registry(image.content("a:latest"), true, |_, _| None);
    let name = format!("{}/a", domain(&registry));
    let certs_dir = certificates.certs_dir(&registry, &["ca.crt"]);
    assert!(setting(Some(certs_dir.path()), &[]).pull(&name).await.is_err());
    let files = ["ca.crt", "client.cert", "client.key"];
    let certs_dir = certificates.certs_dir(&registry, &files);
    let pulled = setting(Some(certs_dir.path()), &[]).pull(&name).await.expect("pull");
    assert_eq!(pulled.image, image.id());
    let certs_dir = certificates.certs_dir(&registry, &["ca.crt", "client.cert"]);
    let text = setting(Some(certs_dir.path()), &[]).refused(&name).await;
    assert!(text.starts_with("missing ") && text.contains("client.key"), "{text}");
}

#[tokio::test]
async fn https_is_never_left_for_http() {
    let certificates = Certificates::new();
    let plain = Registry::start(Image::small("x").content("a:latest"));
    let target = format!("http://0.0.0.0:{}", plain.address.port());
    let registry = certificates.registry(Content::default(), false, move |request, _| {
        let location = format!("{target}{}", request.path);
        Some(Response::new(302, "").with("location", location))
    });
    let certs_dir = certificates.certs_dir(&registry, &["ca.crt"]);
    let setting = setting(Some(certs_dir.path()), &[]);
    let text = setting.refused(&format!("{}/a", domain(&registry))).await;
    assert!(text.ends_with("redirect from https to another scheme"), "{text}");
    assert!(plain.requests().is_empty());
}

#[tokio::test]
async fn passwords_do_not_go_to_token_services_without_tls() {
    let certificates = Certificates::new();
    let service = Registry::start(Content::default());
    let realm = format!("http://0.0.0.0:{}/token", service.address.port());
    let registry = certificates.registry(Content::default(), false, move |_, _| {
        let challenge = format!("Bearer realm=\"{realm}\"");
        Some(Response::error(401, "UNAUTHORIZED").with("www-authenticate", challenge))
    });
    let certs_dir = certificates.certs_dir(&registry, &["ca.crt"]);
    let setting = setting(Some(certs_dir.path()), &[]).login("me", "secret");
    let text = setting.refused(&format!("{}/a", domain(&registry))).await;
    assert!(text.contains("refusing to send credentials"), "{text}");
    assert!(service.requests().is_empty());
}
