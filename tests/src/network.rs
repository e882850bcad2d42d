//! A network of a test's own, and containers in it.

use serde_json::{Value, json};

use crate::{Answer, Daemon, name};

/// Removed with the value, and all that runs in it.
#[derive(Debug)]
pub struct Network<'a> {
    daemon: &'a Daemon,
    pub name: String,
    pub id: String,
}

impl<'a> Network<'a> {
    /// Makes it as the request says, which needs no name.
    #[track_caller]
    pub fn new(daemon: &'a Daemon, mut body: Value) -> Self {
        let name = name();
        body["Name"] = json!(name);
        let made = daemon.http().post_json("/networks/create", &body).expect(201).json();
        let id = made["Id"].as_str().expect("an id").to_owned();
        assert_eq!((id.len(), &made["Warning"]), (64, &json!("")));
        Self { daemon, name, id }
    }

    #[track_caller]
    pub fn inspect(&self) -> Value {
        self.daemon.http().get(&format!("/networks/{}", self.name)).expect(200).json()
    }

    /// A container that sleeps in it.
    #[track_caller]
    pub fn sleeper(&self, endpoint: &Value) -> String {
        self.sleeper_with(endpoint, &json!({}))
    }

    /// A container that sleeps in it, with more in its request.
    #[track_caller]
    pub fn sleeper_with(&self, endpoint: &Value, more: &Value) -> String {
        let name = &self.name;
        let mut body = json!({
            "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL",
            "HostConfig": { "NetworkMode": name },
            "NetworkingConfig": { "EndpointsConfig": { name: endpoint } },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            match (key.as_str(), value.as_object()) {
                ("HostConfig", Some(fields)) => {
                    for (key, value) in fields {
                        body["HostConfig"][key] = value.clone();
                    }
                }
                _ => body[key] = value.clone(),
            }
        }
        self.daemon.launch(&body)
    }

    /// A container's place in it, as its inspection shows it.
    #[track_caller]
    pub fn endpoint(&self, id: &str) -> Value {
        self.daemon.inspect(id)["NetworkSettings"]["Networks"][&self.name].clone()
    }

    /// A container's IPv4 address in it.
    #[track_caller]
    pub fn address_of(&self, id: &str) -> String {
        self.endpoint(id)["IPAddress"].as_str().expect("an address").to_owned()
    }

    #[track_caller]
    pub fn connect(&self, id: &str, endpoint: &Value) -> Answer {
        let body = json!({ "Container": id, "EndpointConfig": endpoint });
        self.daemon.http().post_json(&format!("/networks/{}/connect", self.name), &body)
    }

    #[track_caller]
    pub fn disconnect(&self, id: &str) -> Answer {
        let body = json!({ "Container": id });
        self.daemon.http().post_json(&format!("/networks/{}/disconnect", self.name), &body)
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        let http = self.daemon.http();
        let seen = http.get(&format!("/networks/{}", self.id));
        if seen.status == 200 {
            for id in seen.json()["Containers"].as_object().into_iter().flat_map(|map| map.keys()) {
                http.delete(&format!("/containers/{id}?force=1"));
            }
            http.delete(&format!("/networks/{}", self.id));
        }
    }
}
