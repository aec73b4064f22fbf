//! What Sheave's DNS is compared with: Debian's dnsmasq on the node's address, with the same names. It asks
//! nobody else, logs nothing, and is otherwise as it comes.

use crate::cluster::{output_of, wait_for};
use crate::workspace::find_program;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PORT: u16 = 10153;

pub(super) struct Dnsmasq {
    process: Child,
    pub(super) address: SocketAddrV4,
}

impl Dnsmasq {
    /// Answers when this returns.
    pub(super) fn start(address: Ipv4Addr, hosts: &Path, name: &str) -> Result<Self> {
        let program = find_program("dnsmasq");
        let program = program.context("dnsmasq is missing: run `cargo xtask setup`")?;
        // A session of its own, as `sheave up` has.
        let mut command = Command::new("setsid");
        command.arg(program);
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file="]);
        command.args([format!("--listen-address={address}"), format!("--port={PORT}")]);
        command.args(["--bind-interfaces", "--no-resolv", "--no-hosts", "--local=/cluster.local/"]);
        command.arg("--addn-hosts").arg(hosts).arg("--cache-size=20000");
        let process = command.stdin(Stdio::null()).spawn().context("cannot start dnsmasq")?;
        let dnsmasq = Self { process, address: SocketAddrV4::new(address, PORT) };
        wait_answer(dnsmasq.address, name)?;
        Ok(dnsmasq)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        // One that has ended by itself needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until a server knows a name.
pub(super) fn wait_answer(server: SocketAddrV4, name: &str) -> Result<()> {
    let (address, port) = (format!("@{}", server.ip()), server.port().to_string());
    wait_for(&format!("{server} to know {name}"), Duration::from_secs(60), || {
        let mut dig = Command::new("dig");
        dig.args([&address, "-p", &port, "+short", "+tries=1", "+time=1", name]);
        let said = output_of(&mut dig)?;
        Ok((!said.trim().is_empty()).then_some(()))
    })
}
