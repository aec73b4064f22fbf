//! Files with keys in them: private, written whole or not at all, durable before they are named.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why the certificates could not be found or made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file or directory could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file or directory could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The authority's certificate is there and its key is not.
    #[error(
        "{} is missing although {} exists: put the key back from a backup, or remove the \
         certificate to start a new authority (every client certificate must then be replaced)",
        key.display(), certificate.display()
    )]
    AuthorityKeyMissing {
        /// Where the key should be.
        key: PathBuf,
        /// The certificate that was found.
        certificate: PathBuf,
    },
    /// A file of the authority holds something else.
    #[error(
        "{} is damaged: put it back from a backup, or remove ca.crt and ca.key to start a new \
         authority (every client certificate must then be replaced)",
        path.display()
    )]
    AuthorityDamaged {
        /// Which one.
        path: PathBuf,
    },
    /// The files of this machine's node.
    #[error(transparent)]
    Node(#[from] sheave_join::FilesError),
    /// A certificate could not be made.
    #[error("cannot issue the certificate of {subject}")]
    Issue {
        /// Common name.
        subject: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

/// Makes a private directory, parents included; an existing one is left as it is.
pub(super) fn ensure_dir(path: &Path) -> Result<(), PkiError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| PkiError::Write { path: path.to_owned(), source })
}

/// The file's text, `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match fs::read(path) {
        // What is not text is no PEM either: the caller sees it as damaged.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PkiError::Read { path: path.to_owned(), source }),
    }
}

/// Writes unless the file already holds this, private in any case.
pub(super) fn write_if_changed(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    if fs::read(path).is_ok_and(|found| found == content) {
        return fs::set_permissions(path, Permissions::from_mode(0o600))
            .map_err(|source| PkiError::Write { path: path.to_owned(), source });
    }
    write(path, content)
}

/// Replaces the file: a reader, or a start after a crash, finds the old content or the new one.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    replace(path, content).map_err(|source| PkiError::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    // A crash may have left one, with another mode.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}
