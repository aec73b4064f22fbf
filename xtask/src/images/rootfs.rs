//! The tree of files of an image, in memory, written out as a tar layer or as a cpio archive, which
//! have the same bytes whenever the content is the same.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

enum Entry {
    Directory { mode: u32 },
    File { content: Vec<u8>, mode: u32 },
    Link { target: String },
}

/// A tree of files; paths have no leading slash.
pub(crate) struct Rootfs {
    /// Ordered, so that a directory comes before what it holds.
    entries: BTreeMap<PathBuf, Entry>,
}

impl Rootfs {
    pub(crate) fn new() -> Self {
        Self { entries: BTreeMap::new() }
    }

    pub(crate) fn add_directory(&mut self, path: &str, mode: u32) {
        self.add(Path::new(path), Entry::Directory { mode });
    }

    pub(crate) fn add_file(&mut self, path: &str, content: Vec<u8>, mode: u32) {
        self.add(Path::new(path), Entry::File { content, mode });
    }

    pub(crate) fn add_link(&mut self, path: &str, target: &str) {
        self.add(Path::new(path), Entry::Link { target: target.to_owned() });
    }

    /// Copies a file of this machine, following links; its permissions stay.
    pub(crate) fn copy_file(&mut self, source: &Path, path: &Path) -> Result<()> {
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
    pub(crate) fn to_layer(&self) -> Result<Vec<u8>> {
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

    /// The tree as a kernel unpacks it at boot: owned by root, dated 1970.
    pub(crate) fn to_cpio(&self) -> Result<Vec<u8>> {
        const DIRECTORY: u32 = 0o040_000;
        const FILE: u32 = 0o100_000;
        const LINK: u32 = 0o120_000;
        let mut archive = Vec::new();
        for (number, (path, entry)) in self.entries.iter().enumerate() {
            let name = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
            let (mode, content) = match entry {
                Entry::Directory { mode } => (DIRECTORY | mode, &[][..]),
                Entry::File { content, mode } => (FILE | mode, content.as_slice()),
                Entry::Link { target } => (LINK | 0o777, target.as_bytes()),
            };
            append_cpio(&mut archive, number + 1, name, mode, content)?;
        }
        append_cpio(&mut archive, 0, "TRAILER!!!", 0, &[])?;
        Ok(archive)
    }
}

/// One file of an archive in the format "newc" (Documentation/driver-api/early-userspace/buffer-format.rst):
/// a header of thirteen numbers of eight hexadecimal digits, the name, the content; each padded to four
/// bytes.
fn append_cpio(
    archive: &mut Vec<u8>,
    inode: usize,
    name: &str,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let size = u32::try_from(content.len()).with_context(|| format!("{name} is too large"))?;
    let name_size = name.len() + 1;
    // inode, mode, user, group, links, time, size, two numbers each of device and special file, the
    // name's size, checksum.
    write!(archive, "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{1:08x}{0:08x}{size:08x}", 0, 1)?;
    write!(archive, "{0:08x}{0:08x}{0:08x}{0:08x}{name_size:08x}{0:08x}{name}\0", 0)?;
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
    Ok(())
}

/// The shared libraries and the dynamic linker that a program needs, by the paths it finds them at;
/// empty for a static program.
pub(crate) fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
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

    #[test]
    fn cpio_unpacks_what_was_packed() {
        let mut rootfs = Rootfs::new();
        rootfs.add_file("usr/bin/hello", b"hello".to_vec(), 0o755);
        rootfs.add_link("bin/sh", "../usr/bin/hello");
        let directory = std::env::temp_dir().join(format!("xtask-cpio-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let mut unpack = Command::new("busybox");
        let archive = directory.join("archive");
        std::fs::write(&archive, rootfs.to_cpio().unwrap()).unwrap();
        unpack.args(["cpio", "-i", "-F", "archive"]).current_dir(&directory);
        let unpacked = unpack.status().unwrap().success();
        let content = std::fs::read_to_string(directory.join("bin/sh"));
        let mode = directory.join("usr/bin/hello").metadata().map(|data| data.permissions().mode());
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(unpacked);
        assert_eq!(content.unwrap(), "hello");
        assert_eq!(mode.unwrap() & 0o777, 0o755);
    }
}
