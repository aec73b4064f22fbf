//! CHECK: is an attachment still as ADD left it? STATUS: would ADD work?

use std::net::IpAddr;

use rtnetlink::Handle;
use sheave_abi::endpoint::Endpoint;

use crate::add::map_key;
use crate::attachment::{Attachment, Mac, Macs, mac_text};
use crate::bpf::{Endpoints, PodIngress};
use crate::config::Config;
use crate::failure::Failure;
use crate::netns::PodNetns;
use crate::network;
use crate::route;
use crate::store::Store;

/// Compares an attachment with what ADD made. Interfaces, addresses and routes that others added are
/// theirs to check.
///
/// # Errors
/// The first difference.
pub fn check(config: &Config, attachment: &Attachment, netns: &PodNetns) -> Result<(), Failure> {
    let store = Store::open(&config.data_dir, &config.network)?;
    let Some(record) = store.find(attachment)? else {
        let Attachment { container_id, ifname } = attachment.clone();
        return Err(Failure::Unknown { container_id, ifname });
    };
    let macs = Macs::of(record.addresses[0]);
    let interface = attachment.host_interface();
    let host_ifindex =
        network::with_netlink(async |netlink| up_with_mac(&netlink, &interface, macs.host).await)?;

    let endpoints = Endpoints::open(&config.bpffs_dir)?;
    let expected = Endpoint { host_ifindex, pod_mac: macs.pod, host_mac: macs.host };
    for &address in &record.addresses {
        if endpoints.get(&map_key(address))? != Some(expected) {
            return Err(Failure::Differs(format!(
                "map ENDPOINTS does not lead from {address} to {interface}"
            )));
        }
    }
    netns.run(|| {
        network::with_netlink(async |netlink| {
            furnished(&netlink, &attachment.ifname, &record.addresses, macs.pod).await
        })
    })?
}

async fn up_with_mac(netlink: &Handle, interface: &str, mac: Mac) -> Result<u32, Failure> {
    let Some(link) = network::link(netlink, interface).await? else {
        return Err(Failure::Differs(format!("interface {interface} is gone")));
    };
    match network::mac_and_state(&link) {
        (Some(found), true) if found == mac => Ok(link.header.index),
        (_, false) => Err(Failure::Differs(format!("interface {interface} is down"))),
        (found, true) => Err(Failure::Differs(format!(
            "interface {interface} has the MAC {}, not {}",
            found.map_or("(none)".into(), mac_text),
            mac_text(mac)
        ))),
    }
}

async fn furnished(
    netlink: &Handle,
    interface: &str,
    addresses: &[IpAddr],
    mac: Mac,
) -> Result<(), Failure> {
    let ifindex = up_with_mac(netlink, interface, mac).await?;
    let present = network::addresses(netlink, ifindex).await?;
    for &address in addresses {
        if !present.contains(&address) {
            return Err(Failure::Differs(format!("{interface} has lost its address {address}")));
        }
        let gateway = route::gateway(address);
        let found = network::default_gateway(netlink, ifindex, address.is_ipv4()).await?;
        if found != Some(gateway) {
            return Err(Failure::Differs(format!(
                "{interface} has no default route via {gateway}"
            )));
        }
    }
    Ok(())
}

/// Whether pods can be added.
///
/// # Errors
/// What stands in the way.
pub fn status(config: &Config) -> Result<(), Failure> {
    Endpoints::open(&config.bpffs_dir)?;
    PodIngress::open(&config.bpffs_dir)?;
    Ok(Store::open(&config.data_dir, &config.network)?.probe()?)
}
