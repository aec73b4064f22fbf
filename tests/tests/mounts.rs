//! A mount from the address of a service: who dials is the kernel, and it does so again by itself when its
//! connection is lost. The servers are the kernel's as well, one in each pod.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::sync::mpsc;
use std::time::Duration;

use sheave_abi::event::Event;
use sheave_abi::pins;
use sheave_core::model::Protocol::Tcp;
use sheave_core::model::Update;
use sheave_tests::cgroup::TestCgroup;
use sheave_tests::kernel;
use sheave_tests::nfs::{self, Mount, Server};
use sheave_tests::services::{service, slice};
use sheave_tests::site::{NODE, Site};

/// Until a client has dialled again and is known to the server takes seconds, more where the processor is
/// emulated; and a server that has just begun opens no file for ten, lest an earlier client had it locked.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pods with servers.
const PODS: [u8; 3] = [2, 3, 4];

#[test]
fn a_mount_dials_the_service_anew_when_its_connection_is_lost() {
    if kernel::lacks_nfs() {
        return;
    }
    // What the kernel dials by itself is in the first cgroup.
    let mut share = Share::new(Site::over(TestCgroup::first()));
    share.shows("first");
    let first = share.backend();
    share.take_out(first);
    share.shows("while-it-is-there");
    assert_eq!(share.backend(), first, "who is connected stays");
    share.end(first);
    share.shows("by-the-hook");
    share.reads("by-the-hook");
    let second = share.backend();
    assert_ne!(second, first);
    assert!(share.site.counter(Event::SocketTranslated) >= 2, "each time that it dialled");
    assert_eq!(share.site.counter(Event::FlowOpened), 0, "no packet was translated");

    // The same mount, where no hook sees it.
    let translated = share.site.counter(Event::SocketTranslated);
    share.take_hooks_away();
    share.take_out(second);
    share.end(second);
    share.shows("by-packets");
    let third = share.backend();
    assert_eq!(share.site.counter(Event::FlowOpened), 1);
    // Once more: with the port that the flow before had.
    share.start(first);
    share.take_out(third);
    share.end(third);
    share.shows("by-packets-again");
    assert_eq!(share.backend(), first);
    assert_eq!(share.site.counter(Event::SocketTranslated), translated);
    share.site.assert_nothing_dropped();
}

/// One file system, which servers in pods all have, and the node has mounted from their service. In the order
/// in which they must end: a client takes leave of its server.
struct Share {
    mounted: Mount,
    servers: BTreeMap<u8, Server>,
    tree: Mount,
    /// Those that the service has.
    backends: Vec<u8>,
    site: Site,
}

impl Share {
    fn new(mut site: Site) -> Self {
        let tree = Mount::new("tree", "tmpfs", "").unwrap();
        let servers = PODS.map(|pod| (pod, serve(&site, &tree, pod)));
        site.serve(nfs_on(&PODS));
        let mount = || nfs::mount_from("10.96.0.1".parse().unwrap(), client());
        let mounted = site.lab.node.run(mount).unwrap();
        Self { mounted, servers: servers.into(), tree, backends: PODS.into(), site }
    }

    /// The pod that the mount is connected to.
    fn backend(&self) -> u8 {
        let mut connected = PODS.into_iter().filter(|pod| nfs::has_client(self.site.pod(*pod)));
        let backend = connected.next().expect("the mount is connected");
        assert_eq!(connected.next(), None, "to one of them");
        backend
    }

    /// Takes a pod out of the service; what it serves already it goes on serving.
    fn take_out(&mut self, pod: u8) {
        self.backends.retain(|backend| *backend != pod);
        self.site.serve(nfs_on(&self.backends));
    }

    /// Ends a pod's server.
    fn end(&mut self, pod: u8) {
        drop(self.servers.remove(&pod).expect("it runs"));
    }

    /// Starts it again, and puts it back into the service.
    fn start(&mut self, pod: u8) {
        self.servers.insert(pod, serve(&self.site, &self.tree, pod));
        self.backends.push(pod);
        self.site.serve(nfs_on(&self.backends));
    }

    fn take_hooks_away(&self) {
        let links = self.site.lab.config.bpffs_dir.join(pins::CGROUP_LINKS_DIR);
        for link in fs::read_dir(links).unwrap() {
            let link = link.unwrap().path();
            self.site
                .lab
                .node
                .command("bpftool", &format!("link detach pinned {}", link.display()));
        }
    }

    /// Makes a file and asks the mount for it. The server is asked: one that is new is not remembered.
    fn shows(&self, name: &str) {
        fs::write(self.tree.path().join(name), name).unwrap();
        let path = self.mounted.path().join(name);
        within(PATIENCE, move || fs::metadata(path)).expect("the mount shows what is there");
    }

    /// Reads a file through the mount.
    fn reads(&self, name: &str) {
        let path = self.mounted.path().join(name);
        assert_eq!(within(PATIENCE, move || fs::read_to_string(path)).unwrap(), name);
    }
}

fn client() -> IpAddr {
    NODE[0].parse().unwrap()
}

fn serve(site: &Site, tree: &Mount, pod: u8) -> Server {
    Server::start(site.pod(pod), tree.path(), client())
}

/// `nfs` on these pods.
fn nfs_on(pods: &[u8]) -> Vec<Update> {
    let pods: Vec<String> = pods.iter().map(|last| format!("10.244.0.{last}")).collect();
    let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
    let service = service("nfs", Tcp, "10.96.0.1:2049", None);
    vec![Update::Service(service), slice("nfs", Tcp, 2049, &pods)]
}

/// On a thread of its own: who asks a mount whose server is silent is not to be interrupted.
fn within<T: Send + 'static>(limit: Duration, ask: impl FnOnce() -> T + Send + 'static) -> T {
    let (answers, answer) = mpsc::channel();
    std::thread::spawn(move || answers.send(ask()));
    answer.recv_timeout(limit).expect("the mount hangs")
}
