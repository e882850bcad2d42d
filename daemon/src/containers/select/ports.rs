//! The filters `publish` and `expose`: `80`, `80/udp`, `8000-8080/tcp`.

use std::ops::RangeInclusive;

use api_spec::container::PortSummary;
use api_spec::filters::Filters;

use crate::containers::error::Error;

/// What one value asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    ports: RangeInclusive<u16>,
    protocol: &'a str,
}

/// Refuses values that are no ports.
pub(super) fn check(filters: &Filters) -> Result<(), Error> {
    for key in ["publish", "expose"] {
        for value in filters.get(key) {
            if let Err(number) = parse(value) {
                return Err(Error::Invalid(format!(
                    "error while looking up for {key} {value}: strconv.ParseUint: parsing {number:?}: \
                     invalid syntax"
                )));
            }
        }
    }
    Ok(())
}

/// Whether a container with these ports is chosen.
pub(super) fn matches(filters: &Filters, ports: &[PortSummary]) -> bool {
    let has = |value: &str, public: bool| {
        let Ok(wanted) = parse(value) else { return false };
        ports.iter().any(|port| {
            let number = if public { port.public_port } else { Some(port.private_port) };
            port.r#type == wanted.protocol
                && number.is_some_and(|number| wanted.ports.contains(&number))
        })
    };
    filters.matches_by("publish", |value| has(value, true))
        && filters.matches_by("expose", |value| has(value, false))
}

/// Reads a value; the error is the text that is no number.
fn parse(value: &str) -> Result<Wanted<'_>, &str> {
    let (numbers, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    Ok(Wanted { ports: number(first)?..=number(last)?, protocol })
}

fn number(text: &str) -> Result<u16, &str> {
    text.parse().map_err(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_ports_or_ranges() {
        assert_eq!(parse("80"), Ok(Wanted { ports: 80..=80, protocol: "tcp" }));
        assert_eq!(parse("1-2/udp"), Ok(Wanted { ports: 1..=2, protocol: "udp" }));
        assert_eq!(parse("x/y/z"), Err("x"));
        let port = PortSummary {
            private_port: 80,
            public_port: Some(8080),
            r#type: "tcp".to_owned(),
            ip: None,
        };
        let asks =
            |json: &str| matches(&Filters::parse(json).unwrap(), std::slice::from_ref(&port));
        assert!(asks(r#"{"expose":["70-90"]}"#) && asks(r#"{"publish":["8080/tcp"]}"#));
        assert!(!asks(r#"{"expose":["8080"]}"#) && !asks(r#"{"publish":["8080/udp"]}"#));
    }
}
