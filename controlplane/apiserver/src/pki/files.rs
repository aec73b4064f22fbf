//! The authority's files, and why they could not be found or made.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(super) use sheave_join::private_file::{FileError, ensure_dir, read, write};

/// Why the certificates could not be found or made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file or directory could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
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

/// Writes unless the file already holds this, private in any case.
pub(super) fn write_if_changed(path: &Path, text: &str) -> Result<(), FileError> {
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return fs::set_permissions(path, Permissions::from_mode(0o600))
            .map_err(|source| FileError::Write { path: path.to_owned(), source });
    }
    write(path, text)
}
