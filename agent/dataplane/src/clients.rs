//! Map `NAMESPACES`: which client an address is. The CNI plugin enters pods and takes them out; here are the
//! node's own addresses, and pods that were there before the map was.

use std::collections::BTreeSet;
use std::net::IpAddr;

use sheave_abi::order::Addr;

use crate::maps::MapError;
use crate::network::addr;
use crate::{Dataplane, interface, namespaces};

impl Dataplane {
    /// All of `NAMESPACES`, in no order; empty where an older version made the maps.
    pub fn namespaces(&self) -> Result<Vec<(Addr, u64)>, MapError> {
        self.maps.namespaces.as_ref().map_or(Ok(Vec::new()), |map| map.entries())
    }

    /// One entry of `NAMESPACES`.
    pub fn namespace(&self, addr: Addr) -> Result<Option<u64>, MapError> {
        self.maps.namespaces.as_ref().map_or(Ok(None), |map| map.get(&addr))
    }

    /// Enters a pod's namespace, for tests and for repair; the CNI plugin does so by itself.
    pub fn put_namespace(&self, addr: Addr, cookie: u64) -> Result<(), MapError> {
        self.maps.namespaces.as_ref().map_or(Ok(()), |map| map.put(&addr, &cookie))
    }

    /// Takes it out.
    pub fn remove_namespace(&self, addr: Addr) -> Result<(), MapError> {
        self.maps.namespaces.as_ref().map_or(Ok(()), |map| map.remove(&addr))
    }

    /// Enters the pods of `ENDPOINTS` that have no entry yet.
    pub(crate) fn enter_older_pods(&self) -> Result<(), MapError> {
        let known: BTreeSet<Addr> =
            self.namespaces()?.into_iter().map(|(address, _)| address).collect();
        let mut missing: BTreeSet<Addr> =
            self.endpoints()?.into_iter().map(|(address, _)| address).collect();
        missing.retain(|address| !known.contains(address));
        if missing.is_empty() {
            return Ok(());
        }
        for (cookie, addresses) in namespaces::addresses() {
            let here = addresses.into_iter().map(addr).filter(|address| missing.contains(address));
            for address in here {
                self.put_namespace(address, cookie)?;
            }
        }
        Ok(())
    }

    /// Makes the entries of the node's own namespace those of `addresses`. Says whether anything changed.
    pub(crate) fn enter_node(&self, addresses: &[IpAddr]) -> Result<bool, MapError> {
        let (Some(map), Some(cookie)) = (&self.maps.namespaces, interface::netns_cookie()) else {
            return Ok(false);
        };
        let wanted: BTreeSet<Addr> = addresses.iter().copied().map(addr).collect();
        let held = map.entries()?.into_iter().filter(|(_, of)| *of == cookie);
        let held: BTreeSet<Addr> = held.map(|(address, _)| address).collect();
        for address in wanted.difference(&held) {
            map.put(address, &cookie)?;
        }
        for address in held.difference(&wanted) {
            map.remove(address)?;
        }
        Ok(wanted != held)
    }
}
