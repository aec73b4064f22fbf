//! The kernel programs: loaded all before any is put to work, so that a version that does not load changes
//! nothing; then attached, or put in the place of the version that runs.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use aya::programs::links::FdLink;
use aya::programs::{
    CgroupAttachMode, CgroupSockAddr, Program, ProgramError, SchedClassifier, TcAttachType,
};
use aya::{Ebpf, EbpfError, EbpfLoader};
use sheave_abi::pins::{
    CGROUP_LINKS_DIR, MAPS_DIR, POD_INGRESS, POD_LINKS_DIR, PROGRAMS_DIR, TC_PRIORITY,
    UPLINK_LINKS_DIR,
};

use crate::cgroup2::Cgroup;
use crate::sizes::Sizes;
use crate::tc::{ProgramOrder, TcAttachment, attach_clsact, attach_tcx};
use crate::{interface, log, sys};

static PACKETS: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/packets"));
pub(crate) static DRIVER: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/driver"));
static SOCKETS: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sockets"));

/// The socket hooks, by the names that the kernel, the programs and the pins share.
pub const SOCKET_HOOKS: [&str; 8] = [
    "connect4",
    "connect6",
    "sendmsg4",
    "sendmsg6",
    "recvmsg4",
    "recvmsg6",
    "getpeername4",
    "getpeername6",
];

/// The tc programs.
pub const PACKET_HOOKS: [&str; 5] =
    ["pod_ingress", "uplink_ingress", "uplink_egress", "tunnel_ingress", "tunnel_egress"];

/// The XDP program.
pub const DRIVER_HOOK: &str = "uplink_xdp";

/// Programs could not be loaded. What ran before still does.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The binary carries none.
    #[error(
        "this binary was built without the kernel programs: run `cargo xtask build-ebpf` and build it again"
    )]
    NotBuilt,
    /// An object cannot be read, or its maps cannot be made.
    #[error(
        "cannot prepare the {object} programs: the kernel needs BPF with BTF (CONFIG_DEBUG_INFO_BTF), and the agent root or CAP_BPF and CAP_NET_ADMIN"
    )]
    Object {
        /// Which.
        object: &'static str,
        /// Why not.
        #[source]
        error: Box<EbpfError>,
    },
    /// The verifier, or a missing helper.
    #[error(
        "the kernel refuses program {program}: report this with `uname -r` and the reason below"
    )]
    Program {
        /// Which.
        program: &'static str,
        /// Why.
        #[source]
        error: Box<ProgramError>,
    },
}

/// A loaded program could not be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// At a new place.
    #[error("cannot attach {program} to {target}")]
    Attach {
        /// Which program.
        program: &'static str,
        /// Cgroup or interface.
        target: String,
        /// Why not.
        #[source]
        error: Box<ProgramError>,
    },
    /// In place of another, or its pin.
    #[error("cannot {verb} {path}", path = path.display())]
    Pin {
        /// What was tried.
        verb: &'static str,
        /// With which pin.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

pub(crate) fn pin_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AttachError {
    let path = path.to_path_buf();
    move |error| AttachError::Pin { verb, path, error }
}

/// All programs, loaded and not yet attached.
pub(crate) struct Loaded {
    packets: Ebpf,
    sockets: Ebpf,
    /// The XDP program, where an uplink is to have it.
    pub(crate) driver: Option<Ebpf>,
    listener: Option<log::Listener>,
}

impl Loaded {
    /// Loads all programs; maps that are pinned are used, others made and pinned.
    pub(crate) fn load(bpffs_dir: &Path, sizes: Sizes) -> Result<Self, LoadError> {
        Self::load_with(PACKETS, bpffs_dir, sizes)
    }

    /// With other packet programs than those that this binary carries.
    pub(crate) fn load_with(
        packets: &[u8],
        bpffs_dir: &Path,
        sizes: Sizes,
    ) -> Result<Self, LoadError> {
        let mut packets = object("packets", packets, bpffs_dir, sizes)?;
        let listener = log::listen(&mut packets);
        load_classifiers(&mut packets)?;
        let mut sockets = object("sockets", SOCKETS, bpffs_dir, sizes)?;
        for name in SOCKET_HOOKS {
            let program = socket_hook(&mut sockets, name);
            program.load().map_err(|error| refused(name, error))?;
        }
        Ok(Self { packets, sockets, driver: None, listener })
    }

    /// Everything is attached: what the programs say, if they do, is passed on from now on.
    pub(crate) fn listen(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.run();
        }
    }

    /// Puts the socket hooks to work for all processes in `cgroup`.
    pub(crate) fn attach_sockets(
        &mut self,
        bpffs_dir: &Path,
        cgroup: &Cgroup,
    ) -> Result<(), AttachError> {
        for name in SOCKET_HOOKS {
            let path = bpffs_dir.join(CGROUP_LINKS_DIR).join(name);
            let program = socket_hook(&mut self.sockets, name);
            let fd = program.fd().map_err(|error| attach_error(name, "cgroup", error))?;
            if replaced(&path, fd.as_fd(), |info| info.cgroup_id() == cgroup.id)? {
                continue;
            }
            let attach = |error| attach_error(name, "the cgroup", error);
            // Links always stand beside others; the mode is for the attachment without links.
            let id = program.attach(&cgroup.dir, CgroupAttachMode::Single).map_err(attach)?;
            let link = program.take_link(id).map_err(attach)?;
            let link: FdLink = link.try_into().map_err(|_| no_link(&path))?;
            pin(link, &path)?;
        }
        Ok(())
    }

    /// Puts `pod_ingress` where the CNI plugin finds it, and in place of what runs at the pods' veths.
    pub(crate) fn attach_pods(
        &mut self,
        bpffs_dir: &Path,
        how: TcAttachment,
        host_ifindexes: &[u32],
    ) -> Result<(), AttachError> {
        let program = classifier(&mut self.packets, "pod_ingress");
        let fd = program.fd().map_err(|error| attach_error("pod_ingress", "pods", error))?;
        let path = bpffs_dir.join(POD_INGRESS);
        sys::replace_pin(fd.as_fd(), &path).map_err(pin_error("replace", &path))?;
        for path in pins_in(&bpffs_dir.join(POD_LINKS_DIR))? {
            if !replaced(&path, fd.as_fd(), |info| info.ifindex() != 0)? {
                // Its interface is gone, and so is what it was attached to.
                continue;
            }
        }
        if how == TcAttachment::Clsact {
            for index in host_ifindexes {
                if let Some(name) = interface::name_of(*index) {
                    attach_clsact(
                        program,
                        "pod_ingress",
                        &name,
                        TcAttachType::Ingress,
                        TC_PRIORITY,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Puts the uplink programs to work at `uplinks`, and takes them from interfaces that no longer are.
    pub(crate) fn attach_uplinks(
        &mut self,
        bpffs_dir: &Path,
        (how, order): (TcAttachment, ProgramOrder),
        uplinks: &[(String, u32)],
    ) -> Result<(), AttachError> {
        let directory = bpffs_dir.join(UPLINK_LINKS_DIR);
        let mut kept = Vec::new();
        for (uplink, index) in uplinks {
            for (program, suffix, side) in [
                ("uplink_ingress", "ingress", TcAttachType::Ingress),
                ("uplink_egress", "egress", TcAttachType::Egress),
            ] {
                // Names in a BPF file system hold no dots, and names of interfaces no colons.
                let path = directory.join(format!("{}-{suffix}", uplink.replace('.', ":")));
                let classifier = classifier(&mut self.packets, program);
                match how {
                    TcAttachment::Tcx => {
                        attach_tcx(classifier, program, (uplink, *index), side, order, &path)?
                    }
                    TcAttachment::Clsact => {
                        attach_clsact(classifier, program, uplink, side, TC_PRIORITY)?;
                    }
                }
                kept.push(path);
            }
        }
        for path in pins_in(&directory)? {
            if !kept.contains(&path) {
                unpin_link(&path)?;
            }
        }
        Ok(())
    }

    /// Puts the programs of the tunnel where they are found when its device is made: that may be much later, and
    /// again.
    pub(crate) fn pin_tunnel(&mut self, bpffs_dir: &Path) -> Result<(), AttachError> {
        for name in ["uplink_ingress", "uplink_egress", "tunnel_ingress", "tunnel_egress"] {
            let program = classifier(&mut self.packets, name);
            let fd = program.fd().map_err(|error| attach_error(name, "the tunnel", error))?;
            let path = bpffs_dir.join(PROGRAMS_DIR).join(name);
            sys::replace_pin(fd.as_fd(), &path).map_err(pin_error("replace", &path))?;
        }
        Ok(())
    }

    /// The packet programs, for packet tables.
    pub(crate) fn packets_mut(&mut self) -> &mut Ebpf {
        &mut self.packets
    }

    /// The programs of the socket hooks.
    pub(crate) fn sockets_mut(&mut self) -> &mut Ebpf {
        &mut self.sockets
    }
}

pub(crate) fn object(
    name: &'static str,
    bytes: &[u8],
    bpffs_dir: &Path,
    sizes: Sizes,
) -> Result<Ebpf, LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::NotBuilt);
    }
    let mut loader = EbpfLoader::new();
    loader.default_map_pin_directory(bpffs_dir.join(MAPS_DIR));
    sizes.set(&mut loader);
    loader.load(bytes).map_err(|error| LoadError::Object { object: name, error: Box::new(error) })
}

/// Loads the tc programs, all at the same time: each takes the kernel's verifier some tenths of a second of one
/// processor. It has a lock, but only for who has no right to load programs of this kind (`bpf_check`).
fn load_classifiers(object: &mut Ebpf) -> Result<(), LoadError> {
    std::thread::scope(|scope| {
        let programs = object.programs_mut().filter_map(|(found, program)| {
            let name = PACKET_HOOKS.into_iter().find(|name| *name == found)?;
            Some((name, program))
        });
        let loads: Vec<_> = programs
            .map(|(name, program)| (name, scope.spawn(move || as_classifier(program).load())))
            .collect();
        let mut refusals = BTreeMap::new();
        for (name, load) in loads {
            let loaded = load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            if let Err(error) = loaded {
                refusals.insert(name, error);
            }
        }
        // What is wrong with several is told of the same one each time.
        refusals.pop_first().map_or(Ok(()), |(name, error)| Err(refused(name, error)))
    })
}

pub(crate) fn refused(program: &'static str, error: ProgramError) -> LoadError {
    LoadError::Program { program, error: Box::new(error) }
}

pub(crate) fn attach_error(
    program: &'static str,
    target: &str,
    error: ProgramError,
) -> AttachError {
    AttachError::Attach { program, target: target.into(), error: Box::new(error) }
}

pub(crate) fn no_link(path: &Path) -> AttachError {
    let error = io::Error::from(io::ErrorKind::Unsupported);
    AttachError::Pin { verb: "make a link for", path: path.into(), error }
}

pub(crate) fn classifier<'a>(object: &'a mut Ebpf, name: &str) -> &'a mut SchedClassifier {
    let program =
        object.program_mut(name).expect("the object holds the programs it was built with");
    as_classifier(program)
}

fn as_classifier(program: &mut Program) -> &mut SchedClassifier {
    program.try_into().expect("its section makes it a classifier")
}

pub(crate) fn socket_hook<'a>(object: &'a mut Ebpf, name: &str) -> &'a mut CgroupSockAddr {
    let program =
        object.program_mut(name).expect("the object holds the programs it was built with");
    program.try_into().expect("its section makes it a socket hook")
}

/// Makes the link pinned at `path` run `program`. False: there is none, or it is not attached to what it
/// should be any more; then its pin is gone too.
pub(crate) fn replaced(
    path: &Path,
    program: BorrowedFd<'_>,
    is_right: impl FnOnce(&sys::LinkInfo) -> bool,
) -> Result<bool, AttachError> {
    let Some(link) = sys::open_pinned(path).map_err(pin_error("open", path))? else {
        return Ok(false);
    };
    let info = sys::link_info(link.as_fd()).map_err(pin_error("read", path))?;
    if is_right(&info) {
        match sys::update_link(link.as_fd(), program) {
            Ok(()) => return Ok(true),
            // What it was attached to is gone.
            Err(error) if error.raw_os_error() == Some(libc::ENOLINK) => {}
            Err(error) => return Err(pin_error("replace the program of", path)(error)),
        }
    }
    unpin_link(path)?;
    Ok(false)
}

pub(crate) fn pin(link: FdLink, path: &Path) -> Result<(), AttachError> {
    match link.pin(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(pin_error("pin", path)(io::Error::other(error))),
    }
}

/// Detaches a pinned link and removes its pin.
pub(crate) fn unpin_link(path: &Path) -> Result<(), AttachError> {
    if let Some(link) = sys::open_pinned(path).map_err(pin_error("open", path))? {
        // Gone by itself with its target, or detached now: also when others hold the link.
        let _ = sys::detach_link(link.as_fd());
    }
    std::fs::remove_file(path).map_err(pin_error("remove", path))
}

/// What is pinned in a directory; nothing if there is none.
pub(crate) fn pins_in(directory: &Path) -> Result<Vec<PathBuf>, AttachError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(pin_error("read", directory)(error)),
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(pin_error("read", directory))?;
    paths.sort();
    Ok(paths)
}
