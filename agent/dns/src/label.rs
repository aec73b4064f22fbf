//! Labels as names of Kubernetes have them: a-z, 0-9, '-' and '_', whatever the case of the question.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::Name;

/// Labels below a zone that any of its names has: `_port._tcp.service.namespace.svc`.
const DEPTH_MAX: usize = 5;
/// RFC 1035, 2.3.4.
const LABEL_BYTES_MAX: usize = 63;

/// A label in lower case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    bytes: [u8; LABEL_BYTES_MAX],
    len: u8,
}

impl Label {
    /// Nothing when it has bytes that no name of ours has.
    pub(crate) fn of(label: &[u8]) -> Option<Self> {
        let mut lower = Self { bytes: [0; LABEL_BYTES_MAX], len: u8::try_from(label.len()).ok()? };
        for (to, from) in lower.bytes.get_mut(..label.len())?.iter_mut().zip(label) {
            *to = from.to_ascii_lowercase();
        }
        label.is_ascii().then_some(lower)
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("it is ASCII")
    }
}

/// Where a name is, seen from a zone.
#[expect(clippy::large_enum_variant, reason = "it is looked at once, and never stored")]
#[derive(Debug)]
pub(crate) enum Place {
    /// Not in it.
    Outside,
    /// In it, and none that could be there: too deep, or with bytes that no name of ours has.
    Nowhere,
    /// Its labels, the one next to the zone's own first; none for the zone itself.
    Below(Labels),
}

/// A few labels.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    labels: [Option<Label>; DEPTH_MAX],
}

impl Labels {
    /// As text; empty where there are no more.
    pub(crate) fn texts(&self) -> [&str; DEPTH_MAX] {
        self.labels.each_ref().map(|label| label.as_ref().map_or("", Label::as_str))
    }
}

/// Where `name` is, seen from `zone`.
pub(crate) fn place(name: &Name, zone: &Name) -> Place {
    let mut labels = name.iter().rev();
    for own in zone.iter().rev() {
        if !labels.next().is_some_and(|label| label.eq_ignore_ascii_case(own)) {
            return Place::Outside;
        }
    }
    let mut below = Labels::default();
    for (index, label) in labels.enumerate() {
        match (below.labels.get_mut(index), Label::of(label)) {
            (Some(place), Some(label)) => *place = Some(label),
            _ => return Place::Nowhere,
        }
    }
    Place::Below(below)
}

/// The address in a label such as `10-244-0-5` or `fd00--5`.
pub(crate) fn dashed_address(label: &str) -> Option<IpAddr> {
    // Dots would be read too, and a label of one byte is never an address.
    if label.contains(['.', ':']) {
        return None;
    }
    let v4 = || label.replace('-', ".").parse::<Ipv4Addr>().map(IpAddr::V4);
    let v6 = || label.replace('-', ":").parse::<Ipv6Addr>().map(IpAddr::V6);
    v4().or_else(|_| v6()).ok()
}

/// The label of an address; the inverse of [`dashed_address`].
pub(crate) fn of_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string().replace('.', "-"),
        // A mapped address is written with dots, which a label has not.
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
            address.segments().map(|part| format!("{part:x}")).join("-")
        }
        IpAddr::V6(address) => address.to_string().replace(':', "-"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    #[test]
    fn a_name_is_placed_whatever_its_case() {
        let zone = name("cluster.local.");
        let Place::Below(labels) = place(&name("WEB.Default.svc.CLUSTER.local."), &zone) else {
            panic!("it is below");
        };
        assert_eq!(labels.texts(), ["svc", "default", "web", "", ""]);
        assert!(matches!(place(&name("xcluster.local."), &zone), Place::Outside));
        assert!(matches!(place(&name("local."), &zone), Place::Outside));
        assert!(matches!(place(&name("a.b.c.d.e.f.cluster.local."), &zone), Place::Nowhere));
    }

    proptest! {
        #[test]
        fn addresses_are_found_in_their_labels(v4: u32, v6: u128) {
            for address in [IpAddr::from(v4.to_be_bytes()), IpAddr::from(v6.to_be_bytes())] {
                prop_assert_eq!(dashed_address(&of_address(address)), Some(address));
            }
        }

        #[test]
        fn whatever_a_label_is_it_is_no_address_or_one(label in "[ -~]{0,63}") {
            if let Some(address) = dashed_address(&label) {
                prop_assert_eq!(dashed_address(&of_address(address)), Some(address));
            }
        }

        #[test]
        fn any_name_has_a_place(labels in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 1..=63), 0..4)) {
            let name = Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap();
            let zone = Name::from_ascii("cluster.local.").unwrap();
            let below = name.clone().append_domain(&zone).unwrap();
            prop_assert!(!matches!(place(&below, &zone), Place::Outside));
        }
    }
}
