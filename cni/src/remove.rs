//! DEL and GC: everything of an attachment, in the reverse order of ADD, whatever of it is there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use sheave_abi::endpoint::Endpoint;

use crate::add::map_key;
use crate::attachment::Attachment;
use crate::bpf::{self, BpfError, OfPod, PodMap};
use crate::config::Config;
use crate::failure::Failure;
use crate::network;
use crate::store::Store;

/// Disconnects a pod. What is gone already, the pod's namespace included, is no error.
///
/// # Errors
/// What could not be removed. The address stays taken then, so that no other pod gets it half free.
pub fn remove(config: &Config, attachment: &Attachment) -> Result<(), Failure> {
    let store = Store::open(&config.data_dir, &config.network)?;
    let interface = attachment.host_interface();
    if let Some(record) = store.find(attachment)? {
        take_out::<Endpoint>(config, &record.addresses)?;
        take_out::<u64>(config, &record.addresses)?;
    }
    bpf::unpin(&bpf::link_pin(&config.bpffs_dir, &interface))?;
    network::with_netlink(async |netlink| network::remove_link(&netlink, &interface).await)?;
    // The address last: nobody else gets it while anything still points to this pod.
    Ok(store.release(attachment)?)
}

/// Without the map there is no entry: the dataplane was taken away.
fn take_out<V: OfPod>(config: &Config, addresses: &[IpAddr]) -> Result<(), BpfError> {
    let Some(map) = PodMap::<V>::open_if_there(&config.bpffs_dir)? else { return Ok(()) };
    addresses.iter().try_for_each(|&address| map.remove(&map_key(address)))
}

/// Removes every attachment that is not among the valid ones.
///
/// # Errors
/// All that could not be removed, after the rest was.
pub fn collect_garbage(config: &Config, valid: &BTreeSet<Attachment>) -> Result<(), Failure> {
    let store = Store::open(&config.data_dir, &config.network)?;
    let records = store.records()?;
    let stale = records.iter().map(|record| record.attachment()).filter(|a| !valid.contains(a));
    let failures: Vec<_> =
        stale.filter_map(|attachment| remove(config, &attachment).err()).collect();
    if failures.is_empty() { Ok(()) } else { Err(Failure::Several(failures)) }
}
