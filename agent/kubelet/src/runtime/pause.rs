//! The image of the pod sandbox: one static program, packed here as an OCI archive, so that no node needs
//! a registry to start its first pod.

use std::io::Write;

use serde_json::json;
use sha2::{Digest, Sha256};

/// Name of the image. The number grows when the program's behaviour changes.
pub(super) const PAUSE_IMAGE: &str = "sheave.local/pause:1";

/// An OCI image archive with the program as `/pause` and nothing else.
pub(super) fn archive(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let layer = layer(program)?;
    let diff_id = digest(&layer);
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    })
    .to_string();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    entry["annotations"] = json!({"io.containerd.image.name": PAUSE_IMAGE});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();

    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
    append(&mut archive, "index.json", index.as_bytes(), 0o644)?;
    for blob in [config.as_bytes(), manifest.as_bytes(), &layer] {
        append(&mut archive, &blob_path(blob), blob, 0o644)?;
    }
    archive.into_inner()
}

fn layer(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, "pause", program, 0o755)?;
    layer.into_inner()
}

fn append<W: Write>(
    archive: &mut tar::Builder<W>,
    path: &str,
    content: &[u8],
    mode: u32,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    archive.append_data(&mut header, path, content)
}

fn descriptor(media_type: &str, content: &[u8]) -> serde_json::Value {
    json!({"mediaType": media_type, "digest": digest(content), "size": content.len()})
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex(content))
}

fn blob_path(content: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(content))
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As OCI names it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_is_complete_and_repeatable() {
        let bytes = archive(b"program").unwrap();
        assert_eq!(bytes, archive(b"program").unwrap());
        let mut archive = tar::Archive::new(bytes.as_slice());
        let paths: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(paths[..2], ["oci-layout", "index.json"]);
        assert_eq!(paths.len(), 5);
    }
}
