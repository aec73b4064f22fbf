//! What the maps hold, as text: one line a frontend, resolved down to its backends. For people and for
//! scenario tests; made from the maps, never from intentions.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{BACKEND_DRAINING, FrontendKey, SlotRange, flags};

use crate::held::{BackendId, Held};

/// An address of the maps as people know it.
pub fn ip(addr: Addr) -> IpAddr {
    if addr.is_v4() {
        IpAddr::V4(Ipv4Addr::from(addr.v4_octets()))
    } else {
        IpAddr::V6(Ipv6Addr::from(addr.octets()))
    }
}

/// Address and port of the maps as people know them.
pub fn socket_addr(addr: Addr, port: Be16) -> SocketAddr {
    SocketAddr::new(ip(addr), port.get())
}

/// Name of a protocol number.
pub fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        6 => "TCP",
        17 => "UDP",
        132 => "SCTP",
        _ => "?",
    }
}

impl Display for Held {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (key, frontend) in &self.frontends {
            if key.marks_address() {
                writeln!(out, "address {}", ip(key.addr))?;
                continue;
            }
            write!(out, "frontend {} service {} internal", name(key), frontend.service)?;
            self.write_list(out, frontend.internal)?;
            if frontend.flags & flags::EXTERNAL != 0 {
                write!(out, " external")?;
                match frontend.flags & flags::MAGLEV {
                    0 => self.write_list(out, frontend.external)?,
                    _ => self.write_table(out, frontend.external)?,
                }
            }
            for (bit, flag) in [
                (flags::HOST_ONLY, "host-only"),
                (flags::INTERNAL_DROP, "internal-drop"),
                (flags::EXTERNAL_DROP, "external-drop"),
                (flags::SOURCE_RANGES, "source-ranges"),
            ] {
                if frontend.flags & bit != 0 {
                    write!(out, " {flag}")?;
                }
            }
            if frontend.affinity_s != 0 {
                write!(out, " affinity {}s", frontend.affinity_s)?;
            }
            writeln!(out)?;
        }
        let draining = self.backends.values().filter(|b| b.state == BACKEND_DRAINING);
        for backend in draining {
            let at = socket_addr(backend.addr, backend.port);
            writeln!(out, "draining {at} service {}", backend.service)?;
        }
        for source in &self.sources {
            let mapped_bits = if source.addr.is_v4() { 96 } else { 0 };
            let prefix_len = source.prefix_len.saturating_sub(32 + mapped_bits);
            writeln!(out, "source {}/{prefix_len} service {}", ip(source.addr), source.service)?;
        }
        Ok(())
    }
}

fn name(key: &FrontendKey) -> String {
    format!("{}/{}", socket_addr(key.addr, key.port), protocol_name(key.protocol))
}

impl Held {
    fn write_list(&self, out: &mut Formatter<'_>, range: SlotRange) -> fmt::Result {
        let names: Vec<String> = self.range(range).iter().map(|id| self.name(*id)).collect();
        write!(out, " [{}", names.join(" "))?;
        self.write_end(out, range)
    }

    /// How many entries of the table each backend has.
    fn write_table(&self, out: &mut Formatter<'_>, range: SlotRange) -> fmt::Result {
        let mut shares = BTreeMap::<String, usize>::new();
        for id in self.range(range) {
            *shares.entry(self.name(*id)).or_default() += 1;
        }
        let shares: Vec<String> =
            shares.iter().map(|(name, entries)| format!("{name} x{entries}")).collect();
        write!(out, " maglev [{}", shares.join(" "))?;
        self.write_end(out, range)
    }

    fn write_end(&self, out: &mut Formatter<'_>, range: SlotRange) -> fmt::Result {
        let missing = range.len as usize - self.range(range).len();
        if missing > 0 {
            write!(out, " {missing} of {} slots MISSING", range.len)?;
        }
        write!(out, "]")
    }

    fn name(&self, id: BackendId) -> String {
        match self.live(id) {
            Some(backend) => socket_addr(backend.addr, backend.port).to_string(),
            None => format!("#{}=GONE", id.0),
        }
    }
}
