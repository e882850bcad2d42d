//! Limits of what containers and volumes hold, which take project quotas of the file system below.

use harness::Daemon;
use serde_json::json;

#[test]
fn are_refused_where_the_file_system_has_no_quotas() {
    let daemon = Daemon::start();
    for (options, why) in [
        (
            json!({ "size": "1G" }),
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        (json!({ "foo": "1" }), "Unknown option foo"),
    ] {
        let body = json!({ "Cmd": ["true"], "HostConfig": { "StorageOpt": options } });
        assert_eq!(daemon.try_create(&body).expect(500).message().trim(), why);
    }
    daemon.remove(&daemon.create(&json!({ "Cmd": ["true"], "HostConfig": { "StorageOpt": {} } })));
    for (size, why) in
        [("1G", "quota size requested but no quota support"), ("x", "invalid size: 'x'")]
    {
        let name = harness::name();
        let body = json!({ "Name": name, "DriverOpts": { "size": size } });
        let answer = daemon.http().post_json("/volumes/create", &body).expect(400);
        assert_eq!(answer.message(), format!("create {name}: {why}"));
    }
}
