//! Requests that no client would send, made by chance of such as clients send: odd targets, fields,
//! bodies and framing, bytes changed and cut anywhere, one request behind the other.

use crate::churn::random::Random;

/// Prefixes of paths.
const VERSIONS: [&str; 8] = ["", "/v1.24", "/v1.45", "/v1.52", "/v9.9", "/v1.", "/v0.1", "/v"];
/// What stands in a path where a name is.
const NAMES: [&str; 10] =
    ["x", "..", "%2e%2e", "%00", "%zz", "a/b/c", "sha256:", "%F0%9F%A6%80", "-", "@"];
/// Parameters of queries.
const KEYS: [&str; 24] = [
    "all",
    "filters",
    "limit",
    "size",
    "t",
    "signal",
    "w",
    "h",
    "stream",
    "stdout",
    "stdin",
    "logs",
    "since",
    "until",
    "tail",
    "follow",
    "path",
    "name",
    "platform",
    "condition",
    "fromImage",
    "tag",
    "force",
    "detachKeys",
];
/// Values of parameters and of members of bodies.
const VALUES: [&str; 14] = [
    "1",
    "-1",
    "0",
    "",
    "99999999999999999999",
    "1e400",
    "true",
    "null",
    "%ff",
    "%",
    "a%00b",
    "[]",
    "{\"label\":[\"x\"]}",
    "{\"until\":{\"-1h\":true}}",
];
/// Bodies: what endpoints read, and what is none.
const BODIES: [&str; 12] = [
    "",
    "{}",
    "null",
    "[]",
    "{",
    "\"\\ud800\"",
    "{\"Image\":\"busybox\",\"Cmd\":[\"true\"],\"HostConfig\":{\"NetworkMode\":\"none\"}}",
    "{\"Cmd\":[\"true\"],\"AttachStdout\":true,\"Tty\":false,\"Env\":[\"A=b\"],\"Privileged\":false}",
    "{\"Detach\":false,\"Tty\":true,\"ConsoleSize\":[24,80]}",
    "{\"Name\":\"mutant\",\"Driver\":\"local\",\"Labels\":{\"a\":\"b\"}}",
    "{\"Container\":\"x\",\"EndpointConfig\":{\"IPAMConfig\":{\"IPv4Address\":\"1.2.3.4\"}}}",
    "{\"Memory\":-1,\"CpuShares\":4,\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0}}",
];
/// Header fields.
const FIELDS: [&str; 16] = [
    "Content-Type: application/json",
    "Content-Type: application/x-tar",
    "Content-Type: ;;",
    "Connection: close",
    "Connection: Upgrade",
    "Upgrade: tcp",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Expect: 100-continue",
    "X-Registry-Auth: e30=",
    "X-Registry-Auth: \u{fffd}",
    "Host: \t",
    "Content-Length: 5",
    "Content-Length: -5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
];
/// How deep the deepest body is.
const DEPTH: usize = 20_000;
/// How long the longest field is, in bytes.
const LONG: usize = 100_000;

/// The bytes of one or several requests to rows of the router's table (`METHOD /path/{id}`), in which
/// `known` is the name of something that is there.
pub fn mutant(random: &mut Random, routes: &[String], known: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let several = if random.chance(15) { 3 } else { 1 };
    for _ in 0..several {
        bytes.extend(request(random, routes, known));
    }
    if random.chance(25) {
        for _ in 0..=random.below(4) {
            let at = index(random, bytes.len());
            bytes[at] = u8::try_from(random.below(256)).expect("a byte");
        }
    }
    if random.chance(10) {
        bytes.truncate(index(random, bytes.len()));
    }
    if random.chance(10) {
        let more = random.below(2000);
        bytes.extend((0..more).map(|_| u8::try_from(random.below(256)).expect("a byte")));
    }
    bytes
}

fn index(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.below(length.max(1) as u64)).expect("an index")
}

fn one<'a>(random: &mut Random, list: &[&'a str]) -> &'a str {
    list[index(random, list.len())]
}

fn request(random: &mut Random, routes: &[String], known: &str) -> Vec<u8> {
    let route = &routes[index(random, routes.len())];
    let (method, path) = route.split_once(' ').expect("a method and a path");
    let method = if random.chance(5) { "BREW" } else { method };
    let name = if random.chance(60) { known } else { one(random, &NAMES) };
    let path = path.replace("{id}", name).replace("{name}", name);
    // The first four are versions that are served.
    let versions = if random.chance(80) { &VERSIONS[..4] } else { &VERSIONS[..] };
    let version = one(random, versions);
    let mut target = format!("{version}{path}");
    for at in 0..random.below(4) {
        let value = one(random, &VALUES);
        let separator = if at == 0 { '?' } else { '&' };
        target += &format!("{separator}{}={}", one(random, &KEYS), value.replace(' ', "+"));
    }
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: d\r\n");
    for _ in 0..random.below(4) {
        head += &format!("{}\r\n", one(random, &FIELDS));
    }
    if random.chance(3) {
        head += &format!("X-Long: {}\r\n", "x".repeat(LONG));
    }
    let body = body(random);
    framed(random, &head, &body)
}

fn body(random: &mut Random) -> Vec<u8> {
    let text = one(random, &BODIES).to_owned();
    match random.below(20) {
        0 => "[".repeat(DEPTH).into_bytes(),
        1 => "{\"a\":".repeat(DEPTH).into_bytes(),
        2 => vec![0xff; 100],
        3..10 => {
            let value = one(random, &VALUES);
            let members: Vec<_> = text.match_indices(':').map(|(at, _)| at + 1).collect();
            let Some(&at) = members.get(index(random, members.len())) else {
                return text.into_bytes();
            };
            let end = text[at..].find([',', '}']).map_or(text.len(), |end| at + end);
            let value = if random.chance(50) { format!("{value:?}") } else { value.to_owned() };
            format!("{}{value}{}", &text[..at], &text[end..]).into_bytes()
        }
        _ => text.into_bytes(),
    }
}

/// Head and body, the length said in one way or another, rightly or not.
fn framed(random: &mut Random, head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let (field, body) = match random.below(10) {
        0..5 => (
            format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
            body.to_vec(),
        ),
        5..8 => {
            let size = match random.below(5) {
                0 => "ffffffffffffffff".to_owned(),
                1 => "x".to_owned(),
                _ => format!("{length:x}"),
            };
            let mut chunks = format!("{size}\r\n").into_bytes();
            chunks.extend(body);
            chunks.extend(b"\r\n0\r\n\r\n");
            ("Transfer-Encoding: chunked\r\n".to_owned(), chunks)
        }
        8 => (format!("Content-Length: {}\r\n", length + 7), body.to_vec()),
        _ => (String::new(), body.to_vec()),
    };
    let mut bytes = format!("{head}{field}\r\n").into_bytes();
    bytes.extend(body);
    bytes
}
