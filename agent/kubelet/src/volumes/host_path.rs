//! Checks that a path of the host is what the pod expects, and makes it when the pod says so.

use std::fs::{self, FileType};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use crate::pod::spec::HostPathKind;

/// Why not, in the kubelet's words.
pub(super) fn ensure(path: &Path, kind: HostPathKind) -> Result<(), String> {
    let shown = path.display();
    let found = fs::metadata(path).ok().map(|found| found.file_type());
    let create = |made: std::io::Result<()>| made.map_err(|error| format!("{shown}: {error}"));
    let must_be = |is: fn(&FileType) -> bool, what: &str| match found {
        Some(kind) if is(&kind) => Ok(()),
        _ => Err(format!("hostPath type check failed: {shown} is not a {what}")),
    };
    match kind {
        // The runtime would make a missing source as a directory; so do we, that both agree.
        HostPathKind::Unchecked if found.is_none() => create(fs::create_dir_all(path)),
        HostPathKind::Unchecked => Ok(()),
        HostPathKind::DirectoryOrCreate if found.is_none() => {
            create(fs::create_dir_all(path))?;
            create(fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        }
        HostPathKind::FileOrCreate if found.is_none() => {
            create(fs::OpenOptions::new().create(true).append(true).open(path).map(drop))
        }
        HostPathKind::DirectoryOrCreate | HostPathKind::Directory => {
            must_be(FileType::is_dir, "directory")
        }
        HostPathKind::FileOrCreate | HostPathKind::File => must_be(FileType::is_file, "file"),
        HostPathKind::Socket => must_be(FileType::is_socket, "socket"),
        HostPathKind::CharDevice => must_be(FileType::is_char_device, "character device"),
        HostPathKind::BlockDevice => must_be(FileType::is_block_device, "block device"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_checked_and_made() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert!(ensure(&at("d"), HostPathKind::Directory).unwrap_err().contains("not a directory"));
        ensure(&at("d/e"), HostPathKind::DirectoryOrCreate).unwrap();
        assert!(at("d/e").is_dir());
        ensure(&at("f"), HostPathKind::FileOrCreate).unwrap();
        assert!(at("f").is_file());
        assert!(ensure(&at("f"), HostPathKind::Directory).is_err());
        assert!(ensure(&at("f"), HostPathKind::Socket).is_err());
        ensure(Path::new("/dev/null"), HostPathKind::CharDevice).unwrap();
    }
}
