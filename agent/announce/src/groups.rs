//! Membership in solicited-node groups: without it, neither the network card nor a switch that snoops MLD
//! passes on the solicitations for an address that no interface has.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;

use socket2::{Domain, Protocol, Socket, Type};

/// Memberships of one socket; the kernel bounds their memory (net.core.optmem_max).
const GROUPS_A_SOCKET: usize = 100;

/// The groups of one uplink; left when dropped.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    sockets: Vec<Socket>,
    /// Which of the sockets is a member.
    joined: BTreeMap<Ipv6Addr, usize>,
}

impl Groups {
    pub(crate) fn join(&mut self, group: Ipv6Addr, index: u32) -> io::Result<()> {
        if self.joined.contains_key(&group) {
            return Ok(());
        }
        let members = |socket: usize| self.joined.values().filter(|at| **at == socket).count();
        let free = (0..self.sockets.len()).find(|socket| members(*socket) < GROUPS_A_SOCKET);
        let socket = match free {
            Some(socket) => socket,
            None => {
                // Never bound: it receives nothing.
                self.sockets.push(Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?);
                self.sockets.len() - 1
            }
        };
        self.sockets[socket].join_multicast_v6(&group, index)?;
        self.joined.insert(group, socket);
        Ok(())
    }

    pub(crate) fn leave(&mut self, group: Ipv6Addr, index: u32) -> io::Result<()> {
        match self.joined.remove(&group) {
            Some(socket) => self.sockets[socket].leave_multicast_v6(&group, index),
            None => Ok(()),
        }
    }
}
