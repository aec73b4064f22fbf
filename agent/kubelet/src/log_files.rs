//! The log files of containers: which there are, and when they turn over.

use std::path::{Path, PathBuf};

use crate::context::Shared;
use crate::cri::v1;

/// A log that is longer is rotated.
const LOG_BYTES_MAX: u64 = 10 << 20;
/// Files kept of one run, the one being written included.
const FILES_MAX: usize = 5;

/// The rotated files of a log, oldest first, then the log itself: `0.log.<time>`, `0.log`.
pub(crate) fn files_of_run(log: &Path) -> Vec<PathBuf> {
    let mut files = rotated(log);
    files.push(log.to_owned());
    files
}

fn rotated(log: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name()) else { return Vec::new() };
    let prefix = format!("{}.", name.to_string_lossy());
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let found = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let mut files: Vec<_> = found.map(|entry| entry.path()).collect();
    // The time in the name sorts as it passes.
    files.sort();
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

/// Rotates the logs of running containers that have grown too long. The runtime goes on in a new file
/// once it is told.
pub(crate) async fn rotate(context: &Shared, running: &[v1::Container]) {
    for container in running {
        let Some(log) = log_of(context, container) else { continue };
        let long = std::fs::metadata(&log).is_ok_and(|found| found.len() > LOG_BYTES_MAX);
        if !long {
            continue;
        }
        if let Err(error) = turn_over(&log) {
            tracing::warn!(log = %log.display(), %error, "log not rotated");
            continue;
        }
        if let Err(status) = context.cri().reopen_log(&container.id).await {
            tracing::warn!(log = %log.display(), %status, "the runtime does not open a new log");
        }
    }
}

fn log_of(context: &Shared, container: &v1::Container) -> Option<PathBuf> {
    let labels = crate::cri::PodLabels::read(&container.labels)?;
    let metadata = container.metadata.as_ref()?;
    let directory = format!("{}_{}_{}", labels.key.namespace, labels.key.name, labels.uid);
    let file = crate::pod::log_path(&metadata.name, metadata.attempt);
    Some(context.config.log_dir.join(directory).join(file))
}

fn turn_over(log: &Path) -> std::io::Result<()> {
    let old = rotated(log);
    let surplus = (old.len() + 2).saturating_sub(FILES_MAX);
    for file in old.iter().take(surplus) {
        std::fs::remove_file(file)?;
    }
    let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S.%6f");
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{time}"));
    std::fs::rename(log, PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_five_files() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        for i in 0..8 {
            std::fs::write(&log, i.to_string()).unwrap();
            turn_over(&log).unwrap();
        }
        std::fs::write(&log, "8").unwrap();
        let texts: Vec<_> =
            files_of_run(&log).iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        assert_eq!(texts, ["4", "5", "6", "7", "8"]);
        remove_run(&log);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
