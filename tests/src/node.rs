//! A node's dataplane for one test: its own BPF file system, its own maps, gone when the test ends. Or one
//! for all tests of a program, which each of them finds as new: loading takes the verifier its time.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use sheave_core::engine::Engine;
use sheave_core::held::Held;
use sheave_core::ledger::Ledger;
use sheave_core::model::{Knowledge, Update};
use sheave_dataplane::{
    Cleaned, CleanupError, Dataplane, Network, PacketPrograms, cleanup, load_packet_programs,
    wait_for_readers,
};

/// The dataplane of a node that nothing is attached to: programs run when a test runs them.
pub struct DetachedNode {
    // Dropped before the directory is cleaned up.
    dataplane: Option<Dataplane>,
    /// The packet programs.
    pub programs: PacketPrograms,
    /// `None`: nothing is pinned any more.
    directory: Option<BpffsDir>,
}

impl DetachedNode {
    /// Loads the packet programs on maps of their own.
    pub fn new() -> Self {
        let directory = BpffsDir::new();
        let programs = load_packet_programs(&directory.path).unwrap();
        let dataplane = Dataplane::inspect(&directory.path).unwrap();
        Self { dataplane: Some(dataplane), programs, directory: Some(directory) }
    }

    /// The one that all tests of this process share, one at a time. Each finds it as new, whatever the one
    /// before has left, or how it ended.
    pub fn shared() -> MutexGuard<'static, Self> {
        static SHARED: LazyLock<Mutex<DetachedNode>> = LazyLock::new(|| {
            // It ends with the process and is never dropped: what it has must hang on nothing else.
            Mutex::new(DetachedNode { directory: None, ..DetachedNode::new() })
        });
        let mut node = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        node.empty();
        node
    }

    /// Takes out of the maps whatever a test can have put there. Counters go on: tests compare.
    fn empty(&mut self) {
        let dataplane = self.dataplane();
        for (addr, _) in dataplane.endpoints().unwrap() {
            dataplane.remove_endpoint(addr).unwrap();
        }
        dataplane.set_network(&Network::default()).unwrap();
        let (_, held) = reconcile(dataplane, &complete([]));
        assert!(held.frontends.is_empty() && held.ranges.is_empty() && held.sources.is_empty());
        dataplane.forget_traffic().unwrap();
    }

    /// Its maps.
    pub fn dataplane(&mut self) -> &mut Dataplane {
        self.dataplane.as_mut().unwrap()
    }

    /// Opens the maps again, as an agent does that was started again.
    pub fn restart(&mut self) {
        self.dataplane = None;
        let directory = self.directory.as_ref().expect("a node that is shared keeps no pins");
        self.dataplane = Some(Dataplane::inspect(&directory.path).unwrap());
    }
}

impl Default for DetachedNode {
    fn default() -> Self {
        Self::new()
    }
}

/// A directory with a BPF file system of its own.
pub struct BpffsDir {
    /// Where.
    pub path: PathBuf,
    _parent: tempfile::TempDir,
}

impl BpffsDir {
    /// Nothing is mounted before the dataplane does so.
    pub fn new() -> Self {
        let parent = crate::scratch::directory("bpffs");
        Self { path: parent.path().join("bpf"), _parent: parent }
    }
}

impl Default for BpffsDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for BpffsDir {
    fn drop(&mut self) {
        if let Err(error) = clean_up(&self.path) {
            eprintln!("cannot clean up {}: {error}", self.path.display());
        }
    }
}

/// Takes the dataplane away, also from within a test that runs tasks: it waits for the kernel's answers, which a
/// thread of those must not.
pub fn clean_up(bpffs_dir: &Path) -> Result<Cleaned, CleanupError> {
    let cleaning = || std::thread::scope(|scope| scope.spawn(|| cleanup(bpffs_dir)).join());
    cleaning().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// From what a source says to the maps, as an agent does it that starts on them: all that is left to do,
/// what must wait for programs to end included. Says how many map entries were written, and what the maps
/// hold.
pub fn reconcile(dataplane: &mut Dataplane, ledger: &Ledger) -> (usize, Held) {
    let mut engine = Engine::new(dataplane.held().unwrap());
    let model = ledger.model().clone();
    engine.note(Update::Init);
    engine.note(Update::Node(model.node));
    engine.note(Update::HostPorts(model.host_ports));
    model.services.into_values().for_each(|service| engine.note(Update::Service(service)));
    model.slices.into_values().for_each(|slice| engine.note(Update::EndpointSlice(slice)));
    if ledger.knowledge() == Knowledge::Complete {
        engine.note(Update::InitDone);
    }
    let writes = step(dataplane, &mut engine);
    (writes, dataplane.held().unwrap())
}

/// Writes all that an engine has to write, and says how many entries that were.
pub fn step(dataplane: &mut Dataplane, engine: &mut Engine) -> usize {
    let diff = engine.diff();
    assert_eq!(engine.full(), None);
    let mut writes = dataplane.apply(&diff).unwrap();
    if let Some(grace) = engine.begin_retirement() {
        wait_for_readers();
        writes += dataplane.retire(&engine.end_retirement(grace)).unwrap();
    }
    writes
}

/// A ledger to which a source has sent `updates` as a complete state.
pub fn complete(updates: impl IntoIterator<Item = Update>) -> Ledger {
    let mut ledger = Ledger::new();
    ledger.note(Update::Init);
    updates.into_iter().for_each(|update| ledger.note(update));
    ledger.note(Update::InitDone);
    ledger
}
