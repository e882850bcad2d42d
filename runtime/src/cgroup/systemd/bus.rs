//! The conversation with systemd: its private socket, which no bus daemon stands behind, one call after the other. Messages
//! are those of the D-Bus specification ("Message Protocol", "Authentication Protocol"); zbus writes and reads their values.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{Endian, to_bytes};
use zbus::{ObjectPath, Signature, Type, Variant};

/// Where systemd listens for root.
const SOCKET: &str = "/run/systemd/private";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Longest message that is read, in bytes.
const MESSAGE_MAX: usize = 1 << 20;

/// Most messages that are read for one answer: signals of other units come in between.
const MESSAGES_MAX: usize = 10_000;

/// Longest line of the authentication, in bytes.
const LINE_MAX: u64 = 1024;

/// Bytes of a message before its header fields' content.
const FIXED: usize = 16;

const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

const FIELD_PATH: u8 = 1;
const FIELD_INTERFACE: u8 = 2;
const FIELD_MEMBER: u8 = 3;
const FIELD_ERROR: u8 = 4;
const FIELD_REPLY: u8 = 5;
const FIELD_SIGNATURE: u8 = 8;

/// Why systemd does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("systemd is not this host's init: connect({SOCKET:?}): {0}")]
    Absent(#[source] io::Error),
    #[error("{call} on {SOCKET:?}: {source}")]
    Io { call: &'static str, source: io::Error },
    #[error("systemd does not let us in: {0:?}")]
    Authentication(String),
    #[error("message of systemd: {0}")]
    Message(String),
    #[error("{member}: {name}: {text}")]
    Refused { member: &'static str, name: String, text: String },
    #[error("{member}: the job of {unit} ended as {result:?}")]
    Job { member: &'static str, unit: String, result: String },
    #[error("{member}: no answer in time")]
    Timeout { member: &'static str },
}

impl BusError {
    /// A unit of this name is there already.
    pub(super) fn is_unit_exists(&self) -> bool {
        self.is_refusal("org.freedesktop.systemd1.UnitExists")
    }

    /// No unit has this name.
    pub(super) fn is_no_such_unit(&self) -> bool {
        self.is_refusal("org.freedesktop.systemd1.NoSuchUnit")
    }

    fn is_refusal(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { name, .. } if name == wanted)
    }

    fn io(call: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { call, source }
    }
}

fn wrong(error: impl std::fmt::Display) -> BusError {
    BusError::Message(error.to_string())
}

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number(u64),
    Flag(bool),
    Text(String),
    Bytes(Vec<u8>),
    Pids(Vec<u32>),
    Pairs(Vec<(String, String)>),
}

impl Value {
    fn variant(&self) -> Variant<'_> {
        match self {
            Self::Number(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Bytes(bytes) => bytes.into(),
            Self::Pids(pids) => pids.into(),
            Self::Pairs(pairs) => pairs.clone().into(),
        }
    }
}

/// A header field whose value is a text of some kind, with the kind beside it as in every variant.
#[derive(Debug, Type)]
#[zbus(signature = "v")]
struct Text<'a>(Signature, &'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut variant = serializer.serialize_struct("Variant", 2)?;
        variant.serialize_field("signature", &self.0)?;
        variant.serialize_field("value", self.1)?;
        variant.end()
    }
}

/// A message that came.
struct Message {
    kind: u8,
    fields: Vec<(u8, String)>,
    /// The serial number of the call that it answers.
    reply_to: Option<u32>,
    body: Vec<u8>,
}

impl Message {
    fn field(&self, code: u8) -> &str {
        let found = self.fields.iter().find(|(field, _)| *field == code);
        found.map_or("", |(_, value)| value.as_str())
    }

    fn body(&self) -> Data<'_, '_> {
        Data::new(self.body.as_slice(), context(0))
    }
}

fn context(position: usize) -> Context {
    Context::new(Endian::Little, position)
}

/// A connection to systemd.
pub(super) struct Bus {
    stream: BufReader<UnixStream>,
    serial: u32,
    /// Jobs that have ended: path and result.
    ended: Vec<(String, String)>,
}

impl Bus {
    /// Connects and authenticates as the user that this process is.
    pub(super) fn connect() -> Result<Self, BusError> {
        let stream = UnixStream::connect(SOCKET).map_err(BusError::Absent)?;
        let limit = Some(ANSWER_LIMIT);
        stream.set_read_timeout(limit).map_err(BusError::io("SO_RCVTIMEO"))?;
        stream.set_write_timeout(limit).map_err(BusError::io("SO_SNDTIMEO"))?;
        Self::authenticate(stream)
    }

    /// Says all of its part at once, as systemd's own clients do: a short message that comes with a `BEGIN` of its own
    /// lies in systemd's buffer unseen until more comes.
    fn authenticate(stream: UnixStream) -> Result<Self, BusError> {
        let mut stream = BufReader::new(stream);
        let uid = rustix::process::geteuid().as_raw().to_string();
        let hexadecimal: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        let hello = format!("\0AUTH EXTERNAL {hexadecimal}\r\nBEGIN\r\n");
        stream.get_mut().write_all(hello.as_bytes()).map_err(BusError::io("write"))?;
        let mut line = String::new();
        stream.by_ref().take(LINE_MAX).read_line(&mut line).map_err(BusError::io("read"))?;
        if !line.starts_with("OK ") {
            return Err(BusError::Authentication(line.trim().to_owned()));
        }
        Ok(Self { stream, serial: 0, ended: Vec::new() })
    }

    /// `StartTransientUnit`; returns when the unit is there.
    pub(super) fn start_transient(
        &mut self,
        unit: &str,
        settings: &[(String, Value)],
        limit: Duration,
    ) -> Result<(), BusError> {
        const MEMBER: &str = "StartTransientUnit";
        type Auxiliary<'a> = Vec<(&'a str, Vec<(&'a str, Variant<'a>)>)>;
        let body = (unit, "fail", variants(settings), Auxiliary::new());
        let answer = self.call(MEMBER, "ssa(sv)a(sa(sv))", &body)?;
        self.await_job(MEMBER, unit, &answer, limit)
    }

    /// `StopUnit` and `ResetFailedUnit`; returns when nothing runs in the unit. That there is none is as good.
    pub(super) fn stop(&mut self, unit: &str, limit: Duration) -> Result<(), BusError> {
        const MEMBER: &str = "StopUnit";
        let stopped = self
            .call(MEMBER, "ss", &(unit, "replace"))
            .and_then(|answer| self.await_job(MEMBER, unit, &answer, limit))
            .and_then(|()| self.call("ResetFailedUnit", "s", &unit).map(drop));
        match stopped {
            Err(error) if error.is_no_such_unit() => Ok(()),
            stopped => stopped,
        }
    }

    /// Waits for the end of the job that `answer` names.
    fn await_job(
        &mut self,
        member: &'static str,
        unit: &str,
        answer: &Message,
        limit: Duration,
    ) -> Result<(), BusError> {
        let body = answer.body();
        let (job, _): (ObjectPath<'_>, usize) = body.deserialize().map_err(wrong)?;
        let give_up = Instant::now() + limit;
        let result = loop {
            if let Some((_, result)) = self.ended.iter().find(|(path, _)| *path == job.as_str()) {
                break result.clone();
            }
            if Instant::now() >= give_up {
                return Err(BusError::Timeout { member });
            }
            let message = self.receive()?;
            self.hear(&message)?;
        };
        match result.as_str() {
            "done" => Ok(()),
            _ => Err(BusError::Job { member, unit: unit.to_owned(), result }),
        }
    }

    /// `SetUnitProperties`, until the unit is gone.
    pub(super) fn set_properties(
        &mut self,
        unit: &str,
        settings: &[(String, Value)],
    ) -> Result<(), BusError> {
        let runtime_only = true;
        let body = (unit, runtime_only, variants(settings));
        self.call("SetUnitProperties", "sba(sv)", &body).map(drop)
    }

    /// Calls a method of the manager and waits for its answer.
    fn call<B: Serialize + zbus::DynamicType>(
        &mut self,
        member: &'static str,
        signature: &str,
        body: &B,
    ) -> Result<Message, BusError> {
        self.serial += 1;
        let message = encode(self.serial, member, signature, body)?;
        self.stream.get_mut().write_all(&message).map_err(BusError::io("write"))?;
        for _ in 0..MESSAGES_MAX {
            let message = self.receive()?;
            if message.reply_to != Some(self.serial) {
                self.hear(&message)?;
                continue;
            }
            return match message.kind {
                RETURN => Ok(message),
                ERROR => {
                    let name = message.field(FIELD_ERROR).to_owned();
                    let text: Result<(String, usize), _> = message.body().deserialize();
                    let text = text.map_or_else(|_| String::new(), |(text, _)| text);
                    Err(BusError::Refused { member, name, text })
                }
                kind => Err(wrong(format!("an answer of type {kind}"))),
            };
        }
        Err(BusError::Timeout { member })
    }

    /// Remembers the end of a job; other signals are of no concern.
    fn hear(&mut self, message: &Message) -> Result<(), BusError> {
        if message.kind == SIGNAL && message.field(FIELD_MEMBER) == "JobRemoved" {
            type Removed<'a> = (u32, ObjectPath<'a>, &'a str, &'a str);
            let body = message.body();
            let ((_, job, _, result), _): (Removed<'_>, usize) =
                body.deserialize().map_err(wrong)?;
            self.ended.push((job.as_str().to_owned(), result.to_owned()));
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Message, BusError> {
        let mut bytes = vec![0; FIXED];
        self.stream.read_exact(&mut bytes).map_err(BusError::io("read"))?;
        let number = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
        };
        if bytes[0] != b'l' || bytes[3] != 1 {
            return Err(wrong("not of this machine's kind"));
        }
        let (body, fields) = (number(4), number(12));
        let head = (FIXED + fields.min(MESSAGE_MAX)).next_multiple_of(8);
        if head.saturating_add(body) > MESSAGE_MAX {
            return Err(wrong(format!("{body} bytes are too many")));
        }
        bytes.resize(head + body, 0);
        self.stream.read_exact(&mut bytes[FIXED..]).map_err(BusError::io("read"))?;
        decode(&bytes, head)
    }
}

fn variants(settings: &[(String, Value)]) -> Vec<(&str, Variant<'_>)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.variant())).collect()
}

/// A call of a method of the manager.
fn encode<B: Serialize + zbus::DynamicType>(
    serial: u32,
    member: &str,
    signature: &str,
    body: &B,
) -> Result<Vec<u8>, BusError> {
    const FLAGS: u8 = 0;
    const VERSION: u8 = 1;
    let body = to_bytes(context(0), body).map_err(wrong)?;
    let length = u32::try_from(body.bytes().len()).map_err(wrong)?;
    let fields = vec![
        (FIELD_PATH, Text(Signature::ObjectPath, OBJECT)),
        (FIELD_INTERFACE, Text(Signature::Str, MANAGER)),
        (FIELD_MEMBER, Text(Signature::Str, member)),
        (FIELD_SIGNATURE, Text(Signature::Signature, signature)),
    ];
    let header = (b'l', CALL, FLAGS, VERSION, length, serial, fields);
    let mut message = to_bytes(context(0), &header).map_err(wrong)?.bytes().to_vec();
    message.resize(message.len().next_multiple_of(8), 0);
    message.extend_from_slice(body.bytes());
    Ok(message)
}

/// Reads a message whose body begins at `head`.
fn decode(bytes: &[u8], head: usize) -> Result<Message, BusError> {
    type Header<'a> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'a>)>);
    let data = Data::new(&bytes[..head], context(0));
    let ((_, kind, .., fields), _): (Header<'_>, usize) = data.deserialize().map_err(wrong)?;
    let reply_to = fields.iter().find_map(|(code, value)| match value {
        Variant::U32(serial) if *code == FIELD_REPLY => Some(*serial),
        _ => None,
    });
    let text = |(code, value): &(u8, Variant<'_>)| match value {
        Variant::Str(text) => Some((*code, text.as_str().to_owned())),
        _ => None,
    };
    let fields = fields.iter().filter_map(text).collect();
    Ok(Message { kind, fields, reply_to, body: bytes[head..].to_vec() })
}

#[cfg(test)]
mod tests;
