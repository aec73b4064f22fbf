//! The tree of files of an image, in memory, written out as a tar layer that has the same bytes
//! whenever its content is the same.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

enum Entry {
    Directory { mode: u32 },
    File { content: Vec<u8>, mode: u32 },
    Link { target: String },
}

/// A tree of files; paths have no leading slash.
pub(super) struct Rootfs {
    /// Ordered, so that a directory comes before what it holds.
    entries: BTreeMap<PathBuf, Entry>,
}

impl Rootfs {
    pub(super) fn new() -> Self {
        Self { entries: BTreeMap::new() }
    }

    pub(super) fn add_directory(&mut self, path: &str, mode: u32) {
        self.add(Path::new(path), Entry::Directory { mode });
    }

    pub(super) fn add_file(&mut self, path: &str, content: Vec<u8>, mode: u32) {
        self.add(Path::new(path), Entry::File { content, mode });
    }

    pub(super) fn add_link(&mut self, path: &str, target: &str) {
        self.add(Path::new(path), Entry::Link { target: target.to_owned() });
    }

    /// Copies a file of this machine, following links; its permissions stay.
    pub(super) fn copy_file(&mut self, source: &Path, path: &Path) -> Result<()> {
        let content = std::fs::read(source).with_context(|| format!("{}", source.display()))?;
        let mode = source.metadata()?.permissions().mode() & 0o777;
        self.add(path, Entry::File { content, mode });
        Ok(())
    }

    fn add(&mut self, path: &Path, entry: Entry) {
        for parent in path.ancestors().skip(1).filter(|parent| *parent != Path::new("")) {
            self.entries.entry(parent.to_owned()).or_insert(Entry::Directory { mode: 0o755 });
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// The tree as an uncompressed tar: owned by root, dated 1970.
    pub(super) fn to_layer(&self) -> Result<Vec<u8>> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            match entry {
                Entry::Directory { mode } => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(*mode);
                    header.set_size(0);
                    builder.append_data(&mut header, path, std::io::empty())?;
                }
                Entry::File { content, mode } => {
                    header.set_mode(*mode);
                    header.set_size(content.len() as u64);
                    builder.append_data(&mut header, path, content.as_slice())?;
                }
                Entry::Link { target } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    builder.append_link(&mut header, path, target)?;
                }
            }
        }
        builder.into_inner().context("writing a layer")
    }
}

/// The shared libraries and the dynamic linker that a program needs, by the paths it finds them at;
/// empty for a static program.
pub(super) fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
    if !output.status.success() {
        return Ok(Vec::new());
    }
    let text = String::from_utf8(output.stdout).context("ldd")?;
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        bail!("{}: {}", program.display(), line.trim());
    }
    Ok(parse_ldd(&text))
}

/// Lines are `name => /path (address)`, `/path (address)` or a name without a file (the vDSO).
fn parse_ldd(text: &str) -> Vec<PathBuf> {
    text.lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_is_read_by_its_paths() {
        let text = "\tlinux-vdso.so.1 (0x00007f)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(parse_ldd(text), expected.map(PathBuf::from));
        assert_eq!(parse_ldd("\tstatically linked\n"), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_layer_names_parents_first_and_is_the_same_each_time() {
        let build = || {
            let mut rootfs = Rootfs::new();
            rootfs.add_file("usr/bin/hello", b"hello".to_vec(), 0o755);
            rootfs.add_link("bin/sh", "busybox");
            rootfs.to_layer().unwrap()
        };
        let layer = build();
        assert_eq!(layer, build());
        let mut archive = tar::Archive::new(layer.as_slice());
        let paths: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(paths, ["bin", "bin/sh", "usr", "usr/bin", "usr/bin/hello"]);
    }
}
