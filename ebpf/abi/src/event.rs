//! Map `COUNTERS`: what the programs count, one per-CPU slot an [`Event`].

macro_rules! events {
    ($($(#[doc = $doc:literal])* $name:ident = $index:literal, $drop:literal, $text:literal, $advice:literal;)*) => {
        /// What the programs count; the number is the index in `COUNTERS` and never changes its meaning.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum Event { $($(#[doc = $doc])* $name = $index,)* }

        impl Event {
            /// All of them, in order of their number.
            pub const ALL: &'static [Event] = &[$(Event::$name,)*];

            /// Name as shown and as label of a metric.
            pub const fn name(self) -> &'static str {
                match self { $(Event::$name => stringify!($name),)* }
            }

            /// True when the packet was dropped.
            pub const fn is_drop(self) -> bool {
                match self { $(Event::$name => $drop,)* }
            }

            /// What happened, in one sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Event::$name => $text,)* }
            }

            /// What to do about it, in one sentence; empty when nothing need be done.
            pub const fn advice(self) -> &'static str {
                match self { $(Event::$name => $advice,)* }
            }
        }
    };
}

events! {
    /// A socket dialled a service and was given a backend.
    SocketTranslated = 0, false, "A socket dialled a service and was given a backend.", "";
    /// A socket dialled a service that nobody answers for.
    SocketNoBackend = 1, false, "A socket dialled a service without a usable endpoint; its packets are refused.",
        "Look at the readiness of the pods behind the service.";
    /// A flow was opened on the packet path.
    FlowOpened = 2, false, "A flow to a service was opened on the packet path.", "";
    /// A datagram or SYN of a known flow was moved because its backend is gone.
    FlowMoved = 3, false, "A flow was moved to another backend because its own is gone.", "";
    /// Delivered straight into a pod.
    Delivered = 4, false, "A packet was delivered straight into a pod of this node.", "";
    /// A backend's answer to a client outside left with the frontend's address.
    RepliedOutside = 5, false, "A backend's answer to a client outside left with the frontend's address.", "";
    /// Refused with a TCP reset or ICMP port unreachable.
    Refused = 6, false, "A packet to a service without a usable endpoint, or to a port it does not have, was refused.",
        "Look at the ports of the service and the readiness of its pods.";
    /// An echo request to a service address was answered.
    EchoAnswered = 7, false, "An echo request to a service address was answered.", "";
    /// The map of flows took no new entry.
    FlowMapBusy = 8, true, "A new flow could not be kept; the packet was dropped and will be sent again.",
        "If this grows, the map of flows is under pressure: give it more entries.";
    /// The map of sockets took no new entry.
    SocketMapBusy = 9, false, "A socket's translation could not be kept; the socket reads the backend as its peer.",
        "If this grows, the map of sockets is under pressure: give it more entries.";
    /// To an address of the service range that no service has.
    UnallocatedAddress = 10, true, "A packet to an address of the service range that no service has was dropped.",
        "The client uses an old or mistyped service address.";
    /// From outside to an address that is only served inside.
    InsideOnly = 11, true, "A packet from outside to a service address that is only served inside was dropped.",
        "Use a NodePort, or send from inside the cluster.";
    /// Local policy, and no endpoint on this node.
    NoLocalEndpoint = 12, true, "A packet was dropped: its service's traffic policy is Local and this node has no endpoint.",
        "Send to a node that has one, or set the policy to Cluster.";
    /// A later fragment whose first was not seen.
    Fragment = 13, true, "A later fragment to a service address was dropped: the first one, which carries the ports, was not seen.",
        "Fragments arrive out of order or were lost; send datagrams that fit the MTU.";
    /// A pod reached itself through a service with no other backend, on the packet path.
    Hairpin = 14, true, "A packet of a pod would have come back to the same pod, and there was no other address to show; it was dropped.",
        "Restart the agent: it gives the programs an address to show in place of the pod's.";
    /// Headers could not be changed.
    Unwritable = 15, true, "A packet's headers could not be changed and it was dropped.",
        "Report this with the kernel's version.";
    /// An id in a range of slots resolved to nobody.
    SlotEmpty = 16, false, "A frontend's slot led to no backend; the packet was treated as if nobody answered.",
        "Report this: the order in which maps are written should make it impossible.";
    /// A protocol that a service cannot have.
    ServiceProtocol = 17, true, "A packet of a protocol that services do not have was sent to a service address and dropped.",
        "Services carry TCP, UDP and SCTP.";
    /// From a client that the service does not take.
    SourceRefused = 18, true, "A packet from outside was dropped: its source is not in the service's loadBalancerSourceRanges.",
        "Add the client's range to the service, if it is meant to reach it.";
    /// The backend of an established connection is gone.
    BackendGone = 19, false, "A connection was reset because its backend is gone.",
        "Clients connect again by themselves; if it happens outside of updates, look at the pods behind the service.";
    /// To a pod of this node that is not there.
    PodGone = 20, false, "A packet to an address of this node's pods that no pod has was refused.",
        "The client uses the address of a pod that has ended.";
    /// A pod left the cluster with the node's address.
    Masqueraded = 21, false, "A flow of a pod to the outside was opened with the node's address.", "";
    /// No port was free.
    NatPorts = 22, true, "A packet was dropped because no port was free to tell its flow from others.",
        "Too many connections lead to one destination: spread them, or use another node.";
    /// An ICMP error was brought to whom it concerns.
    ErrorTranslated = 23, false, "An ICMP error about a translated packet was passed on to its sender.", "";
    /// A map update met a locked bucket and was tried again.
    UpdateRetried = 24, false, "A map update met a locked bucket and was tried again.", "";
    /// SCTP with another port: its checksum cannot be kept right.
    SctpPort = 25, true, "An SCTP packet was dropped: its service has another port than its pods.",
        "Give the service the port that its pods listen on.";
    /// To a service, and the time to live ended here.
    HopLimit = 26, false, "A packet to a service whose time to live ended at this node was answered so.", "";
    /// A part of an IPv6 datagram to a service.
    Ipv6Fragment = 27, true, "A part of an IPv6 datagram to a service was dropped: services take whole ones.",
        "Send datagrams that fit the MTU; for DNS, let the client ask for at most 1232 bytes.";
    /// A packet that does not fit the uplink by which it would leave past the stack.
    TooBig = 28, false, "A backend, or a client outside, was told that its packet does not fit the uplink by which it would leave.",
        "If this grows, uplinks have different MTUs, or pods a larger one than the uplink: start them anew after the uplink's has changed.";
    /// A pod's packet left straight for the node of another pod.
    SentToNode = 29, false, "A packet of a pod was sent straight to the node of another pod.", "";
    /// Tunnelled by nobody we know, or for another network.
    TunnelStranger = 30, true, "A packet from the tunnel was dropped: no node of the cluster has the address that it came from, or its VNI is another's.",
        "If a node of the cluster sends it, its address is not the one that its Node object names: start its agent with --node-ip.";
    /// Into the tunnel, and nobody is at its other end.
    TunnelNowhere = 31, true, "A packet into the tunnel was dropped: no node of the cluster has its destination.",
        "The client uses the address of a pod whose node has left the cluster.";
    /// A packet of a client outside was carried as it came.
    Carried = 32, false, "A packet of a client outside, or an answer to it, was carried to another node as it came.", "";
    /// Carried here, and this node knows no such service, or no such flow.
    CarriedInVain = 33, true, "A packet of a client outside that another node carried here was dropped: this node does not know its service.",
        "It is sent again by its sender; if this grows, look whether the nodes serve NodePorts on different addresses (--nodeport-addresses), or one is behind (`sheave status`).";
}

/// Number of slots of `COUNTERS`: room for events to come, so that the map need not be made anew.
pub const COUNTERS_MAX: u32 = 64;

const _: () = assert!(Event::ALL.len() <= COUNTERS_MAX as usize);
