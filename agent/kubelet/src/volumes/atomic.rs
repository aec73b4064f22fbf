//! Replaces all files of a volume at once, so that a container sees all of the old or all of the new.
//!
//! ```text
//! volume/..2026_01_01_00_00_00.123456789/key    the files of one generation
//! volume/..data -> ..2026_01_01_00_00_00.123456789    swapped by rename(2)
//! volume/key -> ..data/key                      what containers open; never changes
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// A file to be: its content and permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileContent {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// Files by relative path.
pub(super) type Files = BTreeMap<PathBuf, FileContent>;

const CURRENT: &str = "..data";
const NEXT: &str = "..data_tmp";

/// Makes the volume hold exactly these files; does nothing when it does already.
pub(super) fn write(volume: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    let old = std::fs::read_link(volume.join(CURRENT)).ok();
    if old.as_ref().is_some_and(|old| same(&volume.join(old), files)) {
        return link(volume, files);
    }
    let generation = new_generation(volume)?;
    let directory = volume.join(&generation);
    for (path, content) in files {
        write_file(&directory, path, content, group)?;
    }
    let next = volume.join(NEXT);
    remove_any(&next)?;
    symlink(&generation, &next)?;
    std::fs::rename(&next, volume.join(CURRENT))?;
    link(volume, files)?;
    unlink_others(volume, files)?;
    // Last: readers of the old generation have switched, open files stay readable.
    for entry in std::fs::read_dir(volume)? {
        let name = entry?.file_name();
        let is_old = name.to_string_lossy().starts_with("..") && name != CURRENT;
        if is_old && name != generation {
            remove_any(&volume.join(name))?;
        }
    }
    Ok(())
}

fn new_generation(volume: &Path) -> io::Result<OsString> {
    let now = jiff::Timestamp::now();
    let name = format!("..{}.{:09}", now.strftime("%Y_%m_%d_%H_%M_%S"), now.subsec_nanosecond());
    let directory = volume.join(&name);
    std::fs::create_dir(&directory)?;
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755))?;
    Ok(name.into())
}

fn write_file(
    generation: &Path,
    path: &Path,
    content: &FileContent,
    group: Option<u32>,
) -> io::Result<()> {
    let target = generation.join(path);
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(&target, &content.bytes)?;
    std::os::unix::fs::chown(&target, None, group)?;
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(wanted_mode(content, group)))
}

/// A group that the pod's volumes belong to may read what its owner may.
fn wanted_mode(content: &FileContent, group: Option<u32>) -> u32 {
    let shared = if group.is_some() { (content.mode & 0o700) >> 3 & 0o50 } else { 0 };
    content.mode & 0o777 | shared
}

fn same(generation: &Path, files: &Files) -> bool {
    let mut found = BTreeSet::new();
    list(generation, Path::new(""), &mut found);
    let same_names = found.iter().eq(files.keys());
    same_names
        && files.iter().all(|(path, content)| {
            std::fs::read(generation.join(path)).is_ok_and(|bytes| bytes == content.bytes)
        })
}

fn list(root: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(root.join(below)).into_iter().flatten().flatten() {
        let path = below.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(root, &path, found);
        } else {
            found.insert(path);
        }
    }
}

/// The first part of each path is what containers see in the volume.
fn visible(files: &Files) -> BTreeSet<OsString> {
    let first = |path: &PathBuf| match path.components().find(|c| *c != Component::CurDir) {
        Some(Component::Normal(name)) => Some(name.to_owned()),
        _ => None,
    };
    files.keys().filter_map(first).collect()
}

fn link(volume: &Path, files: &Files) -> io::Result<()> {
    for name in visible(files) {
        let link = volume.join(&name);
        if std::fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(CURRENT).join(&name), &link)?;
        }
    }
    Ok(())
}

fn unlink_others(volume: &Path, files: &Files) -> io::Result<()> {
    let wanted = visible(files);
    for entry in std::fs::read_dir(volume)? {
        let name = entry?.file_name();
        if !name.to_string_lossy().starts_with("..") && !wanted.contains(&name) {
            remove_any(&volume.join(name))?;
        }
    }
    Ok(())
}

fn remove_any(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        let file = |text: &str| FileContent { bytes: text.as_bytes().to_vec(), mode: 0o640 };
        list.iter().map(|(path, text)| (PathBuf::from(path), file(text))).collect()
    }

    fn names(volume: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(volume).unwrap().flatten();
        let mut names: Vec<_> =
            entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| !name.starts_with(".."));
        names.sort();
        names
    }

    #[test]
    fn swaps_generations() {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path();
        write(volume, &files(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        assert_eq!(names(volume), ["a", "d"]);
        assert_eq!(std::fs::read_to_string(volume.join("d/b")).unwrap(), "2");
        let mode = std::fs::metadata(volume.join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let first = std::fs::read_link(volume.join(CURRENT)).unwrap();

        write(volume, &files(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        assert_eq!(std::fs::read_link(volume.join(CURRENT)).unwrap(), first, "nothing changed");

        write(volume, &files(&[("a", "3"), ("c", "4")]), None).unwrap();
        assert_eq!(names(volume), ["a", "c"]);
        assert_eq!(std::fs::read_to_string(volume.join("a")).unwrap(), "3");
        assert!(!volume.join(first).exists(), "the old generation is removed");
    }

    #[test]
    fn a_reader_never_sees_a_mixture() {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().to_owned();
        write(&volume, &files(&[("a", "0"), ("b", "0")]), None).unwrap();
        let reader = std::thread::spawn({
            let volume = volume.clone();
            move || {
                for _ in 0..2000 {
                    let Ok(data) = std::fs::canonicalize(volume.join(CURRENT)) else { continue };
                    let read = |name| std::fs::read_to_string(data.join(name));
                    if let (Ok(a), Ok(b)) = (read("a"), read("b")) {
                        assert_eq!(a, b);
                    }
                }
            }
        });
        for i in 0..200 {
            let text = i.to_string();
            write(&volume, &files(&[("a", &text), ("b", &text)]), None).unwrap();
        }
        reader.join().unwrap();
    }
}
