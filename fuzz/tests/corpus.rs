//! Every input that a search has kept, and every one that once broke something, once more; then a long walk
//! at random.

#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test, and says where")]

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};

/// The kept inputs of a target, in order of name.
fn corpus(target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn try_all(target: &str, run: fn(&[u8])) {
    let files = corpus(target);
    assert!(!files.is_empty(), "a search of {target} keeps inputs");
    for file in files {
        // The last line before a failure says which.
        println!("{}", file.display());
        run(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn kept_messages_break_nothing() {
    try_all("dns", sheave_fuzz::dns::run);
}

#[test]
fn kept_changes_of_services_break_nothing() {
    try_all("services", sheave_fuzz::services::run);
}

#[test]
fn kept_packets_break_nothing() {
    try_all("packets", sheave_fuzz::packets::run);
}

#[test]
fn packets_at_random_break_nothing() {
    let mut random = StdRng::seed_from_u64(20261121);
    let mut bytes = [0; 1500];
    for _ in 0..500 {
        let len = random.next_u32() as usize % bytes.len();
        random.fill_bytes(&mut bytes[..len]);
        sheave_fuzz::packets::run(&bytes[..len]);
    }
}

#[test]
fn messages_at_random_break_nothing() {
    let mut random = StdRng::seed_from_u64(20261121);
    let mut bytes = [0; 600];
    for _ in 0..2000 {
        let len = random.next_u32() as usize % bytes.len();
        random.fill_bytes(&mut bytes[..len]);
        // The header of a question that is none to begin with, and of one with EDNS.
        sheave_fuzz::dns::run(&bytes[..len]);
        if len > 13 {
            bytes[3..13].copy_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
            sheave_fuzz::dns::run(&bytes[..len]);
        }
    }
}

/// Ten thousand steps, and short lives.
#[test]
fn services_at_random_break_nothing() {
    let mut random = StdRng::seed_from_u64(20261121);
    let mut bytes = vec![0; 10_000 * 8];
    random.fill_bytes(&mut bytes);
    sheave_fuzz::services::run_steps(&bytes, 10_000);
    for _ in 0..200 {
        let len = random.next_u32() as usize % 400;
        random.fill_bytes(&mut bytes[..len]);
        sheave_fuzz::services::run(&bytes[..len]);
    }
}
