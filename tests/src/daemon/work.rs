//! Short forms of what most tests do with containers, by plain HTTP.

use serde_json::{Value, json};

use super::{Daemon, IMAGE, name};
use crate::client::Answer;
use crate::stdcopy::{self, Output};

/// How a container ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Exit code.
    pub code: i64,
    /// What came out.
    pub output: Output,
    /// Its inspection after the end.
    pub state: Value,
}

impl Daemon {
    /// All containers, as the list endpoint gives them.
    pub fn list_all(&self) -> Vec<Value> {
        let answer = self.client.get("/containers/json?all=1");
        answer.json().as_array().cloned().unwrap_or_default()
    }

    /// Creates a container of `body`; image and network `none` are filled in where it has none.
    #[track_caller]
    pub fn create(&self, body: &Value) -> String {
        let answer = self.try_create(body).expect(201);
        answer.json()["Id"].as_str().expect("an id").to_owned()
    }

    /// As [`Self::create`], whatever the answer.
    #[track_caller]
    pub fn try_create(&self, body: &Value) -> Answer {
        let mut body = body.clone();
        if body["Image"].is_null() {
            body["Image"] = json!(IMAGE);
        }
        if body["HostConfig"]["NetworkMode"].is_null() {
            body["HostConfig"]["NetworkMode"] = json!("none");
        }
        self.client.post_json(&format!("/containers/create?name={}", name()), &body)
    }

    /// Starts a container.
    #[track_caller]
    pub fn start_container(&self, id: &str) {
        self.client.post(&format!("/containers/{id}/start")).expect(204);
    }

    /// Creates and starts a container.
    #[track_caller]
    pub fn launch(&self, body: &Value) -> String {
        let id = self.create(body);
        self.start_container(&id);
        id
    }

    /// A container that sleeps until it is killed.
    #[track_caller]
    pub fn sleeper(&self) -> String {
        self.launch(&json!({ "Cmd": ["sleep", "1000"], "StopSignal": "SIGKILL" }))
    }

    /// Waits for a container's end; its exit code.
    #[track_caller]
    pub fn wait(&self, id: &str) -> i64 {
        let answer = self.client.post(&format!("/containers/{id}/wait")).expect(200);
        answer.json()["StatusCode"].as_i64().expect("a status code")
    }

    /// Inspects a container.
    #[track_caller]
    pub fn inspect(&self, id: &str) -> Value {
        self.client.get(&format!("/containers/{id}/json")).expect(200).json()
    }

    /// What a container without a terminal has said so far.
    #[track_caller]
    pub fn logs(&self, id: &str) -> Output {
        let path = format!("/containers/{id}/logs?stdout=1&stderr=1");
        stdcopy::split(&self.client.get(&path).expect(200).body)
    }

    /// Removes a container, running or not.
    #[track_caller]
    pub fn remove(&self, id: &str) {
        self.client.delete(&format!("/containers/{id}?force=1&v=1")).expect(204);
    }

    /// Creates, starts, waits, reads the log, removes.
    #[track_caller]
    pub fn run(&self, body: &Value) -> Finished {
        let id = self.launch(body);
        let code = self.wait(&id);
        let finished = Finished { code, output: self.logs(&id), state: self.inspect(&id) };
        self.remove(&id);
        finished
    }

    /// Runs a shell script in a container of `body`; what it wrote to stdout. It must end with 0.
    #[track_caller]
    pub fn sh(&self, body: &Value, script: &str) -> String {
        let mut body = body.clone();
        body["Cmd"] = json!(["sh", "-c", script]);
        let finished = self.run(&body);
        assert_eq!(finished.code, 0, "{script}: {:?}", finished.output);
        finished.output.stdout
    }

    /// Runs a command in a running container; exit code and output.
    #[track_caller]
    pub fn exec(&self, id: &str, command: &[&str]) -> (i64, Output) {
        let exec = self.create_exec(
            id,
            &json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": command }),
        );
        let path = format!("/exec/{exec}/start");
        let body = json!({ "Detach": false, "Tty": false });
        let output = self.client.upgrade(&path, Some(&body)).expect(101).output();
        let state = self.client.get(&format!("/exec/{exec}/json")).expect(200).json();
        (state["ExitCode"].as_i64().unwrap_or_else(|| panic!("no exit code: {state}")), output)
    }

    /// Creates an exec; its id.
    #[track_caller]
    pub fn create_exec(&self, id: &str, body: &Value) -> String {
        let answer = self.client.post_json(&format!("/containers/{id}/exec"), body).expect(201);
        answer.json()["Id"].as_str().expect("an id").to_owned()
    }
}
