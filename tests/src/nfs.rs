//! The kernel's NFS server in a network, and mounts of it. Nothing of nfs-utils: what `rpc.nfsd` and
//! `rpc.mountd` would tell the kernel is written here, for one file system and one client.
//!
//! Two servers of one file system give its files the same handles, so a client that is moved from one to the
//! other takes it for the same server, started again.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

use crate::netns::Netns;

/// A file system that is mounted in a directory of its own, until it is dropped.
pub struct Mount {
    directory: TempDir,
}

impl Mount {
    /// Mounts, in the network of the thread.
    pub fn new(source: &str, file_system: &str, options: &str) -> nix::Result<Self> {
        let directory = crate::scratch::directory("nfs");
        mount(Some(source), directory.path(), Some(file_system), MsFlags::empty(), Some(options))?;
        Ok(Self { directory })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Forced: who waits for a server that does not answer is told so.
        let flags = MntFlags::MNT_FORCE | MntFlags::MNT_DETACH;
        if let Err(error) = umount2(self.path(), flags) {
            eprintln!("cannot unmount {}: {error}", self.path().display());
        }
    }
}

/// Serves one file system as the root of NFS 4, at port 2049 of all addresses of its network. It ends, with
/// each connection to it, when it is dropped.
pub struct Server {
    /// The files by which this network's server is told what to do.
    control: Mount,
}

impl Server {
    /// Starts it, for a client at this address.
    pub fn start(netns: &Netns, tree: &Path, client: IpAddr) -> Self {
        let control = netns.run(|| Mount::new("nfsd", "nfsd", "")).unwrap();
        let server = Self { control };
        // The older ones need rpcbind.
        server.tell("versions", "-2 -3 +4 +4.1 +4.2");
        // The least that it accepts: until then it waits for clients of an earlier life.
        server.tell("nfsv4gracetime", "10");
        server.tell("portlist", "tcp 2049");
        netns.run(|| export(tree, client));
        server.tell("threads", "2");
        server
    }

    fn tell(&self, file: &str, value: &str) {
        let path = self.control.path().join(file);
        fs::write(&path, format!("{value}\n")).unwrap_or_else(|e| panic!("{file} {value}: {e}"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tell("threads", "0");
    }
}

/// Tells this network's server what it would ask `rpc.mountd`: whose client it is, which file system its
/// root is, and what that client may do with it.
fn export(tree: &Path, client: IpAddr) {
    /// Of linux/nfsd/export.h: ports above 1024, writes that are not waited for, no check for what is outside,
    /// numbered by the last word.
    const FLAGS: u32 = 0x0002 | 0x0010 | 0x0400 | 0x2000;
    /// In seconds since 1970, as an `int` holds it.
    const NEVER: i32 = i32::MAX;
    /// What a file handle calls its file system by: a number.
    const BY_NUMBER: u8 = 1;
    let tree = tree.display();
    for (cache, entry) in [
        ("auth.unix.ip", format!("nfsd {client} {NEVER} client")),
        ("nfsd.export", format!("client {tree} {NEVER} {FLAGS} 65534 65534 0")),
        ("nfsd.fh", format!(r"client {BY_NUMBER} \x00000000 {NEVER} {tree}")),
    ] {
        let path = format!("/proc/thread-self/net/rpc/{cache}/channel");
        let mut channel = fs::File::options().write(true).open(path).unwrap();
        // As one write: each is an entry.
        channel
            .write_all(format!("{entry}\n").as_bytes())
            .unwrap_or_else(|e| panic!("{entry}: {e}"));
    }
}

/// Mounts what a server has at `server`, in the network of the thread, as `mount.nfs` does. Answers are waited
/// for ten seconds and not for three minutes, which is how long a mount that failed would take to end.
pub fn mount_from(server: IpAddr, client: IpAddr) -> nix::Result<Mount> {
    let addresses = format!("addr={server},clientaddr={client}");
    let options = format!("vers=4.2,proto=tcp,sec=sys,timeo=50,retrans=1,{addresses}");
    Mount::new(&format!("{server}:/"), "nfs4", &options)
}

/// Whether a client is connected to a server in this network.
pub fn has_client(netns: &Netns) -> bool {
    /// 2049, as /proc shows it.
    const PORT: &str = ":0801";
    const ESTABLISHED: &str = "01";
    let sockets = netns.run(|| fs::read_to_string("/proc/thread-self/net/tcp").unwrap());
    sockets.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next(), fields.nth(1));
        local.is_some_and(|local| local.ends_with(PORT)) && state == Some(ESTABLISHED)
    })
}
