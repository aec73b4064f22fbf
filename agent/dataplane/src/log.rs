//! What the packet programs say of single packets, when they were built to (`cargo xtask build-ebpf --log`):
//! for development. Their words go where this process' log goes, for as long as it lives.

use std::os::fd::AsFd as _;

use aya::Ebpf;
use aya_log::EbpfLogger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Starts to pass on what they say, if they were built to speak. Must come before anything is loaded: the
/// programs hold on to the map that is opened here.
pub(crate) fn listen(packets: &mut Ebpf) -> Option<Listener> {
    packets.map("AYA_LOGS")?;
    match EbpfLogger::init(packets) {
        Ok(logger) => Some(Listener(logger)),
        Err(error) => {
            tracing::warn!(%error, "the programs speak, and nobody listens");
            None
        }
    }
}

/// See [`listen`].
pub(crate) struct Listener(EbpfLogger<&'static dyn ::log::Log>);

impl Listener {
    /// On a thread of its own, until the process ends.
    pub(crate) fn run(mut self) {
        tracing::warn!("the packet programs were built to log each packet, which makes them slow");
        std::thread::spawn(move || {
            loop {
                let mut waiting = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
                match poll(&mut waiting, PollTimeout::NONE) {
                    Ok(_) | Err(nix::errno::Errno::EINTR) => self.0.flush(),
                    Err(error) => {
                        tracing::warn!(%error, "what the programs say is heard no more");
                        return;
                    }
                }
            }
        });
    }
}
