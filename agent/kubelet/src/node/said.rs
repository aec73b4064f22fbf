//! What was last said of the node, kept for the next agent: one that starts anew goes on from there, so
//! that its own restart is no change of the node. Of the time before the machine's last start it says
//! nothing.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1 as api;

use super::Facts;

/// The file that holds the last v1 NodeStatus, JSON.
#[derive(Clone, Debug)]
pub(crate) struct SaidBefore {
    file: PathBuf,
}

impl SaidBefore {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { file: data_dir.join("node-status.json") }
    }

    /// `None` when nothing was said since this machine started.
    pub(crate) fn read(&self, facts: &Facts) -> Option<api::NodeStatus> {
        let status: api::NodeStatus =
            serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()?;
        let boot_id = status.node_info.as_ref().map(|info| info.boot_id.as_str());
        (boot_id == Some(facts.boot_id.as_str())).then_some(status)
    }

    /// A status that cannot be kept is said again by the next agent as if it were new: no harm.
    pub(crate) fn write(&self, encoded: &[u8]) {
        let unfinished = self.file.with_extension("new");
        let written = std::fs::write(&unfinished, encoded)
            .and_then(|()| std::fs::rename(&unfinished, &self.file));
        if let Err(error) = written {
            tracing::debug!(file = %self.file.display(), %error, "not kept");
        }
    }
}

/// Takes the file of a node away.
pub(crate) fn forget(data_dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(SaidBefore::new(data_dir).file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a status says that the node is ready.
pub(super) fn is_ready(status: &api::NodeStatus) -> bool {
    status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::{Health, encode, status};
    use super::*;
    use crate::config::KubeletConfig;

    #[test]
    fn is_remembered_until_the_machine_starts_again() {
        let dir = tempfile::tempdir().unwrap();
        let said = SaidBefore::new(dir.path());
        let config = KubeletConfig::new("n1", Vec::new());
        let mut facts = Facts::read(&config);
        assert_eq!(said.read(&facts), None);
        let before = status(&config, &facts, &Health::default(), None, Timestamp::UNIX_EPOCH);
        assert!(is_ready(&before));
        said.write(&encode(&before));
        assert_eq!(said.read(&facts), Some(before));
        facts.boot_id = "another".into();
        assert_eq!(said.read(&facts), None);
    }
}
