//! A disk without room up to the reserve: what comes in is refused in clear words, and what is there
//! goes on.

use harness::daemon::Options;
use harness::{Daemon, IMAGE};
use serde_json::json;

#[test]
fn what_needs_the_reserve_is_refused() {
    let Some(mut daemon) = Daemon::ours() else { return };
    let kept = daemon.create(&json!({ "Image": IMAGE, "Cmd": ["echo", "here"] }));
    let saved = daemon.http().get(&format!("/images/{IMAGE}/get")).expect(200).body;
    daemon.stop();
    daemon.start_again(&Options::new().arg("--disk-reserve=1000000000"));
    let told = "1000000000000000 are kept in reserve";
    let refused = daemon.http().post_json("/containers/create", &json!({ "Image": IMAGE }));
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(refused.text().contains(told), "{}", refused.text());
    let root = daemon.data_root().display().to_string();
    assert!(refused.text().contains(&root), "{}", refused.text());
    let kind = [("Content-Type", "application/x-tar")];
    let loaded = daemon.http().send("POST", "/images/load?quiet=1", &kind, &saved);
    assert!(loaded.text().contains(told), "{}", loaded.text());
    let path = "/images/create?fromSrc=-&repo=none";
    let imported = daemon.http().send("POST", path, &kind, &saved);
    assert!(imported.text().contains(told), "{}", imported.text());
    let committed = daemon.http().post(&format!("/commit?container={kept}"));
    assert_eq!(committed.status, 507, "{}", committed.text());
    // What is there runs, and goes.
    daemon.start_container(&kept);
    assert_eq!(daemon.wait(&kept), 0);
    daemon.remove(&kept);
}
