//! Taking the dataplane away: everything it has attached and pinned, and nothing else.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aya::programs::tc::{SchedClassifierLink, TcAttachType, TcHandle, qdisc_detach_program};
use sheave_abi::pins::{
    CGROUP_LINKS_DIR, POD_LINKS_DIR, TC_HANDLE, TC_PRIORITY, TUNNEL_LINKS_DIR, UPLINK_LINKS_DIR,
    XDP_LINKS_DIR,
};

use crate::maps::Maps;
use crate::programs::{AttachError, pins_in, unpin_link};
use crate::{NetlinkError, bpffs, interface, is_installed, pod_network};

/// Something could not be taken away; what was before it in order is.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// A link.
    #[error(transparent)]
    Link(#[from] AttachError),
    /// A route or the tunnel's device.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A pin, a directory or the mount.
    #[error("cannot remove {path}", path = path.display())]
    Remove {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// What was taken away.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// Pins and directories, in the order in which they went.
    pub removed: Vec<PathBuf>,
    /// Routes to other nodes' pods, and the tunnel's device, in words.
    pub network: Vec<String>,
    /// The BPF file system that the agent had mounted was unmounted.
    pub unmounted: bool,
}

/// What [`cleanup`] would remove, in its order: links, so that nothing runs any more, then programs, then
/// maps, then the directories.
pub fn installed(bpffs_dir: &Path) -> Result<Vec<PathBuf>, CleanupError> {
    let mut all = Vec::new();
    for links in
        [CGROUP_LINKS_DIR, XDP_LINKS_DIR, UPLINK_LINKS_DIR, TUNNEL_LINKS_DIR, POD_LINKS_DIR]
    {
        all.extend(pins_in(&bpffs_dir.join(links))?);
    }
    let mut rest = Vec::new();
    below(bpffs_dir, &mut rest)?;
    rest.retain(|path| !all.contains(path) && !is_mount_point(path));
    let (mut files, mut directories): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|path| !path.is_dir());
    files.sort_by_key(|path| !path.starts_with(bpffs_dir.join("programs")));
    directories.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    all.extend(files);
    all.extend(directories);
    Ok(all)
}

/// The routes and the device that [`cleanup`] would remove, in words.
pub fn installed_network(bpffs_dir: &Path) -> Result<Vec<String>, NetlinkError> {
    if is_of_here(bpffs_dir) { pod_network::all() } else { Ok(Vec::new()) }
}

/// Whether the dataplane is there and its node's network is the one we are in: links and routes of another are
/// another node's.
fn is_of_here(bpffs_dir: &Path) -> bool {
    let settings = Maps::open(bpffs_dir).and_then(|maps| maps.settings.get(&0));
    let cookie = settings.ok().flatten().map_or(0, |settings| settings.host_netns_cookie);
    // 0: nobody has told, or the kernel does not.
    is_installed(bpffs_dir) && (cookie == 0 || interface::netns_cookie() == Some(cookie))
}

/// Removes everything below `bpffs_dir`, detaching what is attached, and the BPF file system itself if the
/// agent had mounted it. Pods and sockets go on with the connections they have; services are no more.
pub fn cleanup(bpffs_dir: &Path) -> Result<Cleaned, CleanupError> {
    let mut cleaned = Cleaned::default();
    if is_of_here(bpffs_dir) {
        cleaned.network = pod_network::remove_all()?;
    }
    detach_filters(bpffs_dir);
    let links = bpffs_dir.join("links");
    for path in installed(bpffs_dir)? {
        if path.is_dir() {
            std::fs::remove_dir(&path).map_err(remove_error(&path))?;
        } else if path.starts_with(&links) {
            unpin_link(&path)?;
        } else {
            std::fs::remove_file(&path).map_err(remove_error(&path))?;
        }
        cleaned.removed.push(path);
    }
    cleaned.unmounted = bpffs::unmount_if_ours(bpffs_dir).map_err(remove_error(bpffs_dir))?;
    Ok(cleaned)
}

fn remove_error(path: &Path) -> impl FnOnce(io::Error) -> CleanupError {
    let path = path.to_path_buf();
    move |error| CleanupError::Remove { path, error }
}

/// Everything below a directory and itself; nothing if there is none.
fn below(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), CleanupError> {
    if !path.exists() {
        return Ok(());
    }
    for path in pins_in(path)?.into_iter().filter(|path| !bpffs::is_kernels(path)) {
        if path.is_dir() {
            below(&path, found)?;
        } else {
            found.push(path);
        }
    }
    found.push(path.to_path_buf());
    Ok(())
}

/// A mounted file system goes with [`bpffs::unmount_if_ours`] or stays.
fn is_mount_point(path: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    path.parent().is_some_and(|parent| device(parent) != device(path))
}

/// Takes our filters away, where links are not used; there being none is the usual case. At a pod's veth
/// the filter at our place is ours; elsewhere its name says so.
fn detach_filters(bpffs_dir: &Path) {
    let pods = Maps::open(bpffs_dir).and_then(|maps| maps.endpoints.entries()).unwrap_or_default();
    for (index, name) in interface::all() {
        if pods.iter().any(|(_, pod)| pod.host_ifindex == index) {
            let handle = TcHandle::from(TC_HANDLE);
            // Dropping it detaches.
            drop(SchedClassifierLink::attached(
                &name,
                TcAttachType::Ingress,
                TC_PRIORITY,
                handle,
                None,
            ));
        }
        for (side, program) in
            [(TcAttachType::Ingress, "uplink_ingress"), (TcAttachType::Egress, "uplink_egress")]
        {
            let _ = qdisc_detach_program(&name, side, program);
        }
    }
}
