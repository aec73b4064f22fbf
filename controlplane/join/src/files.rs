//! The files of a node's key and certificate: `node.key`, `node.crt` and `ca.crt` in one directory. Beside them
//! `tokens`, the ids of those that the machine has joined with.
//!
//! They are replaced in an order that a crash may interrupt anywhere, for a node that is left with a key and
//! the certificate of another would have to join again. The new key lies in `node.key.new` before anybody is
//! asked for its certificate; the certificate replaces the one before; the key follows. In between, the
//! certificate there is for the key in `node.key.new`, and whoever loads the files finishes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::private_file::{FileError, ensure_dir, read, sync, write};
use crate::{Certificate, KeyError, NodeKey};

/// Why the files could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// One of them.
    #[error(transparent)]
    File(#[from] FileError),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A node's key and certificate, and whom it trusts; PEM.
#[derive(Clone)]
pub struct Credentials {
    /// The node's certificate.
    pub certificate_pem: String,
    /// Its key.
    pub key_pem: String,
    /// The cluster's authority.
    pub authority_pem: String,
    /// The certificate, read.
    pub certificate: Certificate,
}

/// Where they are.
#[derive(Clone, Debug)]
pub struct NodeFiles {
    dir: PathBuf,
}

impl NodeFiles {
    /// In this directory, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Where.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// What is there and belongs together, finished if a crash has left it half done; `None` without it.
    pub fn load(&self) -> Result<Option<Credentials>, FilesError> {
        let Some(certificate_pem) = read(&self.path("node.crt"))? else { return Ok(None) };
        let Some(authority_pem) = read(&self.path("ca.crt"))? else { return Ok(None) };
        let Some(certificate) = Certificate::from_pem(&certificate_pem) else { return Ok(None) };
        let is_its =
            |pem: &String| NodeKey::from_pem(pem).is_ok_and(|key| key.pin() == certificate.pin);
        let key_pem = match read(&self.path("node.key"))?.filter(is_its) {
            Some(key) => key,
            None => match read(&self.path("node.key.new"))?.filter(is_its) {
                Some(key) => {
                    self.take_new_key()?;
                    key
                }
                None => return Ok(None),
            },
        };
        Ok(Some(Credentials { certificate_pem, key_pem, authority_pem, certificate }))
    }

    /// A key to ask a certificate for, on disk. One that was not used is taken again: the server may have
    /// heard of it.
    pub fn next_key(&self) -> Result<NodeKey, FilesError> {
        let path = self.path("node.key.new");
        if let Some(pem) = read(&path)?
            && let Ok(key) = NodeKey::from_pem(&pem)
        {
            return Ok(key);
        }
        let key = NodeKey::generate()?;
        ensure_dir(&self.dir)?;
        write(&path, &key.to_pem())?;
        Ok(key)
    }

    /// Puts the certificate that was got for [`NodeFiles::next_key`] to use.
    pub fn install(&self, certificate: &str, authority: &str) -> Result<(), FilesError> {
        let authority_path = self.path("ca.crt");
        if read(&authority_path)?.as_deref() != Some(authority) {
            write(&authority_path, authority)?;
        }
        write(&self.path("node.crt"), certificate)?;
        self.take_new_key()
    }

    /// Whether this machine has joined with the token of this id. A token lets it join once: one that stands in
    /// a unit file must not bring a machine back that was removed.
    pub fn has_joined_with(&self, token_id: &str) -> Result<bool, FilesError> {
        let used = read(&self.path("tokens"))?.unwrap_or_default();
        Ok(used.lines().any(|line| line == token_id))
    }

    /// Notes the id of the token with which this machine joins.
    pub fn note_joined_with(&self, token_id: &str) -> Result<(), FilesError> {
        let path = self.path("tokens");
        let used = read(&path)?.unwrap_or_default();
        Ok(write(&path, &format!("{used}{token_id}\n"))?)
    }

    /// Whether [`NodeFiles::next_key`] would find one that was made before.
    pub fn has_next_key(&self) -> bool {
        self.path("node.key.new").exists()
    }

    /// Forgets a key that came to nothing.
    pub fn forget_next_key(&self) {
        // What cannot be removed harms nobody: it is a key without a certificate.
        let _ = fs::remove_file(self.path("node.key.new"));
    }

    fn take_new_key(&self) -> Result<(), FilesError> {
        let path = self.path("node.key");
        let taken = match fs::rename(self.path("node.key.new"), &path) {
            // The server on this machine and the agent may both finish what a crash has left.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => Ok(()),
            renamed => renamed.and_then(|()| sync(&self.dir)),
        };
        taken.map_err(|source| FileError::Write { path, source }.into())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair};

    use super::*;

    /// As an authority would.
    fn signed(key: &NodeKey) -> String {
        let authority = KeyPair::generate().unwrap();
        let issuer = Issuer::new(CertificateParams::default(), authority);
        let request = CertificateSigningRequestParams::from_pem(&key.request().unwrap()).unwrap();
        request.signed_by(&issuer).unwrap().pem()
    }

    fn installed(files: &NodeFiles) -> NodeKey {
        let key = files.next_key().unwrap();
        files.install(&signed(&key), "authority").unwrap();
        key
    }

    #[test]
    fn a_certificate_is_found_with_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let files = NodeFiles::new(dir.path().join("agent/pki"));
        assert!(files.load().unwrap().is_none());
        let key = installed(&files);
        let found = files.load().unwrap().unwrap();
        assert_eq!((found.certificate.pin, found.key_pem), (key.pin(), key.to_pem()));
        for file in ["node.key", "node.crt", "ca.crt"] {
            let mode = fs::metadata(dir.path().join("agent/pki").join(file)).unwrap();
            assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_crash_at_any_point_of_a_renewal_leaves_a_pair() {
        for step in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            let files = NodeFiles::new(dir.path());
            let old = installed(&files);
            let new = files.next_key().unwrap();
            if step >= 1 {
                write(&dir.path().join("ca.crt"), "authority 2").unwrap();
            }
            if step >= 2 {
                write(&dir.path().join("node.crt"), &signed(&new)).unwrap();
            }
            if step >= 3 {
                files.take_new_key().unwrap();
            }
            let expected = if step >= 2 { new.pin() } else { old.pin() };
            let found = files.load().unwrap().expect("never without a certificate");
            assert_eq!(found.certificate.pin, expected, "step {step}");
            assert_eq!(NodeKey::from_pem(&found.key_pem).unwrap().pin(), expected, "step {step}");
            // The next renewal goes on from there, with the key that may be known already.
            let again = files.next_key().unwrap();
            assert_eq!(again.pin() == new.pin(), step < 2, "step {step}");
            files.install(&signed(&again), "authority").unwrap();
            assert_eq!(files.load().unwrap().unwrap().certificate.pin, again.pin());
        }
    }

    #[test]
    fn tokens_that_were_used_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let files = NodeFiles::new(dir.path());
        assert!(!files.has_joined_with("abcdef").unwrap());
        files.note_joined_with("abcdef").unwrap();
        files.note_joined_with("uvwxyz").unwrap();
        for (id, expected) in [("abcdef", true), ("uvwxyz", true), ("bcdef", false), ("", false)] {
            assert_eq!(files.has_joined_with(id).unwrap(), expected, "{id}");
        }
    }

    #[test]
    fn what_does_not_belong_together_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = NodeFiles::new(dir.path());
        installed(&files);
        fs::write(dir.path().join("node.key"), NodeKey::generate().unwrap().to_pem()).unwrap();
        assert!(files.load().unwrap().is_none());
        fs::write(dir.path().join("node.crt"), "-----BEGIN CERT").unwrap();
        assert!(files.load().unwrap().is_none());
    }
}
