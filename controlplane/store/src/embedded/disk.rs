//! The file: the only owner of redb. Reads, and writes that are durable when they return.
//!
//! ```text
//! table "objects": key -> revision of the last write (8 bytes, little endian) ++ value
//! table "marks":   "format" | "committed" | "ceiling" -> u64
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use redb::{Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::OpenError;
use super::write_behind::{Version, WriteBehind};
use crate::{Entry, Revision};

const OBJECTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("objects");
const MARKS: TableDefinition<'_, &str, u64> = TableDefinition::new("marks");

/// The format written here.
const FORMAT: u64 = 1;
/// Pages held in memory; the registry holds the objects.
const CACHE_BYTES: usize = 4 << 20;
const REVISION_BYTES: usize = size_of::<Revision>();

/// How far the revisions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// The last revision that a commit made durable.
    pub(super) committed: Revision,
    /// No revision above this was handed out: after a crash, counting goes on from here.
    pub(super) ceiling: Revision,
}

/// An open file.
pub(super) struct Disk {
    database: Database,
}

/// The objects as of one moment.
pub(super) struct Reader(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Disk {
    /// Opens and, after a crash, repairs; or makes an empty file.
    pub(super) fn open(path: &Path) -> Result<(Self, Marks), OpenError> {
        let file =
            open_file(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        // The engine panics on some kinds of damage.
        catch_unwind(AssertUnwindSafe(|| Self::open_database(file, path))).unwrap_or_else(|_| {
            Err(OpenError::Corrupt { path: path.to_owned(), detail: "unreadable pages".to_owned() })
        })
    }

    fn open_database(file: File, path: &Path) -> Result<(Self, Marks), OpenError> {
        let failed = |error: redb::Error| open_error(error, path);
        let failed_open = |error: DatabaseError| failed(error.into());
        let mut database =
            Builder::new().set_cache_size(CACHE_BYTES).create_file(file).map_err(failed_open)?;
        // Reads do not verify checksums: this does, once. It may go back to an older commit.
        if !database.check_integrity().map_err(failed_open)? {
            let detail = "it now holds the last commit that is intact, and later ones are lost; start \
                          again to go on from there";
            return Err(OpenError::Corrupt { path: path.to_owned(), detail: detail.to_owned() });
        }
        let disk = Self { database };
        let format = disk.mark("format").map_err(failed)?;
        match format {
            None => disk.write_first().map_err(failed)?,
            Some(FORMAT) => {}
            Some(found) => {
                return Err(OpenError::Newer { path: path.to_owned(), found, known: FORMAT });
            }
        }
        let marks = disk.marks().map_err(failed)?;
        Ok((disk, marks))
    }

    fn mark(&self, name: &str) -> Result<Option<u64>, redb::Error> {
        let transaction = self.database.begin_read()?;
        match transaction.open_table(MARKS) {
            Ok(table) => Ok(table.get(name)?.map(|value| value.value())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn marks(&self) -> Result<Marks, redb::Error> {
        let missing = || redb::Error::Corrupted("the revision is missing".to_owned());
        Ok(Marks {
            committed: self.mark("committed")?.ok_or_else(missing)?,
            ceiling: self.mark("ceiling")?.ok_or_else(missing)?,
        })
    }

    fn write_first(&self) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut marks = transaction.open_table(MARKS)?;
            marks.insert("format", FORMAT)?;
            // Clients take resourceVersion 0 for "any": counting begins at 1.
            marks.insert("committed", 1)?;
            marks.insert("ceiling", 1)?;
            transaction.open_table(OBJECTS)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Makes all versions durable, or fails; then the file must be opened again.
    pub(super) fn write(&self, layers: [&WriteBehind; 2], marks: Marks) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            let mut row = Vec::new();
            for (key, version) in layers.iter().flat_map(|layer| layer.iter()) {
                match &version.value {
                    Some(value) => {
                        row.clear();
                        row.extend_from_slice(&version.revision.to_le_bytes());
                        row.extend_from_slice(value);
                        objects.insert(key.as_ref(), row.as_slice())?;
                    }
                    None => {
                        objects.remove(key.as_ref())?;
                    }
                }
            }
            let mut table = transaction.open_table(MARKS)?;
            table.insert("committed", marks.committed)?;
            table.insert("ceiling", marks.ceiling)?;
        }
        transaction.commit()?;
        Ok(())
    }

    pub(super) fn reader(&self) -> Result<Reader, redb::Error> {
        Ok(Reader(self.database.begin_read()?.open_table(OBJECTS)?))
    }
}

impl Reader {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Version>, redb::Error> {
        let Some(row) = self.0.get(key)? else { return Ok(None) };
        let (revision, value) = split(row.value())?;
        Ok(Some(Version { revision, value: Some(Bytes::copy_from_slice(value)) }))
    }

    /// The revision alone, without a copy of the value.
    pub(super) fn revision_of(&self, key: &[u8]) -> Result<Option<Revision>, redb::Error> {
        let Some(row) = self.0.get(key)? else { return Ok(None) };
        Ok(Some(split(row.value())?.0))
    }

    /// Everything below a prefix, as `behind` shows it.
    pub(super) fn list(
        &self,
        prefix: &[u8],
        behind: &WriteBehind,
    ) -> Result<Vec<Entry>, redb::Error> {
        let mut entries = Vec::new();
        for row in self.0.range(prefix..)? {
            let (key, row) = row?;
            if !key.value().starts_with(prefix) {
                break;
            }
            if behind.get(key.value()).is_some() {
                continue;
            }
            let (revision, value) = split(row.value())?;
            entries.push(Entry {
                key: Bytes::copy_from_slice(key.value()),
                revision,
                value: Bytes::copy_from_slice(value),
            });
        }
        let newer = behind.iter().filter(|(key, _)| key.starts_with(prefix));
        entries.extend(newer.filter_map(|(key, Version { revision, value })| {
            let value = value.clone()?;
            Some(Entry { key: key.clone(), revision: *revision, value })
        }));
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }
}

fn split(row: &[u8]) -> Result<(Revision, &[u8]), redb::Error> {
    let (revision, value) = row
        .split_first_chunk::<REVISION_BYTES>()
        .ok_or_else(|| redb::Error::Corrupted("a row is too short".to_owned()))?;
    Ok((Revision::from_le_bytes(*revision), value))
}

/// The file holds secrets: nobody else may read it. A new file's name is made durable too.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = options.create_new(true).open(path)?;
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(file)
        }
        opened => opened,
    }
}

fn open_error(error: redb::Error, path: &Path) -> OpenError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => OpenError::Locked(path),
        redb::Error::Io(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            OpenError::Io { path, source: error }
        }
        error => OpenError::Corrupt { path, detail: error.to_string() },
    }
}

/// True if the file system has no room left.
pub(super) fn is_full(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(error) if error.kind() == io::ErrorKind::StorageFull)
}
