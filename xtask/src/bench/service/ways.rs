//! The ways between a client and a server that are compared, by name.

use clap::ValueEnum;

/// A way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(in crate::bench) enum Way {
    /// Veth pairs with routes between them on the host, no netfilter: what the others inside are compared with
    Routed,
    /// Veth pairs at a bridge
    Bridge,
    /// A `ClusterIP` by kube-proxy's rules of iptables, legacy backend
    IptablesLegacy,
    /// The same rules in the nft backend of iptables
    IptablesNft,
    /// A `ClusterIP` by kube-proxy's nftables rules
    Nftables,
    /// A `ClusterIP` of Sheave's, dialled by a pod whose sockets are translated
    Socket,
    /// The same, dialled by a pod whose sockets are left alone
    Packet,
    /// A pod of Sheave's by its address
    Direct,
    /// From outside to a pod by its address, over plain routes: what the others from outside are compared with
    RoutedOutside,
    /// A `NodePort` by kube-proxy's rules of iptables, legacy backend
    NodePortIptablesLegacy,
    /// The same rules in the nft backend of iptables
    NodePortIptablesNft,
    /// A `NodePort` by kube-proxy's nftables rules
    NodePortNftables,
    /// A `NodePort` of Sheave's, by tc
    NodePortTc,
    /// A `NodePort` of Sheave's on a node with XDP at its uplink
    NodePortXdp,
}

/// Whose machine a way leads through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Routed,
    Bridge,
    IptablesLegacy,
    IptablesNft,
    Nftables,
    /// A node of Sheave's.
    Node,
    /// Another, with XDP.
    NodeWithXdp,
}

impl Way {
    /// As figures have it.
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Routed => "routed veths",
            Self::Bridge => "bridge",
            Self::IptablesLegacy => "iptables, legacy",
            Self::IptablesNft => "iptables, nft",
            Self::Nftables => "nftables",
            Self::Socket => "Sheave by socket",
            Self::Packet => "Sheave by packet",
            Self::Direct => "Sheave, pod address",
            Self::RoutedOutside => "routed, from outside",
            Self::NodePortIptablesLegacy => "NodePort, iptables, legacy",
            Self::NodePortIptablesNft => "NodePort, iptables, nft",
            Self::NodePortNftables => "NodePort, nftables",
            Self::NodePortTc => "NodePort, Sheave by tc",
            Self::NodePortXdp => "NodePort, Sheave with XDP",
        }
    }

    pub(super) fn place(self) -> Place {
        match self {
            Self::Routed | Self::RoutedOutside => Place::Routed,
            Self::Bridge => Place::Bridge,
            Self::IptablesLegacy | Self::NodePortIptablesLegacy => Place::IptablesLegacy,
            Self::IptablesNft | Self::NodePortIptablesNft => Place::IptablesNft,
            Self::Nftables | Self::NodePortNftables => Place::Nftables,
            Self::Socket | Self::Packet | Self::Direct | Self::NodePortTc => Place::Node,
            Self::NodePortXdp => Place::NodeWithXdp,
        }
    }

    /// Whether the client is outside.
    pub(super) fn is_outside(self) -> bool {
        self >= Self::RoutedOutside
    }

    /// What it is compared with.
    pub(super) fn baseline(self) -> Self {
        if self.is_outside() { Self::RoutedOutside } else { Self::Routed }
    }

    /// Those that were chosen, or all, with what they are compared with, in order.
    pub(super) fn chosen(some: &[Self]) -> Vec<Self> {
        let some = if some.is_empty() { Self::value_variants() } else { some };
        let mut all: Vec<Self> = some.iter().flat_map(|way| [*way, way.baseline()]).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl Place {
    /// Of Sheave's nodes; the others are peers.
    pub(super) fn is_node(self) -> bool {
        matches!(self, Self::Node | Self::NodeWithXdp)
    }

    /// As the server there calls itself.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Routed => "routed",
            Self::Bridge => "bridge",
            Self::IptablesLegacy => "iptables-legacy",
            Self::IptablesNft => "iptables-nft",
            Self::Nftables => "nftables",
            Self::Node => "node-1",
            Self::NodeWithXdp => "node-2",
        }
    }

    /// Of these ways, each once.
    pub(super) fn of(ways: &[Way]) -> Vec<Self> {
        let mut places: Vec<Self> = ways.iter().map(|way| way.place()).collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_with_comes_along() {
        let ways = Way::chosen(&[Way::NodePortTc, Way::Socket, Way::Socket]);
        assert_eq!(ways, [Way::Routed, Way::Socket, Way::RoutedOutside, Way::NodePortTc]);
        assert_eq!(Place::of(&ways), [Place::Routed, Place::Node]);
        assert_eq!(Way::chosen(&[]), Way::value_variants());
    }
}
