//! The program at the host's end of a pod's veth, attached as the CNI plugin does it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::path::Path;

use nix::net::if_::if_nametoindex;
use sheave_dataplane::TcAttachment;

use crate::netns::Netns;

/// Attaches it to an interface of a node. Answers the interface's index.
pub fn attach(node: &Netns, bpffs: &Path, host_end: &str, how: TcAttachment) -> u32 {
    let host_ifindex = node.run(|| if_nametoindex(host_end)).unwrap();
    match how {
        TcAttachment::Tcx => {
            let program = sheave_cni::bpf::PodIngress::open(bpffs).unwrap();
            let attach = || program.attach_tcx(bpffs, host_end, host_ifindex);
            assert!(node.run(attach).unwrap(), "this kernel has tcx");
        }
        TcAttachment::Clsact => {
            let pin = bpffs.join(sheave_abi::pins::POD_INGRESS);
            node.command("tc", &format!("qdisc add dev {host_end} clsact"));
            let filter = format!("filter add dev {host_end} ingress prio 1 handle 1 bpf da");
            node.command("tc", &format!("{filter} object-pinned {}", pin.display()));
        }
    }
    host_ifindex
}
