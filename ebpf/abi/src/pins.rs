//! Where maps, programs and links are pinned below the bpffs directory of a node.

/// Default bpffs directory of a node; a node of the lab has its own.
pub const DIR: &str = "/sys/fs/bpf/sheave";
/// Directory of the maps, one file a map by its name.
pub const MAPS_DIR: &str = "maps";
/// Directory of the programs that others attach.
pub const PROGRAMS_DIR: &str = "programs";
/// Map: pod address to local endpoint.
pub const ENDPOINTS: &str = "maps/ENDPOINTS";
/// Map: address of a pod, or of the node, to the cookie of its network namespace.
pub const NAMESPACES: &str = "maps/NAMESPACES";
/// Program for the ingress of the host's end of a pod's veth: what the pod sends.
pub const POD_INGRESS: &str = "programs/pod_ingress";
/// Directory of the pinned tcx links of pods' veths, one file an interface name.
pub const POD_LINKS_DIR: &str = "links/pods";
/// Directory of the links of the socket hooks, one file a hook.
pub const CGROUP_LINKS_DIR: &str = "links/cgroup";
/// Directory of the tcx links of uplinks, one file `<interface>-ingress` and `<interface>-egress`; a dot in
/// the interface's name is a colon here.
pub const UPLINK_LINKS_DIR: &str = "links/uplinks";
/// Directory of the tcx links of the tunnel's device.
pub const TUNNEL_LINKS_DIR: &str = "links/tunnel";
/// Directory of the XDP links of uplinks, one file an interface, named likewise.
pub const XDP_LINKS_DIR: &str = "links/xdp";
/// Where tc has no links (before 6.6): the priority of our filters, so that a replacement finds them. At the
/// tunnel's device there are two on each side.
pub const TC_PRIORITY: u16 = 1;
/// Likewise their handle.
pub const TC_HANDLE: u32 = 1;
