//! How much fits: the size of every map on a machine of 2 GiB, in one place. The agent makes them larger or
//! smaller by the memory it finds.
//!
//! Arrays and LRU maps take their memory when they are made; the others as they fill.

/// `FRONTENDS`: a service port takes one for each of its addresses, and each address one more.
pub const FRONTENDS_MAX: u32 = 131_072;
/// `BACKENDS`, 32 bytes each: endpoints times the service ports they answer for.
pub const BACKENDS_MAX: u32 = 131_072;
/// `SLOTS`, 8 bytes each: twice the backends in use fit while lists are replaced.
pub const SLOTS_MAX: u32 = 524_288;
/// `FLOWS`: two entries a flow that the packet path translates.
pub const FLOWS_MAX: u32 = 65_536;
/// `OPENING`: likewise, for flows that were not answered yet.
pub const OPENING_MAX: u32 = 16_384;
/// `FRAGMENTS`: datagrams of which fragments are under way.
pub const FRAGMENTS_MAX: u32 = 4_096;
/// `SOURCES`: ranges of clients.
pub const SOURCES_MAX: u32 = 16_384;
/// `SOCKETS`: one entry a connected socket, two for a datagram socket that is not connected.
pub const SOCKETS_MAX: u32 = 65_536;
/// `AFFINITY`: one entry a client and service.
pub const AFFINITY_MAX: u32 = 16_384;
/// `OPTED_OUT`: network namespaces whose sockets are left alone. Far more than a node has pods: one whose
/// sandbox was ended behind the agent's back leaves its entry.
pub const OPTED_OUT_MAX: u32 = 4_096;
/// How often a map update that meets a locked bucket is tried (kernels before 6.15 answer EBUSY).
pub const UPDATE_TRIES: u32 = 3;
