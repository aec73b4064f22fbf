//! Ways that are narrower than their ends: whoever sends too much hears of it through the translation, and
//! everything arrives.

use sheave_abi::event::Event;
use sheave_tests::kernel;

use crate::node::{NARROW_MTU, Node};
use crate::wire::{ask, connected, exchange, set_option};

const MEGABYTES: usize = 4 << 20;

#[test]
fn a_connection_from_outside_finds_the_width_of_its_way() {
    let mut node = Node::new("mtu-outside", kernel::tc_attachment());
    for (address, seen_as) in
        [("192.0.2.1:30080", "203.0.113.7"), ("[2001:db8:2::1]:30080", "2001:db8:113::7")]
    {
        let before = node.counter(Event::ErrorTranslated);
        assert_eq!(exchange(&node.far, address, MEGABYTES).unwrap(), seen_as, "{address}");
        assert!(node.counter(Event::ErrorTranslated) > before, "{address}: the backend was told");
    }
    node.assert_no_drops();
}

#[test]
fn a_connection_to_a_backend_elsewhere_finds_the_width_of_its_way() {
    let mut node = Node::new("mtu-elsewhere", kernel::tc_attachment());
    for (address, seen_as) in
        [("10.96.0.4:80", "10.244.0.2"), ("[fd00:10:96::4]:80", "fd00:10:244::2")]
    {
        let before = node.counter(Event::ErrorTranslated);
        assert_eq!(exchange(&node.pods[0], address, MEGABYTES).unwrap(), seen_as, "{address}");
        assert!(node.counter(Event::ErrorTranslated) > before, "{address}: the client was told");
    }
    node.assert_no_drops();
}

#[test]
fn a_datagram_that_may_not_be_cut_up_is_too_large_once() {
    let mut node = Node::new("mtu-datagram", kernel::tc_attachment());
    let too_large = NARROW_MTU as usize;
    let fits = too_large - 48;
    for address in ["10.96.0.4:53", "[fd00:10:96::4]:53"] {
        node.pods[0].run(|| {
            let socket = connected(address);
            let (level, option) = match address.starts_with('[') {
                true => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
                false => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
            };
            set_option(&socket, level, option, libc::IP_PMTUDISC_DO);
            let error = ask(&socket, too_large).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{address}: {error}");
            ask(&socket, fits).unwrap();
        });
    }
    assert_eq!(node.counter(Event::ErrorTranslated), 2);
    node.assert_no_drops();
}

#[test]
fn an_uplink_that_becomes_narrower_than_the_pods_is_told_to_backends() {
    let mut node = Node::new("mtu-uplink", kernel::tc_attachment());
    node.netns.ip("link set up0 mtu 1400");
    node.outside.ip("link set cl0 mtu 1400");
    let (netns, network) = (&node.netns, &node.network);
    assert!(netns.run(|| node.dataplane.as_ref().unwrap().set_network(network)).unwrap());
    for (address, seen_as) in
        [("192.0.2.1:30080", "203.0.113.7"), ("[2001:db8:2::1]:30080", "2001:db8:113::7")]
    {
        let before = node.counter(Event::TooBig);
        assert_eq!(exchange(&node.far, address, MEGABYTES).unwrap(), seen_as, "{address}");
        assert!(node.counter(Event::TooBig) > before, "{address}: the backend was told");
    }
    // Datagrams, which nothing makes smaller but that their sender cuts them up: the answer to the first is
    // lost.
    node.outside.run(|| {
        let socket = connected("192.0.2.1:30053");
        socket.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        let _ = ask(&socket, 1472);
        ask(&socket, 1472).unwrap();
    });
    node.assert_no_drops();
}
