//! Network interfaces of the namespace we run in, as far as attaching needs them.

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd as _;

use nix::net::if_::{if_nameindex, if_nametoindex};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// An interface cannot carry our programs.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// There is none of that name.
    #[error("there is no network interface {0}: name the node's uplink with --uplink")]
    Absent(String),
    /// Its frames have no Ethernet header.
    #[error(
        "interface {0} is not Ethernet: name the one that the node's address is on with --uplink"
    )]
    NotEthernet(String),
    /// The kernel would not say.
    #[error("cannot read interface {name}")]
    Read {
        /// Its name.
        name: String,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// Index of an Ethernet interface.
pub(crate) fn ethernet(name: &str) -> Result<u32, InterfaceError> {
    let index = if_nametoindex(name).map_err(|_| InterfaceError::Absent(name.into()))?;
    let read = |error| InterfaceError::Read { name: name.into(), error };
    match hardware_type(name).map_err(read)? {
        libc::ARPHRD_ETHER => Ok(index),
        _ => Err(InterfaceError::NotEthernet(name.into())),
    }
}

/// Bytes of an IP packet that an interface carries, if it is there.
pub(crate) fn mtu(index: u32) -> Option<u32> {
    let request = ask(&name_of(index)?, libc::SIOCGIFMTU).ok()?;
    // SAFETY: the kernel has filled in this member.
    u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).ok()
}

fn hardware_type(name: &str) -> io::Result<u16> {
    let request = ask(name, libc::SIOCGIFHWADDR)?;
    // SAFETY: the kernel has filled in this member.
    Ok(unsafe { request.ifr_ifru.ifru_hwaddr.sa_family })
}

/// By ioctl and not in /sys: that shows the namespace of who mounted it.
fn ask(name: &str, what: libc::Ioctl) -> io::Result<libc::ifreq> {
    let name = CString::new(name)?;
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let bytes = name.as_bytes_with_nul();
    if bytes.len() > request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    // SAFETY: the request lives until the call returns and names an interface.
    let ret = unsafe { libc::ioctl(socket.as_raw_fd(), what, &raw mut request) };
    if ret != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(request)
}

/// Name of an interface, if it is there.
pub(crate) fn name_of(index: u32) -> Option<String> {
    all().into_iter().find(|(i, _)| *i == index).map(|(_, name)| name)
}

/// All interfaces: index and name.
pub(crate) fn all() -> Vec<(u32, String)> {
    let Ok(list) = if_nameindex() else { return Vec::new() };
    list.iter().map(|i| (i.index(), i.name().to_string_lossy().into_owned())).collect()
}

/// The cookie of this thread's network namespace, where the kernel tells (5.14, e8b9eab99232).
pub fn netns_cookie() -> Option<u64> {
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let socket =
        socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).ok()?;
    let mut cookie = 0u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    // SAFETY: both pointers are to memory of the size given, which lives until the call returns.
    let ret = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    (ret == 0).then_some(cookie)
}
