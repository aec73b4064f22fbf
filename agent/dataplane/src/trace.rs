//! What happens to single packets, as the programs report it while somebody watches: the ring `EVENTS`.
//!
//! There is one ring and it has one reader: whoever reads takes the records from all others. Nobody
//! watching, nothing is written.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::Path;

use aya::maps::{Map, MapData, RingBuf};
use sheave_abi::pins::MAPS_DIR;
use sheave_abi::trace::Record;

use crate::Dataplane;
use crate::maps::MapError;

const EVENTS: &str = "EVENTS";

/// The reader of the ring.
pub struct Records {
    ring: RingBuf<MapData>,
}

impl Records {
    /// Opens the ring; what was in it is old and let go.
    pub fn open(bpffs_dir: &Path) -> Result<Self, MapError> {
        let path = bpffs_dir.join(MAPS_DIR).join(EVENTS);
        if !path.exists() {
            return Err(MapError::Absent { map: EVENTS, path });
        }
        let failed = |error: aya::maps::MapError| MapError::Io {
            map: EVENTS,
            verb: "open",
            error: io::Error::other(error),
        };
        let map = Map::RingBuf(MapData::from_pin(path).map_err(failed)?);
        let mut records = Self { ring: RingBuf::try_from(map).map_err(failed)? };
        while records.next().is_some() {}
        Ok(records)
    }

    /// The next record, if there is one.
    #[expect(clippy::should_implement_trait, reason = "None is not the end: more may come")]
    pub fn next(&mut self) -> Option<Record> {
        loop {
            let item = self.ring.next()?;
            if item.len() >= size_of::<Record>() {
                // SAFETY: the bytes are there, whole; any bytes are a Record, at any alignment.
                return Some(unsafe { item.as_ptr().cast::<Record>().read_unaligned() });
            }
        }
    }

    /// Waits for a record, or until whoever reads at the other end of `output` is gone, or the time is
    /// over. False: nobody reads any more.
    pub fn wait(&self, output: Option<BorrowedFd<'_>>, timeout_ms: u16) -> io::Result<bool> {
        let ring = libc::pollfd { fd: self.ring.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // A negative descriptor is not looked at; an end that is closed shows without being asked for.
        let output_fd = output.map_or(-1, |output| output.as_raw_fd());
        let mut fds = [ring, libc::pollfd { fd: output_fd, events: 0, revents: 0 }];
        // SAFETY: the descriptors are open, and the array lives until the call returns.
        let ret = unsafe { libc::poll(fds.as_mut_ptr(), 2, i32::from(timeout_ms)) };
        let error = io::Error::last_os_error();
        if ret < 0 && error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        Ok(fds[1].revents & (libc::POLLERR | libc::POLLHUP) == 0)
    }
}

impl Dataplane {
    /// Tells the programs whether somebody watches. The caller sees to it that nobody else writes
    /// `SETTINGS` meanwhile.
    pub fn set_traced(&self, traced: bool) -> Result<(), MapError> {
        let before = self.settings()?;
        let wanted = sheave_abi::settings::Settings { traced: u32::from(traced), ..before };
        if before == wanted {
            return Ok(());
        }
        self.maps.settings.put(&0, &wanted)
    }

    /// The name of an interface of this node's network, if it is there.
    pub fn interface_name(&self, ifindex: u32) -> Option<String> {
        crate::interface::name_of(ifindex)
    }
}
