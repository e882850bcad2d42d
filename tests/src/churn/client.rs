//! One client: makes containers of its own, and does random things to them and to those of others.

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answers::{self, Kind};
use super::program::{KILLED, Program};
use super::random::Random;
use super::world::{Made, World};
use crate::client::{Answer, Hijack};
use crate::daemon::IMAGE;
use crate::stdcopy;

/// Containers that one client has at most.
const OWN: usize = 4;
/// Every request has its answer within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// Except for those that wait for something.
const WAIT: Duration = Duration::from_secs(2);
/// How long a client without a daemon waits before it tries again.
const ABSENT: Duration = Duration::from_millis(20);
/// The exit codes of execs that were not killed.
const EXEC_CODES: [i64; 3] = [0, 4, 99];

/// What a client asks for, the likely things more often.
const VERBS: [&str; 40] = [
    "start", "start", "start", "start", "start", "start", "stop", "stop", "kill", "kill", "kill",
    "restart", "restart", "pause", "pause", "unpause", "unpause", "unpause", "rename", "update",
    "exec", "exec", "exec", "exec -d", "attach", "attach", "logs", "logs -f", "wait", "wait", "rm",
    "rm -f", "rm -f", "top", "stats", "inspect", "inspect", "ps", "resize", "exec -i",
];

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Client<'a> {
    world: &'a World,
    random: Random,
    number: u64,
    made: u64,
    own: Vec<Arc<Made>>,
}

impl<'a> Client<'a> {
    pub(super) fn new(world: &'a World, seed: u64, number: u64) -> Self {
        Self { world, random: Random::new(seed, number), number, made: 0, own: Vec::new() }
    }

    /// Goes on until then, or until too much was found wrong.
    pub(super) fn work_until(&mut self, end: Instant) {
        while Instant::now() < end && !self.world.is_stopped() {
            if self.own.len() < OWN && self.random.chance(25) {
                self.create();
                continue;
            }
            let any = self.random.chance(25).then(|| self.world.any(&mut self.random)).flatten();
            let own = (!self.own.is_empty()).then(|| self.random.pick(&self.own));
            let verb = self.random.pick(&VERBS);
            if let Some(made) = any.or(own).filter(|made| !made.id().is_empty()) {
                self.act(verb, &made);
            }
        }
    }

    fn create(&mut self) {
        self.made += 1;
        let label = format!("{}-{}", self.number, self.made);
        let program = Program::any(&mut self.random);
        let (tty, removed) = (self.random.chance(15), self.random.chance(20));
        let policies = ["no", "no", "no", "always", "unless-stopped", "on-failure"];
        let policy = if removed { "no" } else { self.random.pick(&policies) };
        let network = self.random.pick(&["none", "none", "bridge", "host"]);
        let mut body = json!({
            "Image": IMAGE, "Cmd": program.command(), "Tty": tty, "OpenStdin": tty,
            "Labels": { "churn": label }, "StopTimeout": 1,
            "HostConfig": { "NetworkMode": network, "AutoRemove": removed,
                "RestartPolicy": { "Name": policy, "MaximumRetryCount": 0 } },
        });
        if network == "bridge" && self.random.chance(50) {
            body["ExposedPorts"] = json!({ "80/tcp": {} });
            body["HostConfig"]["PortBindings"] = json!({ "80/tcp": [{ "HostPort": "" }] });
        }
        let made = Arc::new(Made::new(label, program, tty));
        self.world.add(&made);
        let path = format!("/containers/create?name=churn-{}", made.label);
        if let Some(answer) = self.ask(answers::CREATE, "POST", &path, Some(&body)) {
            let id = answer.json()["Id"].as_str().unwrap_or_default().to_owned();
            *made.id.lock().expect("an id") = id;
            self.own.push(made);
        }
    }

    fn act(&mut self, verb: &str, made: &Made) {
        let id = made.id();
        let to = |rest: &str| format!("/containers/{id}/{rest}");
        let missing = made.program == Program::Missing;
        match verb {
            "start" => {
                let kind = if missing { answers::START_MISSING } else { answers::START };
                self.ask(kind, "POST", &to("start"), None);
            }
            "stop" => {
                made.kill();
                let path = to(self.random.pick(&["stop", "stop?t=0", "stop?t=1&signal=TERM"]));
                self.ask(answers::STOP, "POST", &path, None);
            }
            "kill" => {
                made.kill();
                let path = to(self.random.pick(&["kill", "kill?signal=TERM", "kill?signal=28"]));
                self.ask(answers::KILL, "POST", &path, None);
            }
            "restart" => {
                made.kill();
                let kind = if missing { answers::RESTART_MISSING } else { answers::RESTART };
                self.ask(kind, "POST", &to("restart?t=1"), None);
            }
            "pause" => drop(self.ask(answers::PAUSE, "POST", &to("pause"), None)),
            "unpause" => drop(self.ask(answers::UNPAUSE, "POST", &to("unpause"), None)),
            "rename" => {
                let name = format!("churn-{}-{}", made.label, self.random.below(1000));
                self.ask(answers::RENAME, "POST", &to(&format!("rename?name={name}")), None);
            }
            "update" => {
                let pids = 100 + self.random.below(100);
                let body = json!({ "PidsLimit": pids, "CpuShares": 512 + pids });
                self.ask(answers::UPDATE, "POST", &to("update"), Some(&body));
            }
            "rm" | "rm -f" => self.remove(verb == "rm -f", made),
            "wait" => self.wait(made),
            "top" => drop(self.ask(answers::TOP, "GET", &to("top"), None)),
            "stats" => {
                self.ask(answers::STATS, "GET", &to("stats?stream=0&one-shot=1"), None);
            }
            "inspect" => drop(self.ask(answers::INSPECT, "GET", &to("json"), None)),
            "ps" => drop(self.ask(answers::LIST, "GET", "/containers/json?all=1", None)),
            "resize" => {
                self.ask(answers::RESIZE, "POST", &to("resize?h=20&w=70"), None);
            }
            "logs" => drop(self.ask(answers::LOGS, "GET", &to("logs?stdout=1&tail=50"), None)),
            "logs -f" => {
                self.patient(answers::LOGS, "GET", &to("logs?stdout=1&follow=1"), None, WAIT);
            }
            "attach" => self.attach(made),
            _ => self.exec(verb, &id),
        }
    }

    fn remove(&mut self, force: bool, made: &Made) {
        let path = format!("/containers/{}?v=1&force={}", made.id(), u8::from(force));
        if force {
            made.kill();
        }
        if self.ask(answers::REMOVE, "DELETE", &path, None).is_some_and(|gone| gone.status != 409) {
            self.own.retain(|own| own.label != made.label);
        }
    }

    fn wait(&mut self, made: &Made) {
        let condition = self.random.pick(&["not-running", "next-exit", "removed"]);
        let path = format!("/containers/{}/wait?condition={condition}", made.id());
        let Some(answer) = self.patient(answers::WAIT, "POST", &path, None, WAIT) else { return };
        let code = answer.json()["StatusCode"].as_i64();
        let legal = match made.program {
            Program::Counts { code, .. } => vec![0, 33, code, KILLED],
            Program::Endless => vec![0, 33, KILLED],
            Program::Deaf => vec![0, KILLED],
            Program::Missing => vec![0, 127],
        };
        // 0 too: of what never ran.
        if answer.status == 200 && !code.is_some_and(|code| legal.contains(&code)) {
            self.world.found(format!("{} {path}: {}", made.label, answer.text()));
        }
    }

    fn attach(&mut self, made: &Made) {
        let path = format!("/containers/{}/attach?stream=1&stdout=1&stderr=1", made.id());
        let Some(mut stream) = self.upgrade(answers::ATTACH, &path, None) else { return };
        if self.random.chance(25) {
            // A client that does not read.
            thread::sleep(Duration::from_millis(300));
            return;
        }
        let (bytes, _) = stream.read_within(Duration::from_millis(self.random.below(600)));
        let text = match made.tty {
            true => String::from_utf8_lossy(&bytes).into_owned(),
            false => whole_frames(&bytes),
        };
        let numbers: Vec<u64> = text
            .split("begin")
            .next()
            .unwrap_or_default()
            .lines()
            .skip(1)
            .filter_map(|line| line.parse().ok())
            .collect();
        // The last one may be cut.
        let numbers = numbers.split_last().map_or(&[][..], |(_, rest)| rest);
        if numbers.windows(2).any(|pair| pair[0] + 1 != pair[1]) {
            self.world.found(format!("{} attached, lines are missing: {text}", made.label));
        }
    }

    fn exec(&mut self, verb: &str, id: &str) {
        let detach = verb == "exec -d";
        let code = self.random.pick(&EXEC_CODES);
        let body = json!({ "AttachStdout": !detach, "AttachStdin": verb == "exec -i",
            "Cmd": ["sh", "-c", format!("sleep 0.0{code}; echo said {code}; exit {code}")] });
        let path = format!("/containers/{id}/exec");
        let Some(made) = self.ask(answers::EXEC_CREATE, "POST", &path, Some(&body)) else { return };
        if made.status != 201 {
            return;
        }
        let exec = made.json()["Id"].as_str().unwrap_or_default().to_owned();
        let (start, look) = (format!("/exec/{exec}/start"), format!("/exec/{exec}/json"));
        let how = json!({ "Detach": detach });
        if detach {
            self.ask(answers::EXEC_START, "POST", &start, Some(&how));
            return;
        }
        let Some(mut stream) = self.upgrade(answers::EXEC_ATTACHED, &start, Some(&how)) else {
            return;
        };
        let patience = Instant::now() + PATIENCE;
        let (mut bytes, mut ended) = (Vec::new(), false);
        while !ended && Instant::now() < patience {
            let (more, end) = stream.read_within(WAIT);
            bytes.extend(more);
            ended = end;
            // It stands as long as its container does, and nobody may ever let them go on.
            if !ended && self.is_paused(id) {
                return;
            }
        }
        let text = whole_frames(&bytes);
        let Some(seen) = self.ask(answers::EXEC_INSPECT, "GET", &look, None) else { return };
        let seen = seen.json();
        if !ended {
            self.world.found(format!("exec {exec} of {id} has not ended: {seen} {text:?}"));
        } else if text == format!("said {code}\n") && seen["Running"] == false {
            // Killed with its container, if not at its own end.
            let told = seen["ExitCode"].as_i64();
            if told != Some(code) && told != Some(KILLED) {
                self.world.found(format!("exec {exec} of {id} exits with {code}: {seen}"));
            }
        }
    }

    fn is_paused(&mut self, id: &str) -> bool {
        let path = format!("/containers/{id}/json");
        let seen = self.ask(answers::INSPECT, "GET", &path, None);
        seen.is_some_and(|seen| seen.json()["State"]["Paused"] == true)
    }

    fn upgrade(&mut self, kind: Kind, path: &str, body: Option<&Value>) -> Option<Hijack> {
        let life = self.world.life();
        self.world.trace(&format!("{} POST {path}", self.number));
        self.world.count(kind.name);
        match self.world.http.try_upgrade(path, body, PATIENCE) {
            Ok(stream) if stream.status == 101 => Some(stream),
            Ok(mut stream) => {
                let (text, _) = stream.read_within(Duration::from_millis(100));
                self.judge(kind, path, stream.status, &String::from_utf8_lossy(&text));
                None
            }
            Err(error) => {
                self.broken(path, life, &error);
                None
            }
        }
    }

    fn ask(
        &mut self,
        kind: Kind,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<Answer> {
        self.patient(kind, method, path, body, PATIENCE)
    }

    /// A request; `None` if there was no answer to it. With less than the usual patience, none is no finding.
    fn patient(
        &mut self,
        kind: Kind,
        method: &str,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Option<Answer> {
        let life = self.world.life();
        self.world.trace(&format!("{} {method} {path}", self.number));
        self.world.count(kind.name);
        match self.world.http.try_send(method, path, body, limit) {
            Ok(answer) => {
                self.world.trace(&format!("{} is {} {path}", self.number, answer.status));
                let text = if answer.status < 400 { String::new() } else { answer.text() };
                self.judge(kind, path, answer.status, &text);
                Some(answer)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && limit < PATIENCE => None,
            Err(error) => {
                self.broken(path, life, &error);
                None
            }
        }
    }

    fn judge(&self, kind: Kind, path: &str, status: u16, text: &str) {
        if let Some(wrong) = answers::judge(kind, status, text) {
            self.world.found(format!("{path}: {wrong}"));
        }
    }

    /// A connection that broke is a finding unless the daemon was killed meanwhile.
    fn broken(&self, path: &str, life: u64, error: &Error) {
        if life.is_multiple_of(2) && self.world.life() == life {
            self.world.found(format!("{path}: {error}"));
        }
        thread::sleep(ABSENT);
    }
}

/// The text of the frames that are whole.
fn whole_frames(bytes: &[u8]) -> String {
    let mut whole = 0;
    while let Some(header) = bytes.get(whole..whole + 8) {
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let next = whole + 8 + usize::try_from(length).unwrap_or(usize::MAX);
        if next > bytes.len() {
            break;
        }
        whole = next;
    }
    let output = stdcopy::split(&bytes[..whole]);
    output.stdout + &output.stderr
}
