//! An image as one archive in the OCI image layout (image-spec v1.0, image-layout.md), which
//! containerd imports under the name in its index.

use super::rootfs::Rootfs;
use anyhow::{Context, Result, bail};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::Path;

/// An image with a single layer.
pub(super) struct Image {
    /// Full reference, for example `sheave.local/busybox:1`.
    pub(super) name: String,
    pub(super) rootfs: Rootfs,
    /// What runs when a container names no command.
    pub(super) command: Vec<String>,
}

impl Image {
    /// Writes `<name>-<tag>.tar` into `directory`. The file is replaced in one move, and only when
    /// its content changed.
    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(self.file_name()?);
        let archive = self.to_archive()?;
        if std::fs::read(&path).is_ok_and(|existing| existing == archive) {
            return Ok(());
        }
        let partial = path.with_extension("partial");
        std::fs::write(&partial, archive).with_context(|| format!("{}", partial.display()))?;
        std::fs::rename(&partial, &path).with_context(|| format!("{}", path.display()))
    }

    fn file_name(&self) -> Result<String> {
        let last = self.name.rsplit('/').next().unwrap_or(&self.name);
        match last.split_once(':') {
            Some((name, tag)) => Ok(format!("{name}-{tag}.tar")),
            None => bail!("the image name {} has no tag", self.name),
        }
    }

    fn to_archive(&self) -> Result<Vec<u8>> {
        let layer = self.rootfs.to_layer()?;
        let config = serde_json::to_vec(&json!({
            "architecture": architecture()?,
            "os": "linux",
            "config": {
                "Cmd": self.command,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "WorkingDir": "/",
            },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        }))?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        }))?;
        let mut manifest_entry =
            descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        manifest_entry["annotations"] = json!({
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": self.name,
        });
        let index = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "manifests": [manifest_entry],
        }))?;
        let layout = serde_json::to_vec(&json!({ "imageLayoutVersion": "1.0.0" }))?;
        let mut files = vec![("oci-layout".to_owned(), layout), ("index.json".to_owned(), index)];
        files.extend([config, manifest, layer].map(|blob| (blob_path(&blob), blob)));
        pack(&files)
    }
}

fn descriptor(media_type: &str, blob: &[u8]) -> serde_json::Value {
    json!({ "mediaType": media_type, "digest": digest(blob), "size": blob.len() })
}

fn digest(blob: &[u8]) -> String {
    format!("sha256:{}", hex(blob))
}

fn blob_path(blob: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(blob))
}

fn hex(blob: &[u8]) -> String {
    Sha256::digest(blob).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pack(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_mtime(0);
        builder.append_data(&mut header, path, content.as_slice())?;
    }
    builder.into_inner().context("writing an image archive")
}

/// This machine's architecture by the name that images use.
fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("images can be built on x86_64 and aarch64, not on {other}"),
    }
}
