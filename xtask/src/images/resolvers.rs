//! The image of the tests that ask for names: glibc where every program finds it, dig and getent, and a
//! program that is linked with musl. No busybox, which crashes beside a shared libc.

use super::archive::Image;
use super::rootfs::{Rootfs, libraries_of};
use super::succeed;
use crate::workspace::{find_program, root, target_dir};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Those that are asked, and those that a pod cannot do without.
const PROGRAMS: [&str; 5] = ["dig", "getent", "sh", "cat", "sleep"];

/// What glibc loads to resolve names; where it is new enough (2.34), most of it is within libc itself.
const NSS_MODULES: [&str; 2] = ["libnss_files.so.2", "libnss_dns.so.2"];

pub(super) fn resolvers() -> Result<Image> {
    let mut rootfs = Rootfs::new();
    for directory in ["etc", "proc", "root", "run", "sys", "var"] {
        rootfs.add_directory(directory, 0o755);
    }
    rootfs.add_directory("tmp", 0o1777);
    rootfs.add_file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n".to_vec(), 0o644);
    rootfs.add_file("etc/group", b"root:x:0:\n".to_vec(), 0o644);
    rootfs.add_file("etc/nsswitch.conf", b"hosts: files dns\n".to_vec(), 0o644);
    // Programs of Rust that tests bring along need what this one does.
    let mut libraries = libraries_of(&std::env::current_exe()?)?;
    for name in PROGRAMS {
        let program = find_program(name)
            .with_context(|| format!("{name} is missing: run `cargo xtask setup`"))?;
        rootfs.copy_file(&program, &Path::new("bin").join(name))?;
        libraries.extend(libraries_of(&program)?);
    }
    libraries.extend(nss_modules(&libraries));
    libraries.sort_unstable();
    libraries.dedup();
    for library in &libraries {
        rootfs.copy_file(library, library.strip_prefix("/").unwrap_or(library))?;
    }
    rootfs.copy_file(&musl_program()?, Path::new("bin/musl-resolve"))?;
    Ok(Image {
        name: "sheave.local/resolvers:1".to_owned(),
        rootfs,
        command: ["sleep", "infinity"].map(str::to_owned).to_vec(),
    })
}

/// Those beside the C library.
fn nss_modules(libraries: &[PathBuf]) -> Vec<PathBuf> {
    let libc = libraries.iter().find(|path| path.ends_with("libc.so.6"));
    let directory = libc.and_then(|path| path.parent());
    let modules = NSS_MODULES.iter().filter_map(|name| Some(directory?.join(name)));
    modules.filter(|path| path.exists()).collect()
}

fn musl_program() -> Result<PathBuf> {
    let directory = target_dir().join("musl");
    std::fs::create_dir_all(&directory)?;
    let program = directory.join("resolve");
    let mut compile = Command::new("musl-gcc");
    compile.args(["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program);
    succeed(compile.arg(root().join("tests/musl/resolve.c")))
        .context("musl-gcc is needed: run `cargo xtask setup`")?;
    Ok(program)
}
