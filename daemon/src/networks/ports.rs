//! Published ports: what a container asks for, which port of the host it gets, and the hold on it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;

use api_spec::container::{ContainerConfig, HostConfig};
use api_spec::network::{PortBinding, PortMap};
use runtime::network::{Protocol, Publication, reserve};

use super::Error;

/// Where ports that the client leaves open come from, and its limits if it can not be read.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const EPHEMERAL_DEFAULT: (u16, u16) = (32768, 60999);
/// Most ports that one container may publish.
const MAX_PORTS: usize = 65_536;

/// What a container asks for one of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    /// One address of the host; none for all of every family that the container has.
    pub(crate) host: Option<IpAddr>,
    /// Ports of the host to choose from; any ephemeral one if there is none.
    pub(crate) host_ports: Option<RangeInclusive<u16>>,
}

/// Why a port can not be published as it is asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WishError {
    #[error("invalid port specification: {0:?}")]
    Port(String),
    #[error("invalid proto: {0}")]
    Protocol(String),
    #[error("invalid IP address: {0}")]
    Address(String),
    #[error("more than {MAX_PORTS} ports")]
    TooMany,
}

/// Reads what a container asks for. `default`: where the ports are published that name no address of the host.
pub(crate) fn wishes(
    config: &ContainerConfig,
    host_config: &HostConfig,
    default: Option<Ipv4Addr>,
) -> Result<Vec<Wish>, WishError> {
    let mut ports: BTreeMap<(u16, Protocol), Vec<&PortBinding>> = BTreeMap::new();
    for port in config.exposed_ports.iter().flatten().map(|(port, _)| port) {
        if let Ok((port, protocol)) = parse_port(port) {
            ports.entry((port, protocol)).or_default();
        }
    }
    for (port, bindings) in host_config.port_bindings.iter().flatten() {
        let (port, protocol) = parse_port(port)?;
        let list = ports.entry((port, protocol)).or_default();
        list.extend(bindings.iter().flatten());
    }
    let any = PortBinding::default();
    let mut wishes = Vec::new();
    for ((port, protocol), mut bindings) in ports {
        if bindings.is_empty() && host_config.publish_all_ports {
            bindings.push(&any);
        }
        for binding in bindings {
            let host = parse_address(&binding.host_ip, default)?;
            wishes.push(Wish {
                protocol,
                port,
                host,
                host_ports: parse_range(&binding.host_port)?,
            });
        }
    }
    // Those that leave no choice come first.
    wishes.sort_by_key(|wish| match &wish.host_ports {
        Some(range) => range.end() - range.start(),
        None => u16::MAX,
    });
    if wishes.len() > MAX_PORTS { Err(WishError::TooMany) } else { Ok(wishes) }
}

/// `80`, `80/tcp`, `53/udp`
fn parse_port(text: &str) -> Result<(u16, Protocol), WishError> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let wrong = || WishError::Port(number.to_owned());
    let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    match protocol.to_ascii_lowercase().as_str() {
        "tcp" | "" => Ok((number, Protocol::Tcp)),
        "udp" => Ok((number, Protocol::Udp)),
        "sctp" => Ok((number, Protocol::Sctp)),
        other => Err(WishError::Protocol(other.to_owned())),
    }
}

fn parse_address(text: &str, default: Option<Ipv4Addr>) -> Result<Option<IpAddr>, WishError> {
    if text.is_empty() {
        return Ok(default.filter(|address| !address.is_unspecified()).map(IpAddr::V4));
    }
    match text.trim_matches(['[', ']']).parse() {
        Ok(address) => Ok(Some(address)),
        Err(_) => Err(WishError::Address(text.to_owned())),
    }
}

/// Nothing, `8080`, or `8080-8090`; 0 leaves it open.
fn parse_range(text: &str) -> Result<Option<RangeInclusive<u16>>, WishError> {
    let wrong = || WishError::Port(text.to_owned());
    let number = |text: &str| text.parse::<u16>().map_err(|_| wrong());
    let range = match text.split_once('-') {
        _ if text.is_empty() => return Ok(None),
        Some((first, last)) => number(first)?..=number(last)?,
        None => number(text)?..=number(text)?,
    };
    match (*range.start(), *range.end()) {
        (0, 0) => Ok(None),
        (first, last) if first > last || first == 0 => Err(wrong()),
        _ => Ok(Some(range)),
    }
}

/// The ports of the host that containers have.
#[derive(Debug, Default)]
pub(super) struct Holds {
    held: HashMap<Publication, Hold>,
    /// The ephemeral port given out last.
    last: u16,
}

#[derive(Debug)]
struct Hold {
    /// Keeps the port; none if it was taken while no daemon was there to hold it.
    _socket: Option<OwnedFd>,
    /// It leads to its container, or is about to: the rules are to have it.
    leads: bool,
}

impl Holds {
    /// Chooses and takes the ports for a container at these addresses: all or none.
    pub(super) fn take(
        &mut self,
        wishes: &[Wish],
        address: Ipv4Addr,
        v6: Option<Ipv6Addr>,
    ) -> Result<Vec<Publication>, Error> {
        let mut taken = Vec::with_capacity(wishes.len());
        for wish in wishes {
            match self.take_one(wish, address, v6) {
                Ok(publications) => taken.extend(publications),
                Err(error) => {
                    self.give_back(&taken);
                    return Err(error);
                }
            }
        }
        Ok(taken)
    }

    /// One port number of the host, on one address or on all of each family.
    fn take_one(
        &mut self,
        wish: &Wish,
        address: Ipv4Addr,
        v6: Option<Ipv6Addr>,
    ) -> Result<Vec<Publication>, Error> {
        let (first, last, next) = match &wish.host_ports {
            Some(range) => (*range.start(), *range.end(), *range.start()),
            None => {
                let (first, last) = ephemeral();
                let next = self.last.saturating_add(1);
                (first, last, if (first..=last).contains(&next) { next } else { first })
            }
        };
        let places = places(wish.host, address, v6)?;
        let mut refused = None;
        for host_port in (next..=last).chain(first..next) {
            let Wish { protocol, port, .. } = *wish;
            let publication =
                |&(host, address)| Publication { protocol, host, host_port, address, port };
            let wanted: Vec<Publication> = places.iter().map(publication).collect();
            match self.hold(&wanted) {
                Ok(()) => {
                    if wish.host_ports.is_none() {
                        self.last = host_port;
                    }
                    return Ok(wanted);
                }
                Err(error) => {
                    if matches!(&error, Error::PortInUse { in_use: false, .. }) {
                        return Err(error);
                    }
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or(Error::NoPort))
    }

    /// Takes all of these or none.
    fn hold(&mut self, wanted: &[Publication]) -> Result<(), Error> {
        let mut sockets = Vec::with_capacity(wanted.len());
        for publication in wanted {
            let Publication { protocol, host, host_port, .. } = *publication;
            if self.is_allocated(publication) {
                return Err(Error::PortAllocated { host, host_port });
            }
            let socket = reserve(protocol, host, host_port).map_err(|source| Error::PortInUse {
                publication: *publication,
                why: describe(&source),
                in_use: source.kind() == std::io::ErrorKind::AddrInUse,
            })?;
            sockets.push(socket);
        }
        let hold = |socket| Hold { _socket: Some(socket), leads: false };
        self.held.extend(wanted.iter().copied().zip(sockets.into_iter().map(hold)));
        Ok(())
    }

    /// Takes the ports of a container that runs already.
    pub(super) fn adopt(&mut self, publications: &[Publication]) {
        for publication in publications {
            let Publication { protocol, host, host_port, .. } = *publication;
            let socket = reserve(protocol, host, host_port);
            if let Err(error) = &socket {
                let port = format!("{host}:{host_port}/{}", protocol.name());
                tracing::warn!(port, %error, "somebody else has a published port");
            }
            self.held.insert(*publication, Hold { _socket: socket.ok(), leads: true });
        }
    }

    pub(super) fn give_back(&mut self, publications: &[Publication]) {
        for publication in publications {
            self.held.remove(publication);
        }
    }

    /// These are published from now on.
    pub(super) fn lead(&mut self, publications: &[Publication]) {
        for publication in publications {
            if let Some(hold) = self.held.get_mut(publication) {
                hold.leads = true;
            }
        }
    }

    /// Every published port.
    pub(super) fn published(&self) -> Vec<Publication> {
        let published = self.held.iter().filter(|(_, hold)| hold.leads);
        published.map(|(publication, _)| *publication).collect()
    }

    fn is_allocated(&self, wanted: &Publication) -> bool {
        let overlaps = |one: IpAddr, other: IpAddr| {
            one == other
                || one.is_ipv4() == other.is_ipv4()
                    && (one.is_unspecified() || other.is_unspecified())
        };
        self.held.keys().any(|held| {
            (held.protocol, held.host_port) == (wanted.protocol, wanted.host_port)
                && overlaps(held.host, wanted.host)
        })
    }
}

/// The addresses of the host and of the container, family by family.
fn places(
    host: Option<IpAddr>,
    address: Ipv4Addr,
    v6: Option<Ipv6Addr>,
) -> Result<Vec<(IpAddr, IpAddr)>, Error> {
    let four = |host: Ipv4Addr| (IpAddr::V4(host), IpAddr::V4(address));
    match host {
        None => {
            let six = v6.map(|v6| (Ipv6Addr::UNSPECIFIED.into(), v6.into()));
            Ok(std::iter::once(four(Ipv4Addr::UNSPECIFIED)).chain(six).collect())
        }
        Some(IpAddr::V4(host)) => Ok(vec![four(host)]),
        Some(IpAddr::V6(host)) => match v6 {
            Some(v6) => Ok(vec![(host.into(), v6.into())]),
            None => Err(Error::NoV6(host.into())),
        },
    }
}

fn ephemeral() -> (u16, u16) {
    let text = fs::read_to_string(EPHEMERAL).unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if first <= last => (first, last),
        _ => EPHEMERAL_DEFAULT,
    }
}

/// The kernel's words, as Go programs have them.
fn describe(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        std::io::ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        _ => error.to_string(),
    }
}

/// Published and exposed ports as inspect shows them.
pub(crate) fn port_map(config: &ContainerConfig, publications: &[Publication]) -> PortMap {
    let exposed = config.exposed_ports.iter().flatten();
    let full = |port: &String| match port.contains('/') {
        true => port.clone(),
        false => format!("{port}/tcp"),
    };
    let mut map: PortMap = exposed.map(|(port, _)| (full(port), None)).collect();
    for publication in publications {
        let port = format!("{}/{}", publication.port, publication.protocol.name());
        map.entry(port).or_default().get_or_insert_default().push(PortBinding {
            host_ip: publication.host.to_string(),
            host_port: publication.host_port.to_string(),
        });
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(host_config: &str) -> Result<Vec<Wish>, String> {
        let body = format!(r#"{{"ExposedPorts":{{"99/tcp":{{}}}},"HostConfig":{host_config}}}"#);
        let request = api_spec::container::CreateRequest::from_slice(body.as_bytes()).unwrap();
        wishes(&request.config, &request.host_config, None).map_err(|error| error.to_string())
    }

    #[test]
    fn wishes_are_read() {
        let all = wanted(
            r#"{"PortBindings":{"53/udp":[{"HostIp":"127.0.0.1","HostPort":""}],
                "80":[{"HostPort":"8080-8081"},{"HostPort":"80"}]},"PublishAllPorts":true}"#,
        );
        let all: Vec<_> = (all.unwrap().into_iter())
            .map(|wish| (wish.port, wish.protocol, wish.host, wish.host_ports))
            .collect();
        let any = || None;
        assert_eq!(
            all,
            [
                (80, Protocol::Tcp, any(), Some(80..=80)),
                (80, Protocol::Tcp, any(), Some(8080..=8081)),
                (53, Protocol::Udp, Some(Ipv4Addr::LOCALHOST.into()), None),
                (99, Protocol::Tcp, any(), None),
            ]
        );
        assert_eq!(wanted(r#"{"PortBindings":{"80/tcp":[]}}"#), Ok(Vec::new()));
    }

    #[test]
    fn wrong_wishes_are_refused() {
        for (bindings, text) in [
            (r#""80/tcp":[{"HostPort":"x"}]"#, "invalid port specification: \"x\""),
            (r#""80/tcp":[{"HostPort":"2-1"}]"#, "invalid port specification: \"2-1\""),
            (r#""80/tcp":[{"HostPort":"0-1"}]"#, "invalid port specification: \"0-1\""),
            (r#""70000/tcp":[{}]"#, "invalid port specification: \"70000\""),
            (r#""0/tcp":[{}]"#, "invalid port specification: \"0\""),
            (r#""80/foo":[{}]"#, "invalid proto: foo"),
            (r#""80/tcp":[{"HostIp":"zz"}]"#, "invalid IP address: zz"),
        ] {
            let refused = wanted(&format!(r#"{{"PortBindings":{{{bindings}}}}}"#));
            assert_eq!(refused, Err(text.to_owned()), "{bindings}");
        }
    }

    #[test]
    fn ports_are_shared_by_nobody() {
        let mut holds = Holds::default();
        let wish = |host: Ipv4Addr| Wish {
            protocol: Protocol::Udp,
            port: 53,
            host: Some(host.into()),
            host_ports: None,
        };
        let address = Ipv4Addr::new(172, 17, 0, 2);
        let two = [wish(Ipv4Addr::LOCALHOST), wish(Ipv4Addr::UNSPECIFIED)];
        let taken = holds.take(&two, address, None).unwrap();
        assert_ne!(taken[0].host_port, taken[1].host_port);
        let port = taken[1].host_port;
        let same = Wish { host_ports: Some(port..=port), ..wish(Ipv4Addr::LOCALHOST) };
        let error = holds.take(std::slice::from_ref(&same), address, None).unwrap_err().to_string();
        assert_eq!(error, format!("Bind for 127.0.0.1:{port} failed: port is already allocated"));
        holds.give_back(&taken);
        assert!(holds.held.is_empty());
        let other = std::net::UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let error = holds.take(&[same], address, None).unwrap_err().to_string();
        let where_to = format!("127.0.0.1:{port}:172.17.0.2:53/udp");
        assert_eq!(
            error,
            format!("failed to bind host port for {where_to}: address already in use")
        );
        drop(other);
    }

    #[test]
    fn one_number_is_taken_in_both_families() {
        let mut holds = Holds::default();
        let address = Ipv4Addr::new(172, 17, 0, 2);
        let v6 = Some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));
        let wish = |host| Wish { protocol: Protocol::Tcp, port: 80, host, host_ports: None };
        let taken = holds.take(&[wish(None)], address, v6).unwrap();
        let shown: Vec<_> = taken.iter().map(|it| (it.host.to_string(), it.address)).collect();
        let six = v6.map(IpAddr::V6).unwrap();
        assert_eq!(shown, [("0.0.0.0".to_owned(), address.into()), ("::".to_owned(), six)]);
        assert_eq!(taken[0].host_port, taken[1].host_port);
        let port = taken[1].host_port;
        let same = Wish { host_ports: Some(port..=port), ..wish("fd00::9".parse().ok()) };
        let error = holds.take(&[same], address, v6).unwrap_err().to_string();
        assert_eq!(error, format!("Bind for fd00::9:{port} failed: port is already allocated"));
        let error = holds.take(&[wish("::".parse().ok())], address, None).unwrap_err();
        assert!(matches!(error, Error::NoV6(_)), "{error}");
    }
}
