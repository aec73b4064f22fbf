//! Which attachment holds which addresses, on disk: one file an attachment, named after its host interface.
//!
//! Files appear by rename, so a reader sees a whole record or none, whatever is killed when. Allocation is
//! serialised by a lock that the kernel lets go of with its process; a release is one unlink and needs no
//! lock. Nothing is synced: after a power loss no pod is left either, and records of an earlier boot, like
//! files that a power loss left torn, are free again.
//!
//! ```text
//! <data dir>/<network>/lock               flock: one allocation at a time
//!                      last               the addresses given last, so that the next ones differ
//!                      shv0123456789ab    {"containerID":..,"ifname":..,"addresses":[..],"bootID":..}
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::address::PodRange;
use crate::attachment::{Attachment, HOST_PREFIX};

/// The addresses of one network on one node.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

/// Who holds which addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `CNI_CONTAINERID`.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// One a configured range, in their order.
    pub addresses: Vec<IpAddr>,
    /// Of the kernel that ran when it was written: no network namespace outlives it.
    #[serde(rename = "bootID")]
    boot_id: String,
}

impl Record {
    /// Whose addresses these are.
    pub fn attachment(&self) -> Attachment {
        Attachment { container_id: self.container_id.clone(), ifname: self.ifname.clone() }
    }
}

/// Why addresses could not be looked up, given or taken back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A system call on a file of the store failed.
    #[error("address store: cannot {verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// No address is free.
    #[error(
        "ranges: {range} is exhausted: all of its {capacity} addresses belong to pods of this node; \
         delete pods or give the node a larger pod CIDR"
    )]
    Exhausted {
        /// The configured range.
        range: IpNet,
        /// How many pods it holds.
        capacity: u128,
    },
    /// The runtime asks for the same interface again.
    #[error("container {container_id} has its interface {ifname} already; DEL it first")]
    Held {
        /// `CNI_CONTAINERID`.
        container_id: String,
        /// `CNI_IFNAME`.
        ifname: String,
    },
}

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const LAST: &str = "last";
const LOCK: &str = "lock";
const UNFINISHED: &str = "unfinished";

impl Store {
    /// The store of a network below the configured directory, made if it is not there yet.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(data_dir: &Path, network: &str) -> Result<Self, StoreError> {
        let dir = data_dir.join(network);
        fs::create_dir_all(&dir).map_err(failed("make", &dir))?;
        Ok(Self { dir })
    }

    /// Gives an attachment an address of each range. A record left by an ADD that was killed is replaced.
    ///
    /// # Errors
    /// When a range is exhausted or a file cannot be read or written; nothing is given away then.
    pub fn allocate(
        &self,
        attachment: &Attachment,
        ranges: &[PodRange],
    ) -> Result<Record, StoreError> {
        let _locked = self.lock()?;
        let boot_id = read(Path::new(BOOT_ID))?.unwrap_or_default().trim().to_owned();
        self.prune(&boot_id)?;
        let mut records = self.records()?;
        records.retain(|record| record.attachment() != *attachment);
        let last: Vec<IpAddr> = match read(&self.dir.join(LAST))? {
            Some(text) => serde_json::from_str(&text).unwrap_or_default(),
            None => Vec::new(),
        };

        let is_taken = |address: IpAddr| records.iter().any(|r| r.addresses.contains(&address));
        let choose = |range: &PodRange| {
            let previous = last.iter().copied().find(|address| range.net().contains(address));
            range.next_free(previous, is_taken).ok_or_else(|| StoreError::Exhausted {
                range: range.net(),
                capacity: range.capacity(),
            })
        };
        let addresses = ranges.iter().map(choose).collect::<Result<Vec<_>, _>>()?;
        let record = Record {
            container_id: attachment.container_id.clone(),
            ifname: attachment.ifname.clone(),
            addresses,
            boot_id,
        };
        // The cursor first: if this is killed in between, an address is skipped, not given again at once.
        self.write(LAST, &record.addresses)?;
        self.write(&attachment.host_interface(), &record)?;
        Ok(record)
    }

    /// What an attachment holds.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn find(&self, attachment: &Attachment) -> Result<Option<Record>, StoreError> {
        let text = read(&self.dir.join(attachment.host_interface()))?;
        let record: Option<Record> = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(record.filter(|record| record.attachment() == *attachment))
    }

    /// Every attachment with what it holds.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn records(&self) -> Result<Vec<Record>, StoreError> {
        let names = self.record_files()?;
        let texts = names.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(texts
            .into_iter()
            .flatten()
            .filter_map(|text| serde_json::from_str(&text).ok())
            .collect())
    }

    /// Takes an attachment's addresses back. Nothing to take back is no error.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn release(&self, attachment: &Attachment) -> Result<(), StoreError> {
        remove(&self.dir.join(attachment.host_interface()))
    }

    /// Whether addresses could be given: the lock can be taken and files can be written.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn probe(&self) -> Result<(), StoreError> {
        let _locked = self.lock()?;
        let path = self.dir.join(UNFINISHED);
        fs::write(&path, b"probe").map_err(failed("write", &path))?;
        remove(&path)
    }

    fn lock(&self) -> Result<Flock<File>, StoreError> {
        let path = self.dir.join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(failed("open", &path))?;
        let locked = Flock::lock(file, FlockArg::LockExclusive);
        locked.map_err(|(_, errno)| failed("lock", &path)(errno.into()))
    }

    /// Removes what no living pod can own. Only with the lock.
    fn prune(&self, boot_id: &str) -> Result<(), StoreError> {
        remove(&self.dir.join(UNFINISHED))?;
        for path in self.record_files()? {
            let record: Option<Record> =
                read(&path)?.and_then(|text| serde_json::from_str(&text).ok());
            if record.is_none_or(|record| record.boot_id != boot_id) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn record_files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let entries = fs::read_dir(&self.dir).map_err(failed("list", &self.dir))?;
        let mut paths = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("list", &self.dir))?;
            if entry.file_name().to_string_lossy().starts_with(HOST_PREFIX) {
                paths.push(entry.path());
            }
        }
        Ok(paths)
    }

    /// Only with the lock: the unfinished file has one name.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let (unfinished, path) = (self.dir.join(UNFINISHED), self.dir.join(name));
        let text = serde_json::to_vec(value).expect("strings and addresses always serialise");
        let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|error| {
            // A full disk leaves an empty file; the next allocation would remove it too.
            let _ = fs::remove_file(&unfinished);
            failed("write", &path)(error)
        })
    }
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { verb, path: path.to_owned(), source }
}

fn read(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(id: usize) -> Attachment {
        Attachment { container_id: format!("c{id}"), ifname: "eth0".into() }
    }

    fn ranges(texts: &[&str]) -> Vec<PodRange> {
        texts.iter().map(|text| PodRange::new(text.parse().unwrap()).unwrap()).collect()
    }

    fn allocate(store: &Store, id: usize, ranges: &[PodRange]) -> Result<Record, StoreError> {
        store.allocate(&attachment(id), ranges)
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "net").unwrap();
        (dir, store)
    }

    #[test]
    fn gives_each_its_own_and_takes_it_back() {
        let (_dir, store) = store();
        let ranges = ranges(&["10.0.0.0/29", "fd00::/64"]);
        let all: Vec<_> =
            (0..5).map(|id| allocate(&store, id, &ranges).unwrap().addresses).collect();
        assert_eq!(all[0], ["10.0.0.2".parse::<IpAddr>().unwrap(), "fd00::2".parse().unwrap()]);
        let error = allocate(&store, 5, &ranges).unwrap_err().to_string();
        assert!(error.starts_with("ranges: 10.0.0.0/29 is exhausted: all of its 5"), "{error}");
        assert_eq!(store.find(&attachment(5)).unwrap(), None, "and nothing of fd00::/64 is gone");

        store.release(&attachment(3)).unwrap();
        store.release(&attachment(3)).unwrap();
        assert_eq!(allocate(&store, 6, &ranges).unwrap().addresses[0], all[3][0]);
        assert_eq!(store.records().unwrap().len(), 5);
    }

    #[test]
    fn a_repeated_add_of_a_killed_one_takes_no_second_address() {
        let (_dir, store) = store();
        let ranges = ranges(&["10.0.0.0/29"]);
        for _ in 0..20 {
            allocate(&store, 1, &ranges).unwrap();
        }
        assert_eq!(store.records().unwrap().len(), 1);
    }

    #[test]
    fn records_of_an_earlier_boot_and_torn_files_are_free_again() {
        let (dir, store) = store();
        let ranges = ranges(&["10.0.0.0/29"]);
        for id in 0..5 {
            allocate(&store, id, &ranges).unwrap();
        }
        let dir = dir.path().join("net");
        let old = dir.join(attachment(0).host_interface());
        let text = fs::read_to_string(&old).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["bootID"] = "another".into();
        fs::write(&old, value.to_string()).unwrap();
        fs::write(dir.join(attachment(1).host_interface()), "").unwrap();
        fs::write(dir.join(UNFINISHED), "{\"cont").unwrap();

        allocate(&store, 7, &ranges).unwrap();
        allocate(&store, 8, &ranges).unwrap();
        allocate(&store, 9, &ranges).unwrap_err();
        assert!(!dir.join(UNFINISHED).exists());
    }

    #[test]
    fn concurrent_allocations_never_meet() {
        let (_dir, store) = store();
        let ranges = ranges(&["10.0.0.0/24"]);
        let given: Vec<IpAddr> = std::thread::scope(|scope| {
            let allocate = |id| allocate(&store, id, &ranges).unwrap().addresses[0];
            let threads: Vec<_> = (0..50).map(|id| scope.spawn(move || allocate(id))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let distinct: std::collections::BTreeSet<_> = given.iter().collect();
        assert_eq!(distinct.len(), 50);
    }
}
