//! dnsmasq on the node: who answers for names that are not the cluster's.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sheave_tests::wait;

/// What it knows; of the rest of these domains it says that there is none.
const RECORDS: [&str; 5] = [
    "--local=/outside.test/",
    // A namespace is called so too.
    "--local=/other/",
    "--host-record=www.outside.test,192.0.2.7,2001:db8::7",
    "--host-record=a.name.with.many.dots.outside.test,192.0.2.8",
    "--txt-record=www.outside.test,somewhere",
];

/// Runs until it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    process: Child,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let process = Command::new("dnsmasq")
            .args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null"])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file="])
            .args(["--user=", "--log-facility=-"])
            .arg(format!("--port={}", address.port()))
            .args(RECORDS)
            .stdout(Stdio::null())
            .spawn()
            .expect("dnsmasq runs: `cargo xtask setup` installs it");
        let upstream = Self { address, process };
        wait::until_true("dnsmasq to listen", Duration::from_secs(20), || {
            TcpStream::connect(address).is_ok()
        });
        upstream
    }

    /// Arguments of `sheave up` by which it is asked.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let domains = ["outside.test", "other"];
        let flags = domains.map(|domain| format!("--dns-stub-domain={domain}={}", self.address));
        flags.to_vec()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
