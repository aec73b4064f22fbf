//! Who this machine is in the network: its name, its address, and the interface that carries it.

use std::net::{IpAddr, UdpSocket};

use anyhow::{Context, Result, bail};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;

use crate::config::RunArguments;

/// This node, as told or as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// `metadata.name` of the Node.
    pub(crate) name: String,
    /// At most one a family, at least one.
    pub(crate) addresses: Vec<IpAddr>,
    /// Interfaces that lead outside.
    pub(crate) uplinks: Vec<String>,
}

impl Machine {
    /// From the flags, and the default route where they say nothing.
    pub(crate) fn find(arguments: &RunArguments) -> Result<Self> {
        let name = match &arguments.node_name {
            Some(name) => name.clone(),
            None => host_name()?,
        };
        let addresses = match arguments.node_ip.as_slice() {
            [] => vec![default_address()?],
            given => given.to_vec(),
        };
        for (index, address) in addresses.iter().enumerate() {
            let others = &addresses[..index];
            if others.iter().any(|other| other.is_ipv4() == address.is_ipv4()) {
                bail!("--node-ip {address}: there is another address of this family; one each");
            }
        }
        let uplinks = match arguments.uplink.as_slice() {
            [] => vec![interface_of(addresses[0])?],
            given => given.to_vec(),
        };
        // The dataplane would refuse too, but later, when something has been made.
        if let Some(absent) = uplinks.iter().find(|name| if_nametoindex(name.as_str()).is_err()) {
            bail!("--uplink {absent}: there is no network interface {absent}");
        }
        Ok(Self { name, addresses, uplinks })
    }
}

fn host_name() -> Result<String> {
    let name = nix::unistd::gethostname().context("this machine has no host name")?;
    let name = name.into_string().ok().context("the host name is not UTF-8: use --node-name")?;
    Ok(name.to_lowercase())
}

/// The source address of packets that take the default route. Nothing is sent.
fn default_address() -> Result<IpAddr> {
    // TEST-NET-1 (RFC 5737): somewhere outside.
    let outside = ("192.0.2.1", 9);
    let socket = UdpSocket::bind(("0.0.0.0", 0)).context("cannot open a socket")?;
    socket
        .connect(outside)
        .context("this machine has no default route: name its address with --node-ip")?;
    Ok(socket.local_addr().context("cannot ask for the node's address")?.ip())
}

fn interface_of(address: IpAddr) -> Result<String> {
    let found = getifaddrs().context("cannot list interfaces")?.find(|interface| {
        let storage = interface.address.as_ref();
        let ip = storage.and_then(|storage| match address {
            IpAddr::V4(_) => storage.as_sockaddr_in().map(|at| IpAddr::V4(at.ip())),
            IpAddr::V6(_) => storage.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())),
        });
        ip == Some(address)
    });
    found.map(|interface| interface.interface_name).with_context(|| {
        format!(
            "no interface of this machine has the address {address}: give the node's own with \
             --node-ip, or name the interface with --uplink"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_is_the_one_with_the_address() {
        assert_eq!(interface_of("127.0.0.1".parse().unwrap()).unwrap(), "lo");
        let error = interface_of("198.51.100.77".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("198.51.100.77") && error.contains("--uplink"), "{error}");
    }
}
