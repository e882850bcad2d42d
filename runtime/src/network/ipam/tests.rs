//! Tests of the address arithmetic.

use proptest::prelude::*;

use super::*;

fn subnet(text: &str) -> Subnet {
    text.parse().unwrap()
}

fn taken(texts: &[&str]) -> Vec<(Ipv4Addr, u8)> {
    texts.iter().map(|text| parse_cidr(text).unwrap()).collect()
}

#[test]
fn cidr_is_parsed_strictly() {
    assert_eq!(parse_cidr("172.29.0.1/16"), Ok((Ipv4Addr::new(172, 29, 0, 1), 16)));
    for bad in ["", "10.0.0.1", "10.0.0.1/", "10.0.0.1/0", "10.0.0.1/33", "10.0.0.1/+8", "x/8"] {
        assert_eq!(parse_cidr(bad), Err(IpamError::InvalidSubnet(bad.into())), "{bad}");
    }
    assert_eq!(subnet("172.29.3.4/16").to_string(), "172.29.0.0/16");
}

#[test]
fn the_first_default_network_is_dockers() {
    let picked = Pool::default().pick(&[]).unwrap();
    assert_eq!(picked, subnet("172.17.0.0/16"));
    assert_eq!(picked.first_address(), Ipv4Addr::new(172, 17, 0, 1));
}

#[test]
fn routed_subnets_are_passed_over() {
    let pool = Pool::default();
    let pick = |texts: &[&str]| pool.pick(&taken(texts)).map(|subnet| subnet.to_string());
    assert_eq!(pick(&["172.17.4.0/24"]).unwrap(), "172.18.0.0/16");
    assert_eq!(pick(&["172.16.0.0/12"]).unwrap(), "192.168.0.0/20");
    assert_eq!(pick(&["172.16.0.0/12", "192.168.1.0/24"]).unwrap(), "192.168.16.0/20");
    assert_eq!(
        pick(&["172.17.0.0/16", "172.18.0.0/15", "172.20.9.9/32"]).unwrap(),
        "172.21.0.0/16"
    );
    assert_eq!(pick(&["128.0.0.0/1"]).unwrap(), "10.200.0.0/24");
    assert_eq!(pick(&["128.0.0.0/1", "10.200.0.0/13"]), Err(IpamError::NoSubnet));
}

#[test]
fn the_last_range_of_all_ends() {
    let pool = Pool::new(vec![(subnet("255.255.255.0/24"), 24)]).unwrap();
    assert_eq!(pool.pick(&taken(&["255.255.255.255/32"])), Err(IpamError::NoSubnet));
}

#[test]
fn pools_must_hold_their_networks() {
    let base = subnet("10.0.0.0/16");
    assert!(Pool::new(vec![(base, 24)]).is_ok());
    assert_eq!(Pool::new(vec![(base, 8)]), Err(IpamError::InvalidPool { base, size: 8 }));
    assert_eq!(Pool::new(vec![(base, 31)]), Err(IpamError::InvalidPool { base, size: 31 }));
}

#[test]
fn the_lowest_free_address_is_next() {
    let net = subnet("172.17.0.0/16");
    let address = |last| Ipv4Addr::new(172, 17, 0, last);
    let mut leases = Leases::new(net, address(1)).unwrap();
    assert_eq!(leases.allocate(), Ok(address(2)));
    leases.reserve(address(4)).unwrap();
    assert_eq!(leases.reserve(address(4)), Err(IpamError::InUse(address(4))));
    assert_eq!(leases.allocate(), Ok(address(3)));
    assert_eq!(leases.allocate(), Ok(address(5)));
    assert!(leases.release(address(3)));
    assert!(!leases.release(address(3)));
    assert_eq!(leases.allocate(), Ok(address(3)));
}

#[test]
fn network_and_broadcast_are_never_given() {
    let net = subnet("10.0.0.0/29");
    let mut leases = Leases::new(net, Ipv4Addr::new(10, 0, 0, 3)).unwrap();
    let given: Vec<u8> =
        std::iter::from_fn(|| leases.allocate().ok()).map(|address| address.octets()[3]).collect();
    assert_eq!(given, [1, 2, 4, 5, 6]);
    assert_eq!(leases.allocate(), Err(IpamError::NoAddress(net)));
    for last in [0, 7, 8] {
        let address = Ipv4Addr::new(10, 0, 0, last);
        assert_eq!(leases.reserve(address), Err(IpamError::NotUsable { address, subnet: net }));
    }
}

proptest! {
    #[test]
    fn a_picked_subnet_overlaps_nothing(routes in proptest::collection::vec((any::<u32>(), 8u8..=32), 0..40)) {
        let routes: Vec<(Ipv4Addr, u8)> =
            routes.into_iter().map(|(bits, prefix)| (Ipv4Addr::from(0xac10_0000 | bits >> 12), prefix)).collect();
        if let Ok(picked) = Pool::default().pick(&routes) {
            for (address, prefix) in routes {
                prop_assert!(!picked.overlaps(&Subnet::of(address, prefix).unwrap()));
            }
        }
    }

    #[test]
    fn no_address_is_leased_twice(steps in proptest::collection::vec((any::<bool>(), 0u8..16), 0..200)) {
        let mut leases = Leases::new(subnet("10.0.0.0/28"), Ipv4Addr::new(10, 0, 0, 1)).unwrap();
        let mut held = BTreeSet::from([Ipv4Addr::new(10, 0, 0, 1)]);
        for (give, last) in steps {
            let address = Ipv4Addr::new(10, 0, 0, last);
            if give {
                if let Ok(address) = leases.allocate() {
                    prop_assert!(held.insert(address));
                } else {
                    prop_assert_eq!(held.len(), 14);
                }
            } else {
                prop_assert_eq!(leases.release(address), held.remove(&address));
            }
        }
    }
}

#[test]
fn networks_tell_how_full_they_are() {
    let usage = |in_use, available| Usage { in_use, available };
    let mut leases = Leases::new(subnet("172.18.0.0/16"), Ipv4Addr::new(172, 18, 0, 1)).unwrap();
    assert_eq!(leases.usage(), usage(3, 65533));
    leases.allocate().unwrap();
    assert_eq!(leases.usage(), usage(4, 65532));
    let gateway = Ipv4Addr::new(10, 0, 0, 1);
    let mut leases =
        Leases::within(subnet("10.0.0.0/24"), subnet("10.0.0.128/25"), gateway).unwrap();
    assert_eq!(leases.usage(), usage(3, 127));
    while leases.allocate().is_ok() {}
    assert_eq!(leases.usage(), usage(130, 0));
    let leases = Leases::new(subnet("10.0.0.0/31"), Ipv4Addr::new(10, 0, 0, 0)).unwrap();
    assert_eq!(leases.usage(), usage(1, 1));
}
