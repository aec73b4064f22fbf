//! Image archives on the node's disk become images of the runtime: the pause image always, others so that
//! a node without a registry works.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::pause;
use crate::cri::Cri;

/// Why an archive did not become an image.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error("cannot read {path}; {remedy}")]
    Read {
        path: String,
        remedy: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot run {program}; apt-get install containerd")]
    Client {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{archive} is not imported: {output}")]
    Refused { archive: String, output: String },
}

/// Imports by containerd's own client: archives are no part of CRI.
#[derive(Clone, Debug)]
pub(super) struct Importer {
    pub(super) ctr: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) snapshotter: &'static str,
}

impl Importer {
    /// Makes the pause image unless it is there.
    pub(super) async fn ensure_pause(&self, cri: &Cri, program: &Path) -> Result<(), ImportError> {
        if matches!(cri.image(pause::PAUSE_IMAGE).await, Ok(Some(_))) {
            return Ok(());
        }
        let read = |source| ImportError::Read {
            path: program.display().to_string(),
            remedy: "the pause program is installed beside the agent, or set its path",
            source,
        };
        let program_bytes = std::fs::read(program).map_err(read)?;
        let archive = pause::archive(&program_bytes).map_err(read)?;
        self.import("-", Some(&archive)).await?;
        self.wait_known(cri, pause::PAUSE_IMAGE).await;
        Ok(())
    }

    /// Imports the archives of a directory whose images are missing. One that cannot be read is named in
    /// the log and does not keep the others back.
    pub(super) async fn import_missing(&self, cri: &Cri, directory: &Path) {
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        let mut archives: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        archives.retain(|path| path.extension().is_some_and(|extension| extension == "tar"));
        archives.sort();
        for archive in archives {
            let names = archive_names(&archive);
            let mut missing = names.is_empty();
            for name in &names {
                missing |= !matches!(cri.image(name).await, Ok(Some(_)));
            }
            if !missing {
                continue;
            }
            let path = archive.display().to_string();
            match self.import(&path, None).await {
                Ok(()) => tracing::info!(archive = path, images = ?names, "imported"),
                Err(error) => tracing::warn!(archive = path, %error, "image archive left out"),
            }
            for name in &names {
                self.wait_known(cri, name).await;
            }
        }
    }

    async fn import(&self, path: &str, content: Option<&[u8]>) -> Result<(), ImportError> {
        let client =
            |source| ImportError::Client { program: self.ctr.display().to_string(), source };
        let mut child = Command::new(&self.ctr)
            .arg("--address")
            .arg(&self.socket)
            .args(["--namespace", "k8s.io", "images", "import", "--snapshotter", self.snapshotter])
            .arg(path)
            .stdin(if content.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(client)?;
        if let (Some(content), Some(mut stdin)) = (content, child.stdin.take()) {
            // A client that ends early says why on stderr, not here.
            let _ = stdin.write_all(content).await;
        }
        let output = child.wait_with_output().await.map_err(client)?;
        if output.status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(ImportError::Refused { archive: path.to_owned(), output })
    }

    /// The runtime's image books follow an import by an event of their own.
    async fn wait_known(&self, cri: &Cri, image: &str) {
        for _ in 0..100 {
            if matches!(cri.image(image).await, Ok(Some(_))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The names of the images in an archive, from its index (OCI) or manifest (docker).
fn archive_names(path: &Path) -> Vec<String> {
    let Ok(file) = std::fs::File::open(path) else { return Vec::new() };
    let mut archive = tar::Archive::new(std::io::BufReader::new(file));
    let Ok(entries) = archive.entries_with_seek() else { return Vec::new() };
    let mut names = Vec::new();
    for entry in entries.flatten() {
        let name = entry.path().map(|p| p.display().to_string()).unwrap_or_default();
        let is_index = matches!(name.as_str(), "index.json" | "manifest.json");
        if is_index && let Ok(json) = serde_json::from_reader::<_, serde_json::Value>(entry) {
            names.extend(index_names(&json));
        }
    }
    names.sort();
    names.dedup();
    names
}

fn index_names(json: &serde_json::Value) -> Vec<String> {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let oci = json["manifests"].as_array().into_iter().flatten();
    let oci = oci.filter_map(|m| text(&m["annotations"]["io.containerd.image.name"]));
    let docker = json.as_array().into_iter().flatten();
    let docker =
        docker.flat_map(|m| m["RepoTags"].as_array().into_iter().flatten().filter_map(text));
    oci.chain(docker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_both_layouts() {
        let oci = serde_json::json!({"manifests": [
            {"annotations": {"io.containerd.image.name": "a/b:1"}}, {"digest": "x"}]});
        assert_eq!(index_names(&oci), ["a/b:1"]);
        let docker = serde_json::json!([{"RepoTags": ["c:2", "d:3"]}]);
        assert_eq!(index_names(&docker), ["c:2", "d:3"]);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pause.tar");
        std::fs::write(&file, pause::archive(b"x").unwrap()).unwrap();
        assert_eq!(archive_names(&file), [pause::PAUSE_IMAGE]);
    }
}
