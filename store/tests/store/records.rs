//! The daemon's documents.

use store::RecordError;

use crate::fixture::Ground;

#[test]
fn documents_come_back() {
    let ground = Ground::new();
    let records = ground.store.records();
    records.insert("container", "2", Some("b"), "{}").expect("insert");
    records.insert("container", "1", Some("a"), "{}").expect("insert");
    records.insert("network", "1", Some("a"), "{}").expect("another kind");
    records.insert("exec", "1", None, "{}").expect("no name");
    records.insert("exec", "2", None, "{}").expect("no name again");
    let taken = records.insert("container", "3", Some("a"), "{}").expect_err("name");
    assert!(matches!(taken, RecordError::NameTaken { holder, .. } if holder == "1"));
    let taken = records.insert("container", "1", Some("c"), "{}").expect_err("id");
    assert!(matches!(taken, RecordError::IdTaken { .. }));
    records.update("container", "1", r#"{"state":"running"}"#).expect("update");
    records.rename("container", "1", "a").expect("its own name");
    let taken = records.rename("container", "1", "b").expect_err("name");
    assert!(matches!(taken, RecordError::NameTaken { holder, .. } if holder == "2"));
    records.rename("container", "1", "z").expect("rename");
    assert!(matches!(records.update("container", "9", ""), Err(RecordError::NotFound { .. })));
    drop(records);
    let ground = ground.reopen();
    let records = ground.store.records();
    let list = records.list("container").expect("list");
    let seen: Vec<_> = list
        .iter()
        .map(|record| (record.id.as_str(), record.name.as_deref(), record.json.as_str()))
        .collect();
    assert_eq!(seen, [("1", Some("z"), r#"{"state":"running"}"#), ("2", Some("b"), "{}")]);
    assert!(records.delete("container", "1").expect("delete"));
    assert!(!records.delete("container", "1").expect("delete again"));
    assert_eq!(records.get("container", "1").expect("get"), None);
    records.insert("container", "4", Some("z"), "{}").expect("the name is free again");
}

#[test]
fn many_changes_pass_the_checkpoints() {
    let ground = Ground::new();
    let records = ground.store.records();
    records.insert("container", "1", None, "{}").expect("insert");
    let text = "x".repeat(8_000);
    for _ in 0..2_000 {
        records.update("container", "1", &text).expect("update");
    }
    ground.store.settle();
    records.update("container", "1", "last").expect("update");
    let log = std::fs::metadata(ground.store.root().join("jocker.db-wal")).expect("log").len();
    assert!(log < 16 << 20, "{log} bytes of log");
    drop(records);
    let ground = ground.reopen();
    assert_eq!(ground.store.records().list("container").expect("list")[0].json, "last");
}
