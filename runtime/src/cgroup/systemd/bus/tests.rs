use std::thread;

use super::*;

/// A message as systemd would send it: `fields` are texts but for the serial number that is answered.
fn message(kind: u8, reply_to: u32, fields: &[(u8, &str)], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    let mut all: Vec<(u8, Variant<'_>)> =
        fields.iter().map(|(code, text)| (*code, Variant::from(*text))).collect();
    if reply_to != 0 {
        all.push((FIELD_REPLY, Variant::from(reply_to)));
    }
    let header = (b'l', kind, 0_u8, 1_u8, length, 7_u32, all);
    let mut bytes = to_bytes(context(0), &header).unwrap().bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend_from_slice(body);
    bytes
}

fn removed(job: &str, result: &str) -> Vec<u8> {
    let body = (1_u32, ObjectPath::try_from(job).unwrap(), "a.scope", result);
    let body = to_bytes(context(0), &body).unwrap();
    message(SIGNAL, 0, &[(FIELD_MEMBER, "JobRemoved")], body.bytes())
}

/// What a client said to get in, and the messages that it sent.
type Heard = (String, Vec<Vec<u8>>);

/// A systemd that lets the client in, reads a message for each of `answers` and gives them. What it reads in one piece
/// with the client's `BEGIN` and behind it, it does not see, as the true one.
fn systemd_with(answers: Vec<Vec<u8>>) -> (Bus, thread::JoinHandle<Heard>) {
    let (ours, stream) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(JOB)).unwrap();
    let server = thread::spawn(move || {
        let read = || {
            let mut piece = vec![0; 1 << 16];
            let length = (&stream).read(&mut piece).unwrap();
            piece.truncate(length);
            piece
        };
        let mut hello = read();
        (&stream).write_all(b"OK 00\r\n").unwrap();
        if !hello.ends_with(b"BEGIN\r\n") {
            // Whatever the client says next is there at the next look.
            thread::sleep(Duration::from_millis(100));
            hello.extend(read());
        }
        let hello = String::from_utf8_lossy(&hello).into_owned();
        let asked = answers.into_iter().map(|answer| {
            let asked = read();
            (&stream).write_all(&answer).unwrap();
            asked
        });
        (hello, asked.collect())
    });
    (Bus::authenticate(ours).unwrap(), server)
}

/// As [`systemd_with`], for one message.
fn systemd(answer: Vec<u8>) -> (Bus, thread::JoinHandle<Heard>) {
    systemd_with(vec![answer])
}

/// What a message of ours says.
fn call(bytes: &[u8]) -> Message {
    let fields = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    decode(bytes, (FIXED + fields).next_multiple_of(8)).unwrap()
}

fn job(path: &str) -> Vec<u8> {
    to_bytes(context(0), &ObjectPath::try_from(path).unwrap()).unwrap().bytes().to_vec()
}

/// An answer to the call with this serial number.
fn answer(serial: u32, body: &[u8]) -> Vec<u8> {
    message(RETURN, serial, &[], body)
}

fn no_such_unit(serial: u32) -> Vec<u8> {
    let text = to_bytes(context(0), "not loaded").unwrap();
    let name = "org.freedesktop.systemd1.NoSuchUnit";
    message(ERROR, serial, &[(FIELD_ERROR, name)], text.bytes())
}

fn settings() -> Vec<(String, Value)> {
    vec![
        ("Slice".to_owned(), Value::Text("system.slice".to_owned())),
        ("PIDs".to_owned(), Value::Pids(vec![42])),
        ("MemoryMax".to_owned(), Value::Number(7)),
        ("AllowedCPUs".to_owned(), Value::Bytes(vec![3])),
        ("DeviceAllow".to_owned(), Value::Pairs(vec![("char-*".to_owned(), "m".to_owned())])),
    ]
}

#[test]
fn a_unit_is_started_and_its_job_awaited() {
    let job = to_bytes(context(0), &ObjectPath::try_from("/job/9").unwrap()).unwrap();
    let mut answer = removed("/job/8", "failed");
    answer.extend(message(RETURN, 1, &[], job.bytes()));
    answer.extend(removed("/job/9", "done"));
    let (mut bus, server) = systemd(answer);
    bus.start_transient("a.scope", &settings(), JOB).unwrap();
    let (hello, asked) = server.join().unwrap();
    assert!(hello.starts_with("\0AUTH EXTERNAL "), "{hello:?}");
    let call = call(&asked[0]);
    assert_eq!((call.kind, call.field(FIELD_MEMBER)), (CALL, "StartTransientUnit"));
    type Body<'a> = (&'a str, &'a str, Vec<(&'a str, Variant<'a>)>);
    let body = call.body();
    let ((unit, mode, given), _): (Body<'_>, usize) = body.deserialize().unwrap();
    assert_eq!((unit, mode, given.len()), ("a.scope", "fail", 5));
    assert_eq!(given[2], ("MemoryMax", Variant::from(7_u64)));
}

const JOB: Duration = Duration::from_secs(5);

#[test]
fn a_job_that_fails_is_told() {
    let job = to_bytes(context(0), &ObjectPath::try_from("/job/9").unwrap()).unwrap();
    let mut answer = message(RETURN, 1, &[], job.bytes());
    answer.extend(removed("/job/9", "timeout"));
    let (mut bus, server) = systemd(answer);
    let error = bus.start_transient("a.scope", &settings(), JOB).unwrap_err().to_string();
    assert!(error.contains("a.scope") && error.contains("timeout"), "{error}");
    server.join().unwrap();
}

#[test]
fn refusals_have_their_names() {
    let text = to_bytes(context(0), "there already").unwrap();
    let name = "org.freedesktop.systemd1.UnitExists";
    let (mut bus, server) = systemd(message(ERROR, 1, &[(FIELD_ERROR, name)], text.bytes()));
    let error = bus.start_transient("a.scope", &settings(), JOB).unwrap_err();
    assert!(error.is_unit_exists(), "{error}");
    assert!(error.to_string().ends_with("there already"), "{error}");
    server.join().unwrap();
}

/// systemd reads up to 256 bytes while it lets a client in, and a short message behind `BEGIN` is lost among them.
#[test]
fn a_short_message_is_seen_at_once() {
    let settings = [("MemoryMax".to_owned(), Value::Number(7))];
    let (mut bus, server) = systemd(answer(1, b""));
    bus.set_properties("a.scope", &settings).unwrap();
    let (hello, asked) = server.join().unwrap();
    assert!(hello.ends_with("\r\nBEGIN\r\n"), "{hello:?}");
    assert_eq!(call(&asked[0]).field(FIELD_MEMBER), "SetUnitProperties");
}

#[test]
fn a_unit_is_stopped_and_forgotten() {
    let mut stopped = answer(1, &job("/job/3"));
    stopped.extend(removed("/job/3", "done"));
    let (mut bus, server) = systemd_with(vec![stopped, answer(2, b"")]);
    bus.stop("a.scope", JOB).unwrap();
    let (_, asked) = server.join().unwrap();
    let members: Vec<_> =
        asked.iter().map(|asked| call(asked).field(FIELD_MEMBER).to_owned()).collect();
    assert_eq!(members, ["StopUnit", "ResetFailedUnit"]);
}

#[test]
fn a_unit_that_is_gone_is_stopped() {
    let (mut bus, server) = systemd(no_such_unit(1));
    bus.stop("a.scope", JOB).unwrap();
    server.join().unwrap();
    // Collected between the two calls.
    let mut stopped = answer(1, &job("/job/3"));
    stopped.extend(removed("/job/3", "done"));
    let (mut bus, server) = systemd_with(vec![stopped, no_such_unit(2)]);
    bus.stop("a.scope", JOB).unwrap();
    server.join().unwrap();
}

#[test]
fn nonsense_is_an_error() {
    for answer in [
        vec![b'l'; 64],
        vec![b'B'; 64],
        vec![b'l', 2, 0, 1, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let (mut bus, server) = systemd(answer);
        bus.set_properties("a.scope", &settings()).unwrap_err();
        server.join().unwrap();
    }
}
