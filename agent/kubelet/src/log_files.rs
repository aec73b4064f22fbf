//! The log files of containers: where they are, which there are, when they turn over.

use std::path::{Path, PathBuf};

/// A log and what it was rotated into: `0.log`, `0.log.<time>`.
pub(crate) fn files_of_run(log: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name()) else { return Vec::new() };
    let prefix = format!("{}.", name.to_string_lossy());
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let rotated = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let mut files: Vec<_> = rotated.map(|entry| entry.path()).collect();
    // The time in the name sorts as it passes.
    files.sort();
    files.push(log.to_owned());
    files
}

/// Removes the logs of a run that nobody can ask for any more.
pub(crate) fn remove_run(log: &Path) {
    for file in files_of_run(log) {
        if let Err(error) = std::fs::remove_file(&file) {
            tracing::debug!(file = %file.display(), %error, "log not removed");
        }
    }
}
