//! `POST /containers/create` and `POST /containers/{id}/wait`: bodies and answers.

use serde::{Deserialize, Serialize};

use super::{ContainerConfig, HostConfig};
use crate::gojson;
use crate::network::NetworkingConfig;

/// A whole create body: on the wire one object, `ContainerConfig`'s members beside `HostConfig` and
/// `NetworkingConfig`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateRequest {
    pub config: ContainerConfig,
    pub host_config: HostConfig,
    pub networking_config: NetworkingConfig,
}

impl CreateRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// A syntax error or a value of the wrong type.
    pub fn from_slice(body: &[u8]) -> Result<Self, serde_json::Error> {
        Self::from_value(serde_json::from_slice(body)?)
    }

    /// Reads a parsed body.
    ///
    /// # Errors
    /// A value of the wrong type.
    pub fn from_value(mut value: serde_json::Value) -> Result<Self, serde_json::Error> {
        let host_config = gojson::take(&mut value, "HostConfig");
        let networking = gojson::take(&mut value, "NetworkingConfig");
        Ok(Self {
            host_config: host_config.map(gojson::from_value).transpose()?.unwrap_or_default(),
            networking_config: networking.map(gojson::from_value).transpose()?.unwrap_or_default(),
            config: gojson::from_value(value)?,
        })
    }
}

/// 201 of create.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateResponse {
    pub id: String,
    pub warnings: Vec<String>,
}

/// The answer of wait.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitError>,
    pub status_code: i64,
}

/// Why waiting ended without an exit code.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitError {
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::StringList;

    #[test]
    fn reads_what_the_stock_cli_sends() {
        let body = br#"{"Hostname":"","Env":null,"Cmd":["true"],"Image":"busybox:latest","Volumes":{},
            "Entrypoint":null,"HostConfig":{"Binds":null,"LogConfig":{"Type":"","Config":{}},"ConsoleSize":[40,120],
            "MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"RestartPolicy":{"Name":"no"},"MaskedPaths":null},
            "NetworkingConfig":{"EndpointsConfig":{"default":{"IPAMConfig":null,"GwPriority":0}}}}"#;
        let request = CreateRequest::from_slice(body).unwrap();
        assert_eq!(request.config.cmd, Some(StringList(vec!["true".into()])));
        assert_eq!(request.config.entrypoint, None);
        assert_eq!(request.host_config.console_size, [40, 120]);
        assert_eq!(request.host_config.memory_swappiness, Some(-1));
        assert!(request.networking_config.endpoints_config.unwrap().contains_key("default"));
    }

    #[test]
    fn commands_may_be_strings_and_names_lower_case() {
        let body = br#"{"image":"x","cmd":"true","entrypoint":"","hostconfig":{"memory":5,"console_size":null}}"#;
        let request = CreateRequest::from_slice(body).unwrap();
        assert_eq!(request.config.cmd, Some(StringList(vec!["true".into()])));
        assert_eq!(request.config.entrypoint, Some(StringList(vec![String::new()])));
        assert_eq!(request.host_config.memory, 5);
    }

    #[test]
    fn absent_lists_are_null_again() {
        let json = serde_json::to_value(HostConfig::default()).unwrap();
        assert!(json["Binds"].is_null() && json.get("Binds").is_some());
        assert!(json.get("Mounts").is_none());
        let json = serde_json::to_value(ContainerConfig::default()).unwrap();
        assert!(json["Env"].is_null() && json.get("ExposedPorts").is_none());
    }
}
