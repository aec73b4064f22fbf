//! The addresses that NodePorts are served on: those that `--node-port-addresses` names, as far as this
//! machine has them.
//!
//! The kernel says when an address comes or goes; what there is then is asked anew, so that nothing is lost
//! with a message.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use ipnet::IpNet;
use nix::ifaddrs::getifaddrs;
use rtnetlink::MulticastGroup;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;

/// What there is is asked for at least this often: the kernel drops messages that nobody takes in time.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(60);

/// What one value of the flag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// The node's own addresses, one a family.
    Primary,
    /// Those that are in the range.
    Within(IpNet),
}

/// A value that names nothing.
#[derive(Debug, thiserror::Error)]
#[error(
    "give `primary`, for the node's own address in each family, or a CIDR such as 192.0.2.0/24; 0.0.0.0/0 \
     is every IPv4 address of this machine, and a single one ends with /32, or /128 for IPv6"
)]
pub(crate) struct NothingNamed;

impl FromStr for Named {
    type Err = NothingNamed;

    fn from_str(text: &str) -> Result<Self, NothingNamed> {
        match text {
            "primary" => Ok(Self::Primary),
            cidr => cidr.parse().map(Self::Within).map_err(|_| NothingNamed),
        }
    }
}

/// The addresses that a node whose own are `primary` serves NodePorts on now.
pub(crate) fn served(named: &[Named], primary: &[IpAddr]) -> Result<Vec<IpAddr>> {
    // Whether it is on an interface at this moment or not.
    if !named.iter().any(needs_a_look) {
        return Ok(primary.to_vec());
    }
    let interfaces = getifaddrs().context("cannot list the addresses of this machine")?;
    let held = interfaces.filter_map(|interface| {
        // An interface may have none, or one that is no IP address.
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())))
    });
    Ok(chosen(named, primary, held))
}

/// Says them whenever they are others than those said last, `first`. Within a tokio runtime, in the network
/// namespace of this thread.
pub(crate) fn follow(
    named: &[Named],
    primary: &[IpAddr],
    first: Vec<IpAddr>,
) -> Result<watch::Receiver<Vec<IpAddr>>> {
    let (said, receiver) = watch::channel(first);
    if !named.iter().any(needs_a_look) {
        return Ok(receiver);
    }
    let groups = [MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    let (connection, _, mut messages) = rtnetlink::new_multicast_connection(&groups)
        .context("cannot follow the addresses of this machine")?;
    tokio::spawn(connection);
    let (named, primary) = (named.to_vec(), primary.to_vec());
    tokio::spawn(async move {
        // At once: something may have changed before the kernel was listened to.
        while !said.is_closed() {
            match served(&named, &primary) {
                Ok(now) => {
                    _ = said
                        .send_if_modified(|before| std::mem::replace(before, now.clone()) != now)
                }
                Err(error) => tracing::warn!("NodePorts stay where they are: {error:#}"),
            }
            let next = tokio::time::timeout(LOOK_AT_LEAST_EVERY, messages.next()).await;
            if let Ok(None) = next {
                tokio::time::sleep(LOOK_AT_LEAST_EVERY).await;
            }
        }
    });
    Ok(receiver)
}

fn needs_a_look(named: &Named) -> bool {
    matches!(named, Named::Within(_))
}

/// The node's own first, then the others in order.
fn chosen(named: &[Named], primary: &[IpAddr], held: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let is_within = |ip: &IpAddr| {
        named.iter().any(|named| matches!(named, Named::Within(range) if range.contains(ip)))
    };
    let others: BTreeSet<IpAddr> = held.filter(|ip| may_serve(*ip) && is_within(ip)).collect();
    let is_own = |ip: &&IpAddr| named.contains(&Named::Primary) || others.contains(ip);
    let own = primary.iter().filter(is_own).copied();
    own.chain(others.iter().filter(|ip| !primary.contains(ip)).copied()).collect()
}

/// The loopback is served to the node itself, whatever is named; a link-local address of IPv6 is another
/// machine's too, on another link.
fn may_serve(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split_whitespace().map(|ip| ip.parse().unwrap()).collect()
    }

    fn served_by(values: &str) -> Vec<IpAddr> {
        let named: Vec<Named> = values.split(',').map(|value| value.parse().unwrap()).collect();
        let held = ips("127.0.0.1 192.0.2.1 198.51.100.7 10.0.0.3 ::1 2001:db8::1 fe80::2 fd00::7");
        // An address may be on two interfaces.
        let held = held.iter().chain(&held).copied();
        chosen(&named, &ips("192.0.2.1 2001:db8::1"), held)
    }

    #[test]
    fn what_is_named_and_there_is_served_once_and_the_nodes_own_first() {
        assert_eq!(served_by("primary"), ips("192.0.2.1 2001:db8::1"));
        assert_eq!(served_by("198.51.100.7/32"), ips("198.51.100.7"));
        assert_eq!(served_by("primary,10.0.0.0/8"), ips("192.0.2.1 2001:db8::1 10.0.0.3"));
        assert_eq!(served_by("0.0.0.0/0"), ips("192.0.2.1 10.0.0.3 198.51.100.7"));
        assert_eq!(served_by("::/0"), ips("2001:db8::1 fd00::7"), "neither ::1 nor fe80::2");
        assert_eq!(served_by("203.0.113.0/24"), ips(""));
        assert_eq!(served_by("198.51.100.9/24,198.51.100.0/25"), ips("198.51.100.7"));
    }

    #[test]
    fn the_nodes_own_are_served_before_they_are_there() {
        let primary = ips("192.0.2.1");
        assert_eq!(chosen(&[Named::Primary], &primary, std::iter::empty()), primary);
    }

    #[test]
    fn what_names_nothing_is_told_how_to_name_something() {
        for bad in ["", "all", "192.0.2.1", "192.0.2.0/33", "eth0"] {
            let said = bad.parse::<Named>().unwrap_err().to_string();
            assert!(said.contains("primary") && said.contains("0.0.0.0/0"), "{bad}: {said}");
        }
    }
}
