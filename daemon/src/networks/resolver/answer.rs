//! Questions that the names of containers answer. Pure: a message in, a message out. RFC 1035, section 4.

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::Client;
use crate::networks::names::{Addresses, Names};

/// For how many seconds an answer may be kept; dockerd's.
const TTL: u32 = 600;

/// What becomes of a question.
#[derive(Debug)]
pub(super) enum Verdict {
    /// This is the answer.
    Answer(Vec<u8>),
    /// Somebody else may know.
    Forward,
    /// It is not a question.
    Drop,
}

/// Looks for the answer. `limit`: bytes that it may have, for answers in one datagram; a longer one says that it is cut.
pub(super) fn find(question: &[u8], client: &Client, names: &Names, datagram: bool) -> Verdict {
    let Ok(asked) = Message::from_vec(question) else { return Verdict::Drop };
    if asked.metadata.message_type != MessageType::Query {
        return Verdict::Drop;
    }
    let [query] = asked.queries.as_slice() else { return Verdict::Forward };
    if asked.metadata.op_code != OpCode::Query || query.query_class() != DNSClass::IN {
        return Verdict::Forward;
    }
    let records = match query.query_type() {
        RecordType::PTR => pointer(query.name(), client, names).map(|record| vec![record]),
        kind => addresses(query.name(), client, names).map(|found| {
            // Where the name is there and has nothing of this kind, nothing is the answer.
            let data = shuffled(found).into_iter().flat_map(|found| of_kind(kind, found));
            data.map(|data| record(query.name(), data)).collect()
        }),
    };
    match records {
        Some(records) => reply(&asked, ResponseCode::NoError, records, datagram),
        None if client.sealed || client.servers.is_empty() => failure(question),
        None => Verdict::Forward,
    }
}

/// The answer when nobody could be asked.
pub(super) fn failure(question: &[u8]) -> Verdict {
    match Message::from_vec(question) {
        Ok(asked) => reply(&asked, ResponseCode::ServFail, Vec::new(), true),
        Err(_) => Verdict::Drop,
    }
}

fn of_kind(kind: RecordType, found: Addresses) -> impl Iterator<Item = RData> {
    let wants = |wanted| kind == wanted || kind == RecordType::ANY;
    let v4 = wants(RecordType::A).then_some(RData::A(A(found.v4)));
    let v6 = found.v6.filter(|_| wants(RecordType::AAAA)).map(|v6| RData::AAAA(AAAA(v6)));
    v4.into_iter().chain(v6)
}

fn addresses(name: &Name, client: &Client, names: &Names) -> Option<Vec<Addresses>> {
    let text = name.to_ascii();
    let text = text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase();
    let text = client.links.get(&text).unwrap_or(&text);
    let found = names.find(&client.networks, text);
    (!found.is_empty()).then_some(found)
}

fn pointer(name: &Name, client: &Client, names: &Names) -> Option<Record> {
    let address = name.parse_arpa_name().ok()?.addr();
    let found = names.reverse(&client.networks, address)?;
    let target = Name::from_ascii(format!("{found}.")).ok()?;
    Some(record(name, RData::PTR(PTR(target))))
}

fn record(name: &Name, data: RData) -> Record {
    Record::from_rdata(name.clone(), TTL, data)
}

/// Containers that share a name take turns.
fn shuffled(mut addresses: Vec<Addresses>) -> Vec<Addresses> {
    if addresses.len() > 1 {
        let turn = rand::random_range(0..addresses.len());
        addresses.rotate_left(turn);
    }
    addresses
}

fn reply(asked: &Message, code: ResponseCode, records: Vec<Record>, datagram: bool) -> Verdict {
    let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
    answer.metadata.recursion_desired = asked.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.metadata.response_code = code;
    answer.add_queries(asked.queries.iter().cloned());
    answer.add_answers(records);
    let Ok(mut bytes) = answer.to_vec() else { return Verdict::Drop };
    if datagram && bytes.len() > usize::from(asked.max_payload()) {
        match answer.truncate().to_vec() {
            Ok(cut) => bytes = cut,
            Err(_) => return Verdict::Drop,
        }
    }
    Verdict::Answer(bytes)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use hickory_proto::op::Query;

    use super::*;

    fn names() -> Names {
        let names = Names::default();
        for last in 2..60 {
            let own = [format!("web{last}"), "all".to_owned()];
            let v6 = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last.into());
            let v6 = (last == 9).then_some(v6);
            let addresses = Addresses { v4: Ipv4Addr::new(10, 0, 0, last), v6 };
            names.insert(("n1", "front"), &format!("c{last}"), addresses, &own);
        }
        names
    }

    fn client() -> Client {
        Client {
            networks: vec!["n1".to_owned()],
            links: [("db".to_owned(), "web3".to_owned())].into(),
            servers: vec![([192, 0, 2, 1], 53).into()],
            sealed: false,
        }
    }

    fn question(name: &str, kind: RecordType) -> Vec<u8> {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message.to_vec().unwrap()
    }

    fn answered(name: &str, kind: RecordType, client: &Client, datagram: bool) -> Option<Message> {
        match find(&question(name, kind), client, &names(), datagram) {
            Verdict::Answer(bytes) => Some(Message::from_vec(&bytes).unwrap()),
            _ => None,
        }
    }

    fn data(message: &Message) -> Vec<String> {
        message.answers.iter().map(|record| record.data.to_string()).collect()
    }

    #[test]
    fn names_links_and_addresses_are_answered() {
        let ask = |name, kind| answered(name, kind, &client(), true);
        assert_eq!(data(&ask("WEB2.", RecordType::A).unwrap()), ["10.0.0.2"]);
        assert_eq!(data(&ask("web2.front.", RecordType::A).unwrap()), ["10.0.0.2"]);
        assert_eq!(data(&ask("db.", RecordType::A).unwrap()), ["10.0.0.3"]);
        let none = ask("web2.", RecordType::AAAA).unwrap();
        assert_eq!((none.metadata.response_code, none.answers.len()), (ResponseCode::NoError, 0));
        assert_eq!(data(&ask("web9.", RecordType::AAAA).unwrap()), ["fd00::9"]);
        assert_eq!(data(&ask("web9.", RecordType::ANY).unwrap()), ["10.0.0.9", "fd00::9"]);
        let arpa = format!("9.{}0.0.d.f.ip6.arpa.", "0.".repeat(27));
        assert_eq!(data(&ask(&arpa, RecordType::PTR).unwrap()), ["web9.front."]);
        let reverse = ask("2.0.0.10.in-addr.arpa.", RecordType::PTR).unwrap();
        assert_eq!(data(&reverse), ["web2.front."]);
        assert!(ask("elsewhere.org.", RecordType::A).is_none());
    }

    #[test]
    fn long_answers_are_cut_in_datagrams_alone() {
        let cut = answered("all.", RecordType::A, &client(), true).unwrap();
        assert!(cut.metadata.truncation && cut.answers.is_empty());
        let whole = answered("all.", RecordType::A, &client(), false).unwrap();
        assert_eq!(whole.answers.len(), 58);
    }

    #[test]
    fn nothing_leaves_a_sealed_network() {
        let sealed = Client { sealed: true, ..client() };
        let refused = answered("elsewhere.org.", RecordType::A, &sealed, true).unwrap();
        assert_eq!(refused.metadata.response_code, ResponseCode::ServFail);
    }

    #[test]
    fn what_is_no_question_is_dropped() {
        assert!(matches!(find(b"x", &client(), &names(), true), Verdict::Drop));
        let answer = Message::response(1, OpCode::Query).to_vec().unwrap();
        assert!(matches!(find(&answer, &client(), &names(), true), Verdict::Drop));
    }
}
