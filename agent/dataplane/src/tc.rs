//! tc programs at interfaces: attached by links where the kernel has them, as filters elsewhere; in place of
//! what stands there of ours, and where they were told to stand among others.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use aya::programs::links::FdLink;
use aya::programs::tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType};
use sheave_abi::pins::TC_HANDLE;

use crate::programs::{AttachError, attach_error, no_link, pin, pin_error, replaced, unpin_link};
use crate::sys;

/// How tc programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcAttachment {
    /// By links, beside other programs (6.6, e420bed02507).
    Tcx,
    /// As filters of the clsact qdisc.
    Clsact,
}

/// Where at an uplink our programs stand among those that others have attached by links. Filters of clsact
/// go by priority, and ours is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ProgramOrder {
    /// Before all others: they see what ours leave to the stack.
    First,
    /// After all others: they see everything, and may take packets away from ours.
    #[default]
    Last,
}

impl ProgramOrder {
    fn link_order(self) -> LinkOrder {
        match self {
            Self::First => LinkOrder::first(),
            Self::Last => LinkOrder::last(),
        }
    }

    /// Whether `program` stands there among `ids`, which are in the order in which they run.
    fn is_kept(self, program: u32, ids: &[u32]) -> bool {
        let place = match self {
            Self::First => ids.first(),
            Self::Last => ids.last(),
        };
        place == Some(&program)
    }
}

pub(crate) fn attach_tcx(
    program: &mut SchedClassifier,
    name: &'static str,
    (uplink, index): (&str, u32),
    side: TcAttachType,
    order: ProgramOrder,
    path: &Path,
) -> Result<(), AttachError> {
    let attach = |error| attach_error(name, uplink, error);
    let misplaced = misplaced(path, uplink, index, side, order)?;
    let fd = program.fd().map_err(attach)?;
    if misplaced.is_none() && replaced(path, fd.as_fd(), |info| info.ifindex() == index)? {
        return Ok(());
    }
    let options = TcAttachOptions::TcxOrder(order.link_order());
    let id = program.attach_with_options(uplink, side, options).map_err(attach)?;
    let link = program.take_link(id).map_err(attach)?;
    let link: FdLink = link.try_into().map_err(|_| no_link(path))?;
    let Some(old) = misplaced else { return pin(link, path) };
    // A moment with both: what one has translated means nothing to the other.
    let moved = path.with_file_name(MOVED);
    if moved.exists() {
        unpin_link(&moved)?;
    }
    pin(link, &moved)?;
    std::fs::rename(&moved, path).map_err(pin_error("replace", path))?;
    sys::detach_link(old.as_fd()).map_err(pin_error("detach", path))
}

/// Pin of a link that is about to take another's place.
const MOVED: &str = "moved";

/// The link pinned at `path`, if it is attached where it should be, but not in its place among others.
fn misplaced(
    path: &Path,
    uplink: &str,
    index: u32,
    side: TcAttachType,
    order: ProgramOrder,
) -> Result<Option<OwnedFd>, AttachError> {
    let Some(link) = sys::open_pinned(path).map_err(pin_error("open", path))? else {
        return Ok(None);
    };
    let info = sys::link_info(link.as_fd()).map_err(pin_error("read", path))?;
    if info.ifindex() != index {
        return Ok(None);
    }
    let queried = SchedClassifier::query_tcx(uplink, side);
    let (_, all) = queried.map_err(|error| attach_error("the programs", uplink, error))?;
    let ids: Vec<u32> = all.iter().map(aya::programs::ProgramInfo::id).collect();
    Ok((!order.is_kept(info.program_id, &ids)).then_some(link))
}

/// Attaches as a filter at this priority and our handle, in place of what is there. A filter outlives us.
pub(crate) fn attach_clsact(
    program: &mut SchedClassifier,
    name: &'static str,
    interface: &str,
    side: TcAttachType,
    priority: u16,
) -> Result<(), AttachError> {
    let attach = |error| attach_error(name, interface, error);
    match tc::qdisc_add_clsact(interface) {
        Err(tc::TcError::AlreadyAttached) | Ok(()) => {}
        Err(tc::TcError::NetlinkError(error)) if error.raw_os_error() == Some(libc::EEXIST) => {}
        Err(error) => return Err(attach(error.into())),
    }
    let handle = TcHandle::from(TC_HANDLE);
    let old = SchedClassifierLink::attached(interface, side, priority, handle, None);
    let id = match old.map_err(|error| attach(tc::TcError::IoError(error).into())) {
        Ok(link) => program.attach_to_link(link),
        Err(error) => return Err(error),
    };
    let id = match id {
        Ok(id) => id,
        Err(_) => {
            let options = NlOptions { priority, handle, ..NlOptions::default() };
            program
                .attach_with_options(interface, side, TcAttachOptions::Netlink(options))
                .map_err(attach)?
        }
    };
    std::mem::forget(program.take_link(id).map_err(attach)?);
    Ok(())
}

/// A program at a tc hook, ours or another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedProgram {
    /// `ingress` or `egress`.
    pub hook: &'static str,
    /// Name of the program.
    pub name: String,
    /// The kernel's id of it: another with each version.
    pub id: u32,
}

/// The programs that run by links at an interface, in the order in which they run.
pub fn programs_at(interface: &str) -> Result<Vec<AttachedProgram>, ProgramError> {
    let mut attached = Vec::new();
    for (hook, side) in [("ingress", TcAttachType::Ingress), ("egress", TcAttachType::Egress)] {
        let (_, programs) = SchedClassifier::query_tcx(interface, side)?;
        for program in programs {
            let name = program.name_as_str().unwrap_or_default().to_owned();
            attached.push(AttachedProgram { hook, name, id: program.id() });
        }
    }
    Ok(attached)
}
