//! An attachment: one interface of one container. Everything the plugin makes for it is named after it, so
//! that it is found again without asking anybody.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// What the runtime calls this interface of this container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`, in the pod.
    pub ifname: String,
}

/// An Ethernet address.
pub type Mac = [u8; 6];

/// First letters of every interface that the plugin makes on the host.
pub const HOST_PREFIX: &str = "shv";

impl Attachment {
    /// Name of the host's end: [`HOST_PREFIX`] and 48 bits of a hash, 15 bytes, all that the kernel takes.
    pub fn host_interface(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.container_id.as_bytes());
        hash.update([0]);
        hash.update(self.ifname.as_bytes());
        let digest = hash.finalize();
        digest[..6].iter().fold(HOST_PREFIX.to_owned(), |name, byte| name + &format!("{byte:02x}"))
    }
}

/// The two ends' MACs, made of the pod's address: whoever gets an address again gets its MAC again, so no
/// neighbour entry is ever stale. Locally administered (IEEE 802c). They are set when the pair is made,
/// which also keeps udev's MACAddressPolicy from changing the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Macs {
    /// The pod's end.
    pub pod: Mac,
    /// The host's end.
    pub host: Mac,
}

impl Macs {
    /// For the pod whose first address is this.
    pub fn of(address: IpAddr) -> Self {
        let [a, b, c, d] = match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => *address.octets().last_chunk().expect("16 bytes hold 4"),
        };
        Self { pod: [0x0a, b'P', a, b, c, d], host: [0x0a, b'H', a, b, c, d] }
    }
}

/// As the kernel's tools print it.
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_interface_fits_the_kernel_and_differs() {
        let of = |container_id: &str, ifname: &str| {
            Attachment { container_id: container_id.into(), ifname: ifname.into() }.host_interface()
        };
        assert_eq!(of("a", "eth0").len(), 15);
        assert_ne!(of("a", "eth0"), of("a", "eth1"));
        assert_ne!(of("ae", "th0"), of("a", "eth0"), "the border between the two counts");
    }

    #[test]
    fn macs_are_unicast_local_and_distinct() {
        let macs = Macs::of("10.244.0.7".parse().unwrap());
        assert_eq!(mac_text(macs.pod), "0a:50:0a:f4:00:07");
        assert_eq!(mac_text(macs.host), "0a:48:0a:f4:00:07");
        assert_eq!(macs.pod[0] & 0b11, 0b10);
    }
}
