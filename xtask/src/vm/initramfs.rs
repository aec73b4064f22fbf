//! The files of a machine: busybox, the kernel's modules, the test programs and what they run, each
//! where it lies on this machine, with its libraries.

use super::kernel::Kernel;
use super::machine::PROGRAM_LIMIT_S;
use crate::images;
use crate::programs::Program;
use crate::workspace::{find_program, target_dir};
use anyhow::{Context, Result};
use images::rootfs::{Rootfs, libraries_of};
use std::fmt::Write as _;
use std::path::Path;

/// Programs of this machine that the tests run.
const TOOLS: [&str; 4] = ["ip", "tc", "bpftool", "nsenter"];

/// The archive that the kernel unpacks and starts `/init` in. Companions are programs of ours that the
/// tests run, below the directory that cargo builds into.
pub(super) fn build(
    kernel: &Kernel,
    programs: &[&Program],
    companions: &[&str],
) -> Result<Vec<u8>> {
    let mut rootfs = images::busybox_rootfs()?;
    for directory in ["dev", "modules"] {
        rootfs.add_directory(directory, 0o755);
    }
    rootfs.add_file("init", include_bytes!("init.sh").to_vec(), 0o755);
    for module in kernel.modules()? {
        let name = module.file_name().context("a module's name")?;
        rootfs.copy_file(&module, &Path::new("modules").join(name))?;
    }
    for tool in TOOLS {
        let path = find_program(tool)
            .with_context(|| format!("{tool} is missing: run `cargo xtask setup`"))?;
        copy_program(&mut rootfs, &path)?;
    }
    for companion in companions {
        copy_program(&mut rootfs, &target_dir().join(companion))?;
    }
    let mut list = String::new();
    for program in programs {
        copy_program(&mut rootfs, &program.executable)?;
        let directory = program.directory.to_str().context("the checkout's path is not UTF-8")?;
        let executable = program.executable.display();
        rootfs.add_directory(directory.trim_start_matches('/'), 0o755);
        let (name, arguments) = (program.name(), arguments(program));
        writeln!(list, "{name}|{arguments}|{PROGRAM_LIMIT_S}|{directory}|{executable}")?;
    }
    rootfs.add_file("programs", list.into_bytes(), 0o644);
    rootfs.to_cpio()
}

/// What the test runner is told.
fn arguments(program: &Program) -> &'static str {
    match program.target.as_str() {
        // Measures time, which means little where the processor is emulated.
        "cni" => "--test-threads=1 --skip twenty_pods_at_once_are_quick_and_distinct",
        _ => "--test-threads=1",
    }
}

/// With its libraries, all by the paths that they have here.
fn copy_program(rootfs: &mut Rootfs, path: &Path) -> Result<()> {
    rootfs.copy_file(path, inside(path))?;
    for library in libraries_of(path)? {
        rootfs.copy_file(&library, inside(&library))?;
    }
    Ok(())
}

fn inside(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}
