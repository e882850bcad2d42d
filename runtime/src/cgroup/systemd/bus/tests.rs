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

/// A systemd that lets the client in, reads one message and says what it is told to.
fn systemd(answer: Vec<u8>) -> (Bus, thread::JoinHandle<(String, Vec<u8>)>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut stream = BufReader::new(theirs);
        let (mut hello, mut begin) = (String::new(), String::new());
        stream.read_line(&mut hello).unwrap();
        stream.get_mut().write_all(b"OK 00\r\n").unwrap();
        stream.read_line(&mut begin).unwrap();
        assert_eq!(begin, "BEGIN\r\n");
        let mut asked = vec![0; 1 << 16];
        let length = stream.read(&mut asked).unwrap();
        asked.truncate(length);
        stream.get_mut().write_all(&answer).unwrap();
        (hello, asked)
    });
    (Bus::authenticate(ours).unwrap(), server)
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
    let head = (FIXED + u32::from_le_bytes(asked[12..16].try_into().unwrap()) as usize)
        .next_multiple_of(8);
    let call = decode(&asked, head).unwrap();
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
