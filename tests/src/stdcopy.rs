//! Docker's multiplexed stream, read without the project's own crates: `[stream, 0, 0, 0, length
//! as big-endian u32]` then the payload; stream 1 is stdout, 2 stderr.

/// What came out of a multiplexed stream, each stream joined.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Payload of stream 1.
    pub stdout: String,
    /// Payload of stream 2.
    pub stderr: String,
}

/// Splits `bytes` if they are whole frames of streams 1 and 2.
pub fn try_split(bytes: &[u8]) -> Option<Output> {
    let mut rest = bytes;
    while let [1 | 2, 0, 0, 0, a, b, c, d, tail @ ..] = rest {
        rest = tail.get(u32::from_be_bytes([*a, *b, *c, *d]) as usize..)?;
    }
    (rest.is_empty() && !bytes.is_empty()).then(|| split(bytes))
}

/// Splits `bytes`; panics when they are not whole frames of streams 1 and 2.
#[track_caller]
pub fn split(bytes: &[u8]) -> Output {
    let mut output = Output::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        assert!(rest.len() >= 8, "a frame's header is cut: {rest:?}");
        let (header, tail) = rest.split_at(8);
        assert_eq!(&header[1..4], [0, 0, 0], "a frame's header is broken: {header:?}");
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        assert!(tail.len() >= length, "a frame of {length} bytes is cut at {}", tail.len());
        let (payload, next) = tail.split_at(length);
        let text = String::from_utf8_lossy(payload);
        match header[0] {
            1 => output.stdout += &text,
            2 => output.stderr += &text,
            other => panic!("a frame names stream {other}"),
        }
        rest = next;
    }
    output
}
