//! Which names lead to which containers in each network. Pure but for its lock, which nobody holds for long.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The names in all networks.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<String, Table>>);

/// A container's addresses in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Option<Ipv6Addr>,
}

impl Addresses {
    fn each(self) -> impl Iterator<Item = IpAddr> {
        std::iter::once(IpAddr::V4(self.v4)).chain(self.v6.map(IpAddr::V6))
    }
}

/// The names in one network.
#[derive(Debug, Default)]
struct Table {
    network: String,
    /// Names and aliases in lower case; several containers may share one.
    by_name: HashMap<String, Vec<(String, Addresses)>>,
    /// The first of each container's names.
    by_address: HashMap<IpAddr, String>,
}

impl Names {
    /// A container has these names at these addresses of the network.
    pub(super) fn insert(
        &self,
        (id, network): (&str, &str),
        container: &str,
        addresses: Addresses,
        names: &[String],
    ) {
        let mut tables = self.tables();
        let table = tables.entry(id.to_owned()).or_default();
        network.clone_into(&mut table.network);
        for name in names {
            let holders = table.by_name.entry(name.to_ascii_lowercase()).or_default();
            if !holders.iter().any(|(holder, _)| holder == container) {
                holders.push((container.to_owned(), addresses));
            }
        }
        if let Some(first) = names.first() {
            for address in addresses.each() {
                table.by_address.insert(address, first.clone());
            }
        }
    }

    /// A container has no names in the network any more.
    pub(super) fn remove(&self, network: &str, container: &str) {
        let mut tables = self.tables();
        let Some(table) = tables.get_mut(network) else { return };
        let mut gone = Vec::new();
        table.by_name.retain(|_, holders| {
            holders.retain(|(holder, addresses)| {
                let theirs = holder == container;
                if theirs {
                    gone.extend(addresses.each());
                }
                !theirs
            });
            !holders.is_empty()
        });
        for address in gone {
            table.by_address.remove(&address);
        }
    }

    /// The network is gone.
    pub(super) fn forget(&self, network: &str) {
        self.tables().remove(network);
    }

    /// Where a name leads for somebody who is in these networks: the first one that knows it answers. `name` may
    /// end with the name of one of the networks. Nothing: nobody has this name.
    pub(super) fn find(&self, networks: &[String], name: &str) -> Vec<Addresses> {
        let tables = self.tables();
        let name = name.to_ascii_lowercase();
        for table in networks.iter().filter_map(|id| tables.get(id)) {
            let in_network = name
                .strip_suffix(&table.network.to_ascii_lowercase())
                .and_then(|name| name.strip_suffix('.'));
            let holders = table.by_name.get(&name);
            let holders = holders.or_else(|| table.by_name.get(in_network?));
            if let Some(holders) = holders {
                return holders.iter().map(|(_, addresses)| *addresses).collect();
            }
        }
        Vec::new()
    }

    /// The name that goes with an address, and the name of its network behind it.
    pub(super) fn reverse(&self, networks: &[String], address: IpAddr) -> Option<String> {
        let tables = self.tables();
        networks.iter().filter_map(|id| tables.get(id)).find_map(|table| {
            let name = table.by_address.get(&address)?;
            Some(format!("{name}.{}", table.network))
        })
    }

    fn tables(&self) -> MutexGuard<'_, HashMap<String, Table>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_shared_and_forgotten() {
        let names = Names::default();
        let v6 = |last| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last);
        let ip = |last| Addresses {
            v4: Ipv4Addr::new(10, 0, 0, last),
            v6: (last == 2).then_some(v6(last.into())),
        };
        let four = |last| IpAddr::V4(ip(last).v4);
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        names.insert(("n1", "Front"), "c1", ip(2), &list(&["Web", "app"]));
        names.insert(("n1", "Front"), "c2", ip(3), &list(&["db", "app"]));
        names.insert(("n2", "back"), "c3", ip(4), &list(&["db"]));
        let both = list(&["n1", "n2"]);
        assert_eq!(names.find(&both, "wEB"), [ip(2)]);
        assert_eq!(names.find(&both, "app"), [ip(2), ip(3)]);
        assert_eq!(names.find(&both, "db"), [ip(3)]);
        assert_eq!(names.find(&both, "db.back"), [ip(4)]);
        assert!(names.find(&list(&["n2"]), "web").is_empty());
        assert_eq!(names.reverse(&both, four(2)).as_deref(), Some("Web.Front"));
        assert_eq!(names.reverse(&both, v6(2).into()).as_deref(), Some("Web.Front"));
        names.remove("n1", "c2");
        assert_eq!(names.find(&both, "app"), [ip(2)]);
        assert_eq!(names.find(&both, "db"), [ip(4)]);
        assert_eq!(names.reverse(&both, four(3)), None);
        names.forget("n1");
        assert!(names.find(&both, "web").is_empty());
    }
}
