//! `cargo xtask build-ebpf`: the kernel programs, with the first compiler found that has a core
//! library for BPF: Debian's rustc-web, or a nightly with the library's sources.

use crate::step;
use crate::workspace::{cargo, find_program, target_dir};
use anyhow::{Result, anyhow, bail};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "bpfel-unknown-none";

/// The kernel reads headers at any alignment on the machines that Sheave runs on; without the feature the
/// compiler reads them byte by byte, which makes the programs half as long again. Likewise the linker has
/// memory moved and cleared byte by byte, in loops that packets and the verifier must go through, unless it
/// is told to leave that to the compiler.
const RUSTFLAGS: &str = "-C linker=bpf-linker -C link-arg=--btf \
    -C link-arg=--disable-expand-memcpy-in-order -C target-feature=+allows-misaligned-mem-access";

/// What to do when no compiler is found.
pub(crate) const TOOLCHAIN_REMEDY: &str = "install Debian's rustc-web and libstd-rust-web-dev-bpf, or run \
    `rustup toolchain install nightly --component rust-src`";

/// A compiler that can build for the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// A system compiler whose core library for BPF is installed beside it.
    Prebuilt { rustc: PathBuf, version: String },
    /// A nightly of rustup with the core library's sources, which are compiled along.
    Nightly { version: String },
}

impl fmt::Display for Toolchain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prebuilt { rustc, version } => {
                write!(formatter, "{} ({version}), with its prebuilt core for BPF", rustc.display())
            }
            Self::Nightly { version } => {
                write!(formatter, "nightly ({version}), compiling core from rust-src")
            }
        }
    }
}

/// Builds the kernel programs.
pub(crate) fn run() -> Result<()> {
    build("programs", "bpf")
}

/// Builds those that log what they do with each packet, beside the others: for development.
pub(crate) fn run_logging() -> Result<()> {
    build("log", LOG_DIR)
}

/// Where the logging programs are built; an agent that is built with SHEAVE_EBPF_DIR set to the directory
/// of the objects carries them.
const LOG_DIR: &str = "bpf-log";

fn build(feature: &str, directory: &str) -> Result<()> {
    let toolchain = find_toolchain()
        .ok_or_else(|| anyhow!("no compiler for the kernel programs: {TOOLCHAIN_REMEDY}"))?;
    if find_program("bpf-linker").is_none() {
        bail!("bpf-linker is missing: run `cargo xtask setup`");
    }
    println!("Kernel programs, with {toolchain}:");
    let what = format!("build the kernel programs, {feature}");
    let mut command = build_command(&toolchain);
    command.args(["--features", feature, "--target-dir"]).arg(target_dir().join(directory));
    step::run(&what, &mut command)?;
    Ok(())
}

/// The first compiler that will do.
pub(crate) fn find_toolchain() -> Option<Toolchain> {
    find_prebuilt().or_else(find_nightly)
}

fn find_prebuilt() -> Option<Toolchain> {
    let rustc = PathBuf::from("/usr/bin/rustc");
    let sysroot = first_line(Command::new(&rustc).args(["--print", "sysroot"]))?;
    let library_dir = Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib");
    let has_core = library_dir.read_dir().ok()?.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.starts_with("libcore-") && name.ends_with(".rlib"))
    });
    if !has_core {
        return None;
    }
    let version = first_line(Command::new(&rustc).arg("--version"))?;
    Some(Toolchain::Prebuilt { rustc, version })
}

fn find_nightly() -> Option<Toolchain> {
    let rustc = || {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "rustc"]);
        command
    };
    let sysroot = first_line(rustc().args(["--print", "sysroot"]))?;
    if !Path::new(&sysroot).join("lib/rustlib/src/rust/library/core").is_dir() {
        return None;
    }
    let version = first_line(rustc().arg("--version"))?;
    Some(Toolchain::Nightly { version })
}

/// The first line of what a command prints; `None` when it cannot be run or fails.
fn first_line(command: &mut Command) -> Option<String> {
    // The dynamic linker must not find the outer toolchain's compiler libraries.
    let output = command
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("RUSTUP_TOOLCHAIN")
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

fn build_command(toolchain: &Toolchain) -> Command {
    let mut command = cargo();
    match toolchain {
        Toolchain::Prebuilt { rustc, .. } => {
            command
                .env("RUSTC", rustc)
                // The programs need features that only a nightly admits by default.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback")
                .arg("build");
        }
        Toolchain::Nightly { .. } => {
            command.env("RUSTUP_TOOLCHAIN", "nightly").args(["build", "-Z", "build-std=core"]);
        }
    }
    command
        .env("RUSTFLAGS", RUSTFLAGS)
        .args(["--profile", "bpf", "--package", "sheave-ebpf", "--bins"])
        .args(["--target", TARGET]);
    command
}
