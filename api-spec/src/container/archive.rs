//! A container's files: one file's facts, what has changed, and the image made of it.

use serde::{Deserialize, Serialize};

/// Bits of Go's `fs.FileMode` beside the permissions, and what they stand for in `st_mode`.
const TYPES: [(u32, u32); 6] = [
    (0o040_000, 1 << 31),
    (0o120_000, 1 << 27),
    (0o010_000, 1 << 25),
    (0o140_000, 1 << 24),
    (0o060_000, 1 << 26),
    (0o020_000, 1 << 26 | 1 << 21),
];
const TYPE: u32 = 0o170_000;
const SPECIAL: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];

/// The header `X-Docker-Container-Path-Stat`, base64 of JSON.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PathStat {
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// As Go's `fs.FileMode`; see [`PathStat::go_mode`].
    pub mode: u32,
    /// RFC 3339.
    pub mtime: String,
    /// Of a symbolic link: the whole path that it leads to.
    pub link_target: String,
}

impl PathStat {
    /// `st_mode` (inode(7)) as Go's `fs.FileMode`.
    #[must_use]
    pub fn go_mode(mode: u32) -> u32 {
        let kind = TYPES.iter().find(|(bits, _)| mode & TYPE == *bits).map_or(0, |(_, go)| *go);
        let special = SPECIAL.iter().filter(|(bit, _)| mode & bit != 0).map(|(_, go)| go);
        (mode & 0o777) | kind | special.sum::<u32>()
    }

    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.mode & 1 << 31 != 0
    }

    #[must_use]
    pub fn is_link(&self) -> bool {
        self.mode & 1 << 27 != 0
    }
}

/// One entry of `GET /containers/{id}/changes`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Change {
    pub path: String,
    /// 0 modified, 1 added, 2 deleted.
    pub kind: u8,
}

/// Answer of `POST /commit`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CommitResponse {
    pub id: String,
}

#[cfg(test)]
mod tests {
    use super::PathStat;

    #[test]
    fn modes_are_go_s() {
        for (mode, go) in [
            (0o100_644, 0o644),
            (0o040_755, 0x8000_01ed),
            (0o120_777, 0x0800_01ff),
            (0o041_777, 0x8010_01ff),
            (0o104_755, 0x0080_01ed),
            (0o020_666, 0x0420_01b6),
        ] {
            assert_eq!(PathStat::go_mode(mode), go, "{mode:o}");
        }
    }
}
