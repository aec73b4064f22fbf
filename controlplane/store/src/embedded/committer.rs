//! The one thread that reads and writes the file: compares, numbers, makes durable, publishes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::OpenError;
use super::disk::{Disk, Marks, Reader, is_full};
use super::write_behind::{Version, WriteBehind};
use crate::history::History;
use crate::{
    Batch, Change, CommitError, Durability, Entry, Listing, Revision, StoreError, Transaction,
    Write,
};

/// Transactions made durable together.
const GROUP_MAX: usize = 512;
/// Bytes made durable together.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Relaxed writes are durable after this time at the latest.
const FLUSH_INTERVAL: Duration = Duration::from_secs(3);
/// Relaxed writes held in memory; more are made durable at once.
const BEHIND_BYTES_MAX: usize = 4 << 20;
/// Revisions that may be handed out between two changes of the ceiling in the file.
const CEILING_STEP: Revision = 1000;
/// A file that failed is not opened more often than this.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

type CommitReply = oneshot::Sender<Result<Revision, CommitError>>;

/// What other threads ask of this one.
pub(super) enum Request {
    Commit { transaction: Transaction, durability: Durability, reply: CommitReply },
    Get { key: Bytes, reply: oneshot::Sender<Result<Option<Entry>, StoreError>> },
    List { prefix: Bytes, reply: oneshot::Sender<Result<Listing, StoreError>> },
    Close { reply: oneshot::Sender<Result<(), StoreError>> },
}

/// The thread's state.
pub(super) struct Committer {
    path: PathBuf,
    disk: Slot,
    marks: Marks,
    /// The last revision handed out.
    revision: Revision,
    behind: WriteBehind,
    history: Arc<History>,
    /// A write that failed and may be in the file all the same.
    doubt: Option<Doubt>,
}

/// The file, or why it has to be opened again.
enum Slot {
    Open(Disk),
    Failed { why: String, at: Instant },
}

impl Slot {
    fn opened(&self) -> Result<&Disk, StoreError> {
        match self {
            Self::Open(disk) => Ok(disk),
            Self::Failed { why, .. } => Err(StoreError::Unavailable(why.clone())),
        }
    }
}

/// What a failed write would have published.
struct Doubt {
    committed: Revision,
    batches: Vec<Batch>,
}

/// Transactions that will be made durable together.
#[derive(Default)]
struct Group {
    staged: WriteBehind,
    batches: Vec<Batch>,
    outcomes: Vec<(CommitReply, Result<Revision, CommitError>)>,
    synced: bool,
}

impl Committer {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let (disk, marks) = Disk::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            disk: Slot::Open(disk),
            marks,
            revision: marks.ceiling,
            behind: WriteBehind::default(),
            history: History::after(marks.ceiling),
            doubt: None,
        })
    }

    pub(super) fn history(&self) -> Arc<History> {
        Arc::clone(&self.history)
    }

    /// Answers until everybody who could ask is gone, or one asked to close.
    pub(super) fn run(mut self, queue: &Receiver<Request>) {
        let mut flush_at = None;
        let mut next = None;
        loop {
            let request = match (next.take(), flush_at) {
                (Some(request), _) => Ok(request),
                (None, None) => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                (None, Some(at)) => {
                    queue.recv_timeout(Instant::saturating_duration_since(&at, Instant::now()))
                }
            };
            match request {
                Ok(Request::Commit { transaction, durability, reply }) => {
                    let (group, other) = gather((transaction, durability, reply), queue);
                    next = other;
                    self.commit(group);
                }
                Ok(Request::Get { key, reply }) => drop(reply.send(self.get(&key))),
                Ok(Request::List { prefix, reply }) => drop(reply.send(self.list(&prefix))),
                Ok(Request::Close { reply }) => {
                    drop(reply.send(self.close()));
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    if let Err(error) = self.close() {
                        tracing::error!(%error, "relaxed writes are lost");
                    }
                    return;
                }
            }
            if flush_at.is_some_and(|at| at <= Instant::now()) {
                flush_at = None;
                // Its failure was logged; the writes stay and are tried again.
                let _ = self.write(&WriteBehind::default(), Vec::new(), self.marks.ceiling);
            }
            if self.behind.is_empty() {
                flush_at = None;
            } else {
                flush_at.get_or_insert_with(|| Instant::now() + FLUSH_INTERVAL);
            }
        }
    }

    fn close(mut self) -> Result<(), StoreError> {
        self.write(&WriteBehind::default(), Vec::new(), self.revision)
    }

    fn get(&mut self, key: &Bytes) -> Result<Option<Entry>, StoreError> {
        let reader = self.reader()?;
        let version = match self.behind.get(key) {
            Some(version) => Some(version.clone()),
            None => reader.get(key).map_err(|error| self.fail(&error))?,
        };
        Ok(version.and_then(|Version { revision, value }| {
            value.map(|value| Entry { key: key.clone(), revision, value })
        }))
    }

    fn list(&mut self, prefix: &[u8]) -> Result<Listing, StoreError> {
        let reader = self.reader()?;
        let entries = reader.list(prefix, &self.behind).map_err(|error| self.fail(&error))?;
        Ok(Listing { entries, revision: self.revision })
    }

    /// Stages every transaction on top of those before it; then all are durable, or none.
    fn commit(&mut self, requests: Vec<(Transaction, Durability, CommitReply)>) {
        let reader = match self.reader() {
            Ok(reader) => reader,
            Err(error) => {
                for (_, _, reply) in requests {
                    drop(reply.send(Err(error.clone().into())));
                }
                return;
            }
        };
        let mut group = Group::default();
        for (transaction, durability, reply) in requests {
            let outcome = self.stage(&reader, transaction, &mut group);
            group.synced |= outcome.is_ok() && durability == Durability::Synced;
            group.outcomes.push((reply, outcome));
        }
        drop(reader);
        let outcomes = std::mem::take(&mut group.outcomes);
        let finished = self.finish(group);
        for (reply, outcome) in outcomes {
            let outcome = finished.clone().map_err(CommitError::from).and(outcome);
            // A writer that went away does not undo its write.
            drop(reply.send(outcome));
        }
    }

    fn stage(
        &mut self,
        reader: &Reader,
        transaction: Transaction,
        group: &mut Group,
    ) -> Result<Revision, CommitError> {
        for (key, expectation) in &transaction.expect {
            let current = self.current(reader, &group.staged, key)?;
            if !expectation.holds(current) {
                return Err(CommitError::Unexpected { key: key.clone(), current });
            }
        }
        let mut changes = Vec::with_capacity(transaction.writes.len());
        for (key, write) in transaction.writes {
            let value = match write {
                Write::Put(value) => Some(value),
                Write::Delete if self.current(reader, &group.staged, &key)?.is_none() => continue,
                Write::Delete => None,
            };
            changes.push(Change { key, value });
        }
        if changes.is_empty() {
            return Ok(self.revision);
        }
        self.revision += 1;
        let revision = self.revision;
        for Change { key, value } in &changes {
            group.staged.insert(key.clone(), Version { revision, value: value.clone() });
        }
        group.batches.push(Batch { revision, changes });
        Ok(revision)
    }

    /// The revision of a key's last write, as the next transaction sees it.
    fn current(
        &mut self,
        reader: &Reader,
        staged: &WriteBehind,
        key: &[u8],
    ) -> Result<Option<Revision>, StoreError> {
        if let Some(version) = staged.get(key).or_else(|| self.behind.get(key)) {
            return Ok(version.value.as_ref().map(|_| version.revision));
        }
        reader.revision_of(key).map_err(|error| self.fail(&error))
    }

    /// Makes what was staged durable, or at least visible, and publishes it.
    fn finish(&mut self, Group { staged, batches, synced, .. }: Group) -> Result<(), StoreError> {
        if batches.is_empty() {
            return Ok(());
        }
        let must_write = synced
            || self.revision > self.marks.ceiling
            || self.behind.bytes() + staged.bytes() > BEHIND_BYTES_MAX;
        if must_write {
            return self.write(&staged, batches, self.revision + CEILING_STEP);
        }
        self.behind.extend(staged);
        self.history.publish(batches);
        Ok(())
    }

    /// One durable write of all that waits; then the batches are visible.
    fn write(
        &mut self,
        staged: &WriteBehind,
        batches: Vec<Batch>,
        ceiling: Revision,
    ) -> Result<(), StoreError> {
        self.reopen()?;
        let ceiling = ceiling.max(self.revision);
        let marks = Marks { committed: self.revision, ceiling };
        if let Err(error) = self.disk.opened()?.write([&self.behind, staged], marks) {
            self.doubt = Some(Doubt { committed: marks.committed, batches });
            return Err(self.fail(&error));
        }
        self.marks = marks;
        self.behind.clear();
        self.history.publish(batches);
        Ok(())
    }

    fn reader(&mut self) -> Result<Reader, StoreError> {
        self.reopen()?;
        self.disk.opened()?.reader().map_err(|error| self.fail(&error))
    }

    /// Closes the file: the engine refuses everything after an error.
    fn fail(&mut self, error: &redb::Error) -> StoreError {
        let why = if is_full(error) {
            format!(
                "{}: no space left on the device; free some, writes go on by themselves",
                self.path.display()
            )
        } else {
            format!("{}: {error}", self.path.display())
        };
        tracing::error!("the store failed: {why}");
        self.disk = Slot::Failed { why: why.clone(), at: Instant::now() };
        StoreError::Unavailable(why)
    }

    /// Opens the file again if it failed, and finds out whether the write in doubt is in it.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let Slot::Failed { why, at } = &self.disk else { return Ok(()) };
        if at.elapsed() < REOPEN_INTERVAL {
            return Err(StoreError::Unavailable(why.clone()));
        }
        let (disk, marks) = match Disk::open(&self.path) {
            Ok(opened) => opened,
            Err(error) => {
                let why = error.to_string();
                self.disk = Slot::Failed { why: why.clone(), at: Instant::now() };
                return Err(StoreError::Unavailable(why));
            }
        };
        self.disk = Slot::Open(disk);
        self.marks = marks;
        if let Some(doubt) = self.doubt.take()
            && doubt.committed == marks.committed
        {
            self.behind.clear();
            self.history.publish(doubt.batches);
        }
        tracing::info!(path = %self.path.display(), "the store is usable again");
        Ok(())
    }
}

/// Whatever ends the thread ends the watches.
impl Drop for Committer {
    fn drop(&mut self) {
        self.history.close();
    }
}

/// Takes the commits that wait behind the first one; also the request that is none, if one came.
fn gather(
    first: (Transaction, Durability, CommitReply),
    queue: &Receiver<Request>,
) -> (Vec<(Transaction, Durability, CommitReply)>, Option<Request>) {
    let mut bytes = first.0.size_bytes();
    let mut group = vec![first];
    while group.len() < GROUP_MAX && bytes < GROUP_BYTES_MAX {
        match queue.try_recv() {
            Ok(Request::Commit { transaction, durability, reply }) => {
                bytes += transaction.size_bytes();
                group.push((transaction, durability, reply));
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}
