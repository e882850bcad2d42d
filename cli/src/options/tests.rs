//! Tests of the way from flags to a body.

use clap::Parser;
use serde_json::json;

use super::*;
use crate::args::{Cli, Command};

fn body(line: &str) -> Result<Value, OptionsError> {
    let words = ["jocker", "run"].into_iter().chain(line.split_whitespace());
    let Some(Command::Run(run)) = Cli::try_parse_from(words).unwrap().command else { panic!() };
    let attachment = Attachment::of(&run.options, run.detach)?;
    request(&run.options, &attachment)
}

#[test]
fn a_plain_container_asks_for_nothing() {
    let body = body("busybox echo hi").unwrap();
    assert_eq!(body["Image"], "busybox");
    assert_eq!(body["Cmd"], json!(["echo", "hi"]));
    assert_eq!(body["AttachStdout"], true);
    assert_eq!(body["AttachStdin"], false);
    assert_eq!(body["Entrypoint"], Value::Null);
    assert_eq!(body["HostConfig"]["NetworkMode"], "default");
    assert_eq!(body["HostConfig"]["RestartPolicy"]["Name"], "no");
    assert_eq!(body["HostConfig"]["Memory"], 0);
    assert_eq!(body["HostConfig"]["PidsLimit"], Value::Null);
}

#[test]
fn limits_and_names_arrive() {
    let body = body(
        "-d -i --rm --name b -m 64m --memory-swap -1 --cpus 1.5 --pids-limit -1 --ulimit nofile=1:2 \
         -u 1:2 -w /w -e A=b --label x --cap-add ALL --security-opt no-new-privileges --init \
         --add-host h:1.2.3.4 --tmpfs /t:size=1m --device /dev/null:r --network none busybox",
    )
    .unwrap();
    let host = &body["HostConfig"];
    assert_eq!(host["Memory"], 64 << 20);
    assert_eq!(host["MemorySwap"], -1);
    assert_eq!(host["NanoCpus"], 1_500_000_000);
    assert_eq!(host["PidsLimit"], -1);
    assert_eq!(host["Ulimits"], json!([{"Name": "nofile", "Soft": 1, "Hard": 2}]));
    assert_eq!(host["Tmpfs"], json!({"/t": "size=1m"}));
    assert_eq!(host["Devices"][0]["CgroupPermissions"], "r");
    assert_eq!(host["NetworkMode"], "none");
    assert_eq!((&host["AutoRemove"], &host["Init"]), (&json!(true), &json!(true)));
    assert_eq!((&body["User"], &body["WorkingDir"]), (&json!("1:2"), &json!("/w")));
    assert_eq!((&body["Env"], &body["Labels"]), (&json!(["A=b"]), &json!({"x": ""})));
    assert_eq!((&body["OpenStdin"], &body["StdinOnce"]), (&json!(true), &json!(false)));
}

#[test]
fn mounts_and_ports_arrive() {
    let body = body(
        "-v /a:/b:ro -v /anonymous -v named:/n --mount type=tmpfs,dst=/t,tmpfs-mode=755,ro \
         -p 127.0.0.1:8080-8081:80-81/udp -p 9 -p [::1]:1:2 --expose 5 busybox",
    )
    .unwrap();
    let host = &body["HostConfig"];
    assert_eq!(host["Binds"], json!(["/a:/b:ro", "named:/n"]));
    assert_eq!(body["Volumes"], json!({"/anonymous": {}}));
    assert_eq!(
        host["Mounts"],
        json!([{"Type": "tmpfs", "Target": "/t", "ReadOnly": true, "TmpfsOptions": {"Mode": 0o755}}])
    );
    assert_eq!(
        host["PortBindings"],
        json!({
            "80/udp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
            "81/udp": [{"HostIp": "127.0.0.1", "HostPort": "8081"}],
            "9/tcp": [{"HostIp": "", "HostPort": ""}],
            "2/tcp": [{"HostIp": "::1", "HostPort": "1"}],
        })
    );
    let exposed: Vec<&String> = body["ExposedPorts"].as_object().unwrap().keys().collect();
    assert_eq!(exposed, ["2/tcp", "5/tcp", "80/udp", "81/udp", "9/tcp"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in [
        "-m x b",
        "--cpus 1.x b",
        "--ulimit x b",
        "-p x b",
        "-p 1:2:3:4 b",
        "-p 1-3:1-2 b",
        "--restart on-failure:x b",
        "--rm --restart always b",
        "--mount type=bind b",
        "--mount dst=/a,foo=1 b",
        "-v :/a b",
        "-a x b",
        "-d -a stdin b",
        "--no-healthcheck --health-cmd x b",
        "--health-interval 5 b",
        "--env-file /nonexistent b",
        "-e =x b",
        "-p 80/foo b",
        "-p 0 b",
    ] {
        assert!(body(line).is_err(), "{line}");
    }
}
