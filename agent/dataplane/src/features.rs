//! What this kernel and machine have, found by trying and never by version: what is missing, what that
//! costs, how to mend it.

use std::path::Path;

use aya::maps::MapType;
use aya::programs::ProgramType;
use aya::sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported};

use crate::tc::TcAttachment;
use crate::{bpffs, cgroup2};

/// One thing that is there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// What it is.
    pub name: &'static str,
    /// Whether it is there.
    pub present: bool,
    /// Without it there is no dataplane.
    pub required: bool,
    /// What is lost without it.
    pub cost: &'static str,
    /// How to get it.
    pub remedy: &'static str,
}

/// All that the dataplane looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// In the order in which they are best mended.
    pub all: Vec<Feature>,
}

impl Features {
    /// Looks for everything. Loads throw-away programs; attaches and leaves nothing.
    pub fn probe(bpffs_dir: &Path) -> Self {
        let feature = |name, present, required, cost, remedy| Feature {
            name,
            present,
            required,
            cost,
            remedy,
        };
        let helper = |program, helper| is_helper_supported(program, helper).unwrap_or(false);
        let all = vec![
            feature(
                "root",
                nix::unistd::geteuid().is_root(),
                true,
                "programs cannot be loaded",
                "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN",
            ),
            feature(
                "BTF",
                Path::new("/sys/kernel/btf/vmlinux").exists(),
                false,
                "programs run, but cannot be shown with their source and types",
                "use a kernel with CONFIG_DEBUG_INFO_BTF",
            ),
            feature(
                "BPF file system",
                bpffs::is_bpffs(bpffs_dir) || bpffs::is_bpffs(Path::new("/sys/fs/bpf")),
                false,
                "the agent mounts one itself",
                "run `mount -t bpf bpf /sys/fs/bpf`, or let the agent do it",
            ),
            feature(
                "cgroup v2",
                matches!(cgroup2::find(), Ok(Some(_))),
                true,
                "sockets cannot be translated",
                "boot with systemd.unified_cgroup_hierarchy=1, or run `mount -t cgroup2 none /sys/fs/cgroup/unified`",
            ),
            feature(
                "socket hooks",
                is_program_supported(ProgramType::CgroupSockAddr).unwrap_or(false),
                true,
                "sockets cannot be translated",
                "use a kernel with CONFIG_CGROUP_BPF",
            ),
            feature(
                "tc programs",
                is_program_supported(ProgramType::SchedClassifier).unwrap_or(false),
                true,
                "packets cannot be translated",
                "use a kernel with CONFIG_NET_CLS_BPF",
            ),
            feature(
                "redirect_peer",
                helper(ProgramType::SchedClassifier, BpfHelper::BPF_FUNC_redirect_peer),
                true,
                "packets cannot be delivered straight into pods",
                "use kernel 5.10 or newer",
            ),
            feature(
                "redirect_neigh",
                helper(ProgramType::SchedClassifier, BpfHelper::BPF_FUNC_redirect_neigh),
                true,
                "answers to clients of a NodePort cannot leave",
                "use kernel 5.10 or newer",
            ),
            feature(
                "namespace cookie in socket hooks",
                helper(ProgramType::CgroupSockAddr, BpfHelper::BPF_FUNC_get_netns_cookie),
                true,
                "pods and the node cannot be told apart",
                "use kernel 5.7 or newer",
            ),
            feature(
                "LRU maps",
                is_map_supported(MapType::LruHash).unwrap_or(false),
                true,
                "flows cannot be kept",
                "use kernel 4.10 or newer",
            ),
            feature(
                "namespace cookie of a socket",
                crate::interface::netns_cookie().is_some(),
                false,
                "NodePorts on 127.0.0.1 work only in the machine's first network namespace; the annotation sheave.io/socket-hooks has no effect; with session affinity a pod's connected datagram sockets are another client than its others",
                "use kernel 5.14 or newer",
            ),
            feature(
                "tcx links",
                tc_attachment() == TcAttachment::Tcx,
                false,
                "tc programs are attached as clsact filters, which another tool can remove",
                "use kernel 6.6 or newer",
            ),
        ];
        Self { all }
    }

    /// What is missing and cannot be done without.
    pub fn blocking(&self) -> impl Iterator<Item = &Feature> {
        self.all.iter().filter(|feature| feature.required && !feature.present)
    }
}

/// Links if the kernel can make them: a query for tcx programs is refused as invalid where they are not
/// known (before e420bed02507, 6.6).
pub(crate) fn tc_attachment() -> TcAttachment {
    use aya::programs::SchedClassifier;
    use aya::programs::tc::TcAttachType;
    match SchedClassifier::query_tcx("lo", TcAttachType::Ingress) {
        Ok(_) => TcAttachment::Tcx,
        Err(_) => TcAttachment::Clsact,
    }
}
