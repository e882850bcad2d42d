//! Instructions and what they make of a configuration.

use serde_json::{Value, json};

use super::*;

fn changed(before: Value, changes: &[&str]) -> Result<Value, String> {
    let mut config: ContainerConfig = serde_json::from_value(before).expect("a configuration");
    apply(&mut config, changes.iter().copied()).map_err(|error| error.to_string())?;
    Ok(serde_json::to_value(config).expect("JSON"))
}

fn field(changes: &[&str], name: &str) -> Value {
    let before = json!({ "Env": ["A=1"], "Cmd": ["old"], "WorkingDir": "/w" });
    changed(before, changes).expect("changed")[name].clone()
}

#[test]
fn every_instruction() {
    assert_eq!(field(&["CMD echo $A"], "Cmd"), json!(["/bin/sh", "-c", "echo $A"]));
    assert_eq!(field(&["cmd [\"a\", \"b\"]"], "Cmd"), json!(["a", "b"]));
    assert_eq!(field(&["CMD [\"a\""], "Cmd"), json!(["/bin/sh", "-c", "[\"a\""]));
    assert_eq!(field(&["ENTRYPOINT [\"e\"]"], "Cmd"), Value::Null);
    assert_eq!(field(&["CMD x", "ENTRYPOINT [\"e\"]"], "Cmd"), json!(["/bin/sh", "-c", "x"]));
    assert_eq!(field(&["ENTRYPOINT []"], "Entrypoint"), Value::Null);
    assert_eq!(field(&["ENV A=2 B='x y' C=$A"], "Env"), json!(["A=2", "B=x y", "C=1"]));
    assert_eq!(field(&["ENV B the rest"], "Env"), json!(["A=1", "B=the rest"]));
    assert_eq!(field(&["ENV B=${X:-no}${A:+yes}\\ z"], "Env"), json!(["A=1", "B=noyes z"]));
    assert_eq!(field(&["LABEL a=b \"c d\"=e"], "Labels"), json!({ "a": "b", "c d": "e" }));
    let ports = json!({ "80/tcp": {}, "81/tcp": {}, "53/udp": {} });
    assert_eq!(field(&["EXPOSE 80-81 53/UDP"], "ExposedPorts"), ports);
    assert_eq!(field(&["USER app:$A"], "User"), "app:1");
    assert_eq!(field(&["VOLUME /a /b"], "Volumes"), json!({ "/a": {}, "/b": {} }));
    assert_eq!(field(&["VOLUME [\"/a b\"]"], "Volumes"), json!({ "/a b": {} }));
    assert_eq!(field(&["WORKDIR sub/../x"], "WorkingDir"), "/w/x");
    assert_eq!(field(&["WORKDIR /y", "WORKDIR z"], "WorkingDir"), "/y/z");
    assert_eq!(field(&["STOPSIGNAL SIGINT"], "StopSignal"), "SIGINT");
    assert_eq!(field(&["ONBUILD RUN make"], "OnBuild"), json!(["RUN make"]));
    let check = json!({ "Test": ["CMD-SHELL", "a b"], "Interval": 1_000_000_000, "Retries": 3 });
    assert_eq!(field(&["HEALTHCHECK --interval=1s --retries=3 CMD a b"], "Healthcheck"), check);
    assert_eq!(field(&["HEALTHCHECK NONE"], "Healthcheck"), json!({ "Test": ["NONE"] }));
    assert_eq!(field(&["ENV B=1\\\n  C=2\n# no\nUSER u"], "User"), "u");
}

#[test]
fn refusals_are_dockerd_s() {
    for (change, text) in [
        ("RUN x", "RUN is not a valid change command"),
        ("FOO", "FOO is not a valid change command"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV x", "ENV must have two arguments"),
        ("LABEL x", "LABEL must have two arguments"),
        ("EXPOSE abc", "Invalid containerPort: abc"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK --interval=1 CMD x", "time: missing unit in duration \"1\""),
        ("STOPSIGNAL FOO", "invalid signal: FOO"),
        ("USER", "USER requires exactly one argument"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("VOLUME", "VOLUME requires at least one argument"),
    ] {
        assert_eq!(changed(json!({}), &[change]), Err(text.to_owned()), "{change}");
    }
    for bad in ["ENV A=${B", "ENV A=\"x", "ENV =x", "ENV A=1 B", "HEALTHCHECK --x=1 CMD y"] {
        assert!(changed(json!({}), &[bad]).is_err(), "{bad}");
    }
}
