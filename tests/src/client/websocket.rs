//! A WebSocket by hand (RFC 6455): every frame that a daemon sends is seen as it is.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use super::{Client, Stream};

/// Kinds of frames: RFC 6455, section 5.2.
pub const TEXT: u8 = 1;
/// See [`TEXT`].
pub const BINARY: u8 = 2;
/// See [`TEXT`].
pub const CLOSE: u8 = 8;
/// See [`TEXT`].
pub const PING: u8 = 9;
/// See [`TEXT`].
pub const PONG: u8 = 10;

/// The example of RFC 6455, section 1.3.
const KEY: (&str, &str) = ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// Clients mask what they send; any four bytes do.
const MASK: [u8; 4] = [0x5a, 3, 0xf0, 0x77];

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct WebSocket {
    stream: UnixStream,
    early: Vec<u8>,
}

impl Client {
    /// Asks for a WebSocket, whatever the answer.
    #[track_caller]
    pub fn try_websocket(&self, path: &str) -> Stream {
        let fields = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY.0),
        ];
        self.open_with("GET", path, &fields)
    }

    /// A WebSocket.
    #[track_caller]
    pub fn websocket(&self, path: &str) -> WebSocket {
        let answer = self.try_websocket(path);
        assert_eq!(answer.status, 101, "{path}");
        let field = |name: &str| {
            let found = answer.headers.iter().find(|(field, _)| field == name);
            found.map(|(_, value)| value.to_ascii_lowercase())
        };
        assert_eq!(field("upgrade").as_deref(), Some("websocket"));
        assert_eq!(field("sec-websocket-accept"), Some(KEY.1.to_ascii_lowercase()));
        let (stream, early) = answer.body.into_parts();
        WebSocket { stream, early }
    }
}

impl WebSocket {
    /// Sends one frame of at most 125 bytes.
    #[track_caller]
    pub fn send(&mut self, kind: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).expect("a short frame");
        let mut frame = vec![0x80 | kind, 0x80 | length];
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).expect("a frame is sent");
    }

    /// The next frame, kind and payload; `None` when the daemon has closed the connection.
    #[track_caller]
    pub fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, second] = self.bytes::<2>()?;
        assert_eq!(first & 0xf0, 0x80, "the frame is not a whole message");
        let length = match second {
            126 => usize::from(u16::from_be_bytes(self.bytes()?)),
            127 => usize::try_from(u64::from_be_bytes(self.bytes()?)).expect("a length"),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.fill(&mut payload).then_some((first & 0x0f, payload))
    }

    /// Joined payload of all messages up to the close frame, and the kind of the last of them.
    #[track_caller]
    pub fn until_close(&mut self) -> (String, Option<u8>) {
        let (mut text, mut last) = (String::new(), None);
        loop {
            match self.receive() {
                Some((CLOSE, code)) => {
                    assert_eq!(code, 1000_u16.to_be_bytes(), "a normal close");
                    return (text, last);
                }
                Some((kind, payload)) => {
                    last = Some(kind);
                    text += &String::from_utf8_lossy(&payload);
                }
                None => panic!("no close frame behind {text:?}"),
            }
        }
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes).then_some(bytes)
    }

    #[track_caller]
    fn fill(&mut self, into: &mut [u8]) -> bool {
        let early = self.early.len().min(into.len());
        into[..early].copy_from_slice(&self.early[..early]);
        self.early.drain(..early);
        match self.stream.read_exact(&mut into[early..]) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => false,
            Err(error) => panic!("a frame: {error}"),
        }
    }
}
