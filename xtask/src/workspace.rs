//! Where things are in the checkout, and a cargo that starts with a clean environment.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The four programs that `cargo xtask build` makes, as (package, binary).
pub(crate) const PROGRAMS: [(&str, &str); 4] = [
    ("sheave-cli", "sheave"),
    ("sheave-controlplane", "sheave-server"),
    ("sheave-agent", "sheave-agent"),
    ("sheave-cni", "sheave-cni"),
];

/// What a node runs, as named in the release directory.
pub(crate) const INSTALLED: [&str; 5] =
    ["sheave", "sheave-server", "sheave-agent", "sheave-cni", "sheave-pause"];

/// Packages whose tests make namespaces, load kernel programs or start a cluster.
pub(crate) const NEEDS_ROOT: [&str; 6] = [
    "sheave-agent",
    "sheave-cni",
    "sheave-dataplane",
    "sheave-kubelet",
    "sheave-pause",
    "sheave-tests",
];

/// The checkout's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies below the workspace root")
}

/// Everything that is built lies below this directory.
pub(crate) fn target_dir() -> PathBuf {
    root().join("target")
}

/// A release binary of ours.
pub(crate) fn binary(name: &str) -> PathBuf {
    target_dir().join("release").join(name)
}

/// A cargo command in the workspace root.
///
/// xtask itself runs below cargo and rustup, and both leave variables behind that would choose the
/// compiler, its flags and its libraries for the inner build: those are taken away.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_left_by_outer_build) {
            command.env_remove(&name);
        }
    }
    command.env("PATH", path_with_cargo_bin());
    command
}

/// Variables that cargo and rustup set for the programs they run.
///
/// What a user sets to steer every cargo on the machine stays: home and proxy, registry and net
/// settings, number of jobs.
fn is_left_by_outer_build(name: &str) -> bool {
    const PREFIXES: [&str; 2] = ["CARGO_PKG_", "CARGO_BIN_"];
    const NAMES: [&str; 17] = [
        "CARGO",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_DIR",
        "LD_LIBRARY_PATH",
        "MAKEFLAGS",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "RUSTUP_TOOLCHAIN_SOURCE",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// `PATH` with the directory in front where `cargo install` puts programs.
fn path_with_cargo_bin() -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::iter::once(cargo_bin_dir()).chain(std::env::split_paths(&path));
    std::env::join_paths(directories).unwrap_or(path)
}

/// Where `cargo install` puts programs.
pub(crate) fn cargo_bin_dir() -> PathBuf {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    home.unwrap_or_else(|| PathBuf::from("/root/.cargo")).join("bin")
}

/// The first program of this name on `PATH`, in cargo's directory or in the system's `sbin`s,
/// which an ordinary user's `PATH` leaves out.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = path_with_cargo_bin();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_compiler_is_not_inherited() {
        for name in ["RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "CARGO_PKG_NAME"] {
            assert!(is_left_by_outer_build(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_BUILD_JOBS", "CARGO_HTTP_CAINFO", "HOME", "PATH"] {
            assert!(!is_left_by_outer_build(name), "{name}");
        }
    }

    #[test]
    fn programs_outside_a_users_path_are_found() {
        assert!(find_program("sh").is_some());
        assert!(find_program("no-program-has-this-name").is_none());
    }
}
