//! The network namespaces of this machine, the node's and the pods': found by the processes in them, and
//! entered for a moment on a thread of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, setns};

use crate::interface;
use crate::sock_diag::{self, OpenSocket};

/// A network namespace, as seen from within.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Kernel's cookie of it, where it tells (5.14): what the socket hooks know it by.
    pub cookie: Option<u64>,
    /// Addresses of its interfaces, loopback left out.
    pub addresses: Vec<IpAddr>,
    /// Its open sockets, listening ones left out.
    pub sockets: Vec<OpenSocket>,
}

/// All namespaces that a process is in. One that cannot be entered, or has gone meanwhile, is left out.
pub fn namespaces() -> Vec<Namespace> {
    let looking = std::thread::spawn(|| paths().into_values().filter_map(look).collect());
    looking.join().unwrap_or_default()
}

/// Of all namespaces that a process is in and that tell their cookie: cookie and addresses.
pub(crate) fn addresses() -> Vec<(u64, Vec<IpAddr>)> {
    let look = |path| {
        enter(path)?;
        Some((interface::netns_cookie()?, own_addresses()))
    };
    let looking = std::thread::spawn(move || paths().into_values().filter_map(look).collect());
    looking.join().unwrap_or_default()
}

/// By inode: a process in each.
fn paths() -> BTreeMap<PathBuf, PathBuf> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let links = processes.filter_map(|process| {
        let path = process.path().join("ns/net");
        Some((std::fs::read_link(&path).ok()?, path))
    });
    links.collect()
}

fn enter(path: PathBuf) -> Option<()> {
    let namespace = File::open(path).ok()?;
    setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).ok()
}

fn look(path: PathBuf) -> Option<Namespace> {
    enter(path)?;
    Some(Namespace {
        cookie: interface::netns_cookie(),
        addresses: own_addresses(),
        sockets: sock_diag::open_sockets().unwrap_or_default(),
    })
}

fn own_addresses() -> Vec<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    let ips = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|at| IpAddr::V4(at.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|at| IpAddr::V6(at.ip())))
    });
    ips.filter(|ip| !ip.is_loopback()).collect()
}
