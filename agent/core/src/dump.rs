//! What the maps hold, as text: one line a frontend, resolved down to its backends. For people and for
//! scenario tests; made from the maps, never from intentions.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{FrontendKey, SlotRange, flags};

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
            self.write_range(out, frontend.internal)?;
            if frontend.flags & flags::EXTERNAL != 0 {
                write!(out, " external")?;
                self.write_range(out, frontend.external)?;
            }
            for (bit, flag) in [
                (flags::HOST_ONLY, "host-only"),
                (flags::INTERNAL_DROP, "internal-drop"),
                (flags::EXTERNAL_DROP, "external-drop"),
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
        Ok(())
    }
}

fn name(key: &FrontendKey) -> String {
    format!("{}/{}", socket_addr(key.addr, key.port), protocol_name(key.protocol))
}

impl Held {
    fn write_range(&self, out: &mut Formatter<'_>, range: SlotRange) -> fmt::Result {
        let ids = self.range(range);
        write!(out, " [")?;
        for (i, id) in ids.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            match self.live(*id) {
                Some(b) => write!(out, "{space}{}", socket_addr(b.addr, b.port))?,
                None => write!(out, "{space}{}=GONE", Id(*id))?,
            }
        }
        if ids.len() != range.len as usize {
            write!(out, " {} of {} slots MISSING", range.len as usize - ids.len(), range.len)?;
        }
        write!(out, "]")
    }
}

struct Id(BackendId);

impl Display for Id {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "#{}", self.0.0)
    }
}
