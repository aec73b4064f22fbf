//! Versions of an image: an archive of `cargo xtask images` once more, under other names.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

/// Writes the image of the archive `from` to `to`, with each of these names.
pub fn with_names(from: &Path, to: &Path, names: &[String]) {
    let file = std::fs::File::open(from)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask images`", from.display()));
    let mut archive = tar::Archive::new(file);
    let mut copy = tar::Builder::new(std::fs::File::create(to).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if path == "index.json" {
            content = index(&content, names);
        }
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        copy.append_data(&mut header, path, content.as_slice()).unwrap();
    }
    copy.finish().unwrap();
}

/// The index of an archive (image-layout.md of the OCI image specification), its one image named anew.
fn index(before: &[u8], names: &[String]) -> Vec<u8> {
    let mut index: Value = serde_json::from_slice(before).unwrap();
    let image = index["manifests"][0].clone();
    let named = |name: &String| {
        let mut image = image.clone();
        image["annotations"] = json!({
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name,
        });
        image
    };
    index["manifests"] = names.iter().map(named).collect();
    serde_json::to_vec(&index).unwrap()
}
