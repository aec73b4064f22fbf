//! Where maps, programs and links are pinned below the bpffs directory of a node.

/// Default bpffs directory of a node; a node of the lab has its own.
pub const DIR: &str = "/sys/fs/bpf/sheave";
/// Map: pod address to local endpoint.
pub const ENDPOINTS: &str = "maps/ENDPOINTS";
/// Program for the ingress of the host's end of a pod's veth: what the pod sends.
pub const POD_INGRESS: &str = "programs/pod_ingress";
/// Directory of the pinned tcx links of pods' veths, one file an interface name.
pub const POD_LINKS_DIR: &str = "links/pods";
