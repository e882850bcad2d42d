//! Registry credentials from the docker CLI's configuration file, as the header that a pull takes.
//! Only what stands in the file itself: credential helpers are programs and are not run.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

/// The name under which the default registry's credentials are kept.
const DEFAULT_REGISTRY_KEY: &str = "https://index.docker.io/v1/";
/// Largest configuration file that is read, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;

/// The value of `X-Registry-Auth` for a registry; `None` if the file has nothing for it.
pub(super) fn header(registry: &str) -> Option<String> {
    Some(URL_SAFE.encode(document(registry)?.to_string()))
}

/// A registry's credentials in Docker's form; `None` if the file has nothing for it.
pub(super) fn document(registry: &str) -> Option<Value> {
    let path = configuration_file()?;
    if std::fs::metadata(&path).ok()?.len() > FILE_LIMIT {
        return None;
    }
    let file: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    entry(&file, registry)
}

fn configuration_file() -> Option<PathBuf> {
    let directory = match std::env::var_os("DOCKER_CONFIG") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".docker"),
    };
    Some(directory.join("config.json"))
}

fn entry(file: &Value, registry: &str) -> Option<Value> {
    let key = if registry == "docker.io" { DEFAULT_REGISTRY_KEY } else { registry };
    let entry = &file["auths"][key];
    let member = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
    let document = if let Some(token) = member("identitytoken") {
        json!({"identitytoken": token, "serveraddress": key})
    } else {
        let decoded = STANDARD.decode(member("auth")?).ok()?;
        let pair = String::from_utf8(decoded).ok()?;
        let (username, password) = pair.split_once(':')?;
        json!({"username": username, "password": password, "serveraddress": key})
    };
    Some(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_entry_is_sent() {
        let file = json!({"auths": {"localhost:5000": {"auth": "dTpwOnE="},
            "https://index.docker.io/v1/": {"identitytoken": "t"}, "bad": {"auth": "!"}}});
        let decoded = |registry| entry(&file, registry);
        let local = decoded("localhost:5000").unwrap();
        assert_eq!((&local["username"], &local["password"]), (&json!("u"), &json!("p:q")));
        assert_eq!(decoded("docker.io").unwrap()["identitytoken"], "t");
        assert_eq!(decoded("bad"), None);
        assert_eq!(decoded("elsewhere"), None);
    }
}
