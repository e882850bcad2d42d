//! The engine's id: made with the data root, and kept in it.

use store::{RecordError, Records};

/// Kind and id of the record that holds it.
const RECORD: (&str, &str) = ("daemon", "engine");

/// The id of this data root's engine; made if there is none.
///
/// # Errors
/// The database's.
pub(crate) fn id(records: &Records) -> Result<String, RecordError> {
    let (kind, name) = RECORD;
    if let Some(record) = records.get(kind, name)? {
        let stored: Option<serde_json::Value> = serde_json::from_str(&record.json).ok();
        let id = stored.and_then(|stored| Some(stored["id"].as_str()?.to_owned()));
        return Ok(id.unwrap_or_default());
    }
    let fresh = random_uuid();
    records.insert(kind, name, None, &serde_json::json!({ "id": fresh }).to_string())?;
    Ok(fresh)
}

/// RFC 9562, version 4.
fn random_uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
