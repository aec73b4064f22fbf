//! Finds the kernel programs that this crate carries. Without them the crate still compiles: loading then
//! says what is missing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const OBJECTS: [&str; 3] = ["packets", "driver", "sockets"];

fn main() {
    println!("cargo:rerun-if-env-changed=SHEAVE_EBPF_DIR");
    let dir = object_dir();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for name in OBJECTS {
        let object = dir.join(name);
        println!("cargo:rerun-if-changed={}", object.display());
        let bytes = fs::read(&object).unwrap_or_else(|error| {
            println!(
                "cargo:warning=no kernel programs in {} ({error}): this build cannot load any; run `cargo xtask build-ebpf` and build again",
                object.display()
            );
            Vec::new()
        });
        fs::write(out.join(name), bytes).expect("OUT_DIR can be written");
    }
}

/// Where `cargo xtask build-ebpf` leaves the objects.
fn object_dir() -> PathBuf {
    if let Some(dir) = env::var_os("SHEAVE_EBPF_DIR") {
        return dir.into();
    }
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => workspace(&manifest).join("target"),
    };
    target.join("bpf/bpfel-unknown-none/bpf")
}

fn workspace(manifest: &Path) -> &Path {
    manifest.ancestors().nth(2).expect("the crate lies two directories below the workspace")
}
