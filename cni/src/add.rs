//! ADD: an address, a veth, routes and neighbours, the program, the map entry. All of it or nothing.

use std::net::IpAddr;

use ipnet::IpNet;
use sheave_abi::endpoint::Endpoint;
use sheave_abi::order::Addr;

use crate::address::PodRange;
use crate::attachment::{Attachment, Macs};
use crate::bpf::{Endpoints, Namespaces, PodIngress};
use crate::config::Config;
use crate::failure::Failure;
use crate::netns::{self, PodNetns};
use crate::network::{self, Pair};
use crate::route::NODE_MTU;
use crate::store::{Record, Store, StoreError};
use crate::{classifier, remove};

/// What an ADD made.
#[derive(Clone, Debug)]
pub struct Added {
    /// One a range.
    pub addresses: Vec<IpAddr>,
    /// Of both ends.
    pub macs: Macs,
    /// Bytes of a packet to other machines, at most.
    pub mtu: u32,
    /// The ranges of the node's pods, which are reached with packets as wide as the interface.
    pub node: Vec<IpNet>,
}

/// Connects a pod.
///
/// # Errors
/// The step that failed; everything before it was taken back.
pub fn add(config: &Config, attachment: &Attachment, netns: &PodNetns) -> Result<Added, Failure> {
    // What may be missing is asked for before anything is made.
    let endpoints = Endpoints::open(&config.bpffs_dir)?;
    let namespaces = Namespaces::open_if_there(&config.bpffs_dir)?;
    let program = PodIngress::open(&config.bpffs_dir)?;
    let store = Store::open(&config.data_dir, &config.network)?;
    refuse_twice(&store, attachment)?;

    let record = store.allocate(attachment, &config.ranges)?;
    let pinned =
        Pinned { endpoints: &endpoints, namespaces: namespaces.as_ref(), program: &program };
    let added = connect(config, attachment, netns, &record, &pinned);
    if added.is_err() {
        // The first error is the one to report. What cannot be taken back now, DEL or GC will.
        let _ = remove::remove(config, attachment);
    }
    added
}

struct Pinned<'a> {
    endpoints: &'a Endpoints,
    namespaces: Option<&'a Namespaces>,
    program: &'a PodIngress,
}

/// A record whose interface exists is an attachment; one without is what a killed ADD left.
fn refuse_twice(store: &Store, attachment: &Attachment) -> Result<(), Failure> {
    let interface = attachment.host_interface();
    if store.find(attachment)?.is_some()
        && nix::net::if_::if_nametoindex(interface.as_str()).is_ok()
    {
        let Attachment { container_id, ifname } = attachment.clone();
        return Err(StoreError::Held { container_id, ifname }.into());
    }
    Ok(())
}

fn connect(
    config: &Config,
    attachment: &Attachment,
    netns: &PodNetns,
    record: &Record,
    pinned: &Pinned<'_>,
) -> Result<Added, Failure> {
    let host_interface = attachment.host_interface();
    let node: Vec<IpNet> = config.ranges.iter().map(PodRange::net).collect();
    let macs = Macs::of(record.addresses[0]);
    let (ifindex, mtu) = network::with_netlink(async |netlink| {
        let mtu = match config.mtu {
            Some(mtu) => mtu,
            None => network::uplink_mtu(&netlink).await?,
        };
        let pair = Pair {
            host_interface: &host_interface,
            pod_interface: &attachment.ifname,
            macs,
            mtu: NODE_MTU.max(mtu),
        };
        let ifindex = network::make_pair(&netlink, &pair, netns).await?;
        // The program before the link is up: no packet of the pod ever goes around it.
        if !pinned.program.attach_tcx(&config.bpffs_dir, &host_interface, ifindex)? {
            classifier::attach(&netlink, ifindex, pinned.program).await?;
        }
        network::set_up(&netlink, ifindex).await?;
        for &address in &record.addresses {
            let same_family = |node: &&IpAddr| node.is_ipv4() == address.is_ipv4();
            let source = config.node_addresses.iter().find(same_family).copied();
            network::reach_pod(&netlink, ifindex, address, macs.pod, source, mtu).await?;
        }
        // On a thread of its own: nothing else waits on this one.
        netns.run(|| {
            network::with_netlink(async |netlink| {
                let (interface, addresses) = (&attachment.ifname, &record.addresses);
                network::furnish_pod(&netlink, interface, addresses, macs.host, &node, mtu).await
            })
        })??;
        network::wait_running(&netlink, &host_interface).await?;
        Ok::<_, Failure>((ifindex, mtu))
    })?;

    // Without a cookie the pod's packets are known by their address alone.
    if let (Some(namespaces), Some(cookie)) = (pinned.namespaces, netns.run(netns::cookie)?) {
        for &address in &record.addresses {
            namespaces.insert(&map_key(address), &cookie)?;
        }
    }
    // Last: who finds a pod in the map may send to it.
    let entry = Endpoint { host_ifindex: ifindex, pod_mac: macs.pod, host_mac: macs.host };
    for &address in &record.addresses {
        pinned.endpoints.insert(&map_key(address), &entry)?;
    }
    Ok(Added { addresses: record.addresses.clone(), macs, mtu, node })
}

/// How the map `ENDPOINTS` knows an address.
pub fn map_key(address: IpAddr) -> Addr {
    match address {
        IpAddr::V4(address) => Addr::v4(address.octets()),
        IpAddr::V6(address) => Addr::v6(address.octets()),
    }
}
