//! What the agent refuses before it has made anything: each in one sentence with the remedy.
//!
//! `sheave-agent --check` does this alone. `sheave up` asks it before it starts a control plane that would
//! then have no node.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sheave_dataplane::{Feature, Features};

use crate::announcing;
use crate::config::RunArguments;
use crate::machine::Machine;

/// More than a file system packs into an inode, so that a full one says so.
const TRIAL_BYTES: usize = 64 << 10;

/// Finds this machine, and refuses it when it cannot be a node. Leaves nothing behind.
pub(crate) fn refuse_what_cannot_work(arguments: &RunArguments) -> Result<Machine> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the agent needs root: run it as root, or with sudo");
    }
    let directories = &arguments.directories;
    let machine = Machine::find(arguments)?;
    announcing::given_key(arguments)?;
    let features = Features::probe(&directories.bpffs_dir);
    refuse_missing(features.blocking())?;
    for feature in features.all.iter().filter(|feature| !feature.present) {
        tracing::info!("without {}: {}; {}", feature.name, feature.cost, feature.remedy);
    }
    if arguments.manifests.is_none() && arguments.cri_endpoint.is_none() {
        sheave_kubelet::ManagedRuntime::default().check_programs()?;
    }
    refuse_unwritable(&directories.data_dir, "--data-dir")?;
    refuse_unwritable(&directories.run_dir, "--run-dir")?;
    Ok(machine)
}

fn refuse_missing<'a>(missing: impl Iterator<Item = &'a Feature>) -> Result<()> {
    let sentence =
        |feature: &Feature| format!("no {}: {}; {}", feature.name, feature.cost, feature.remedy);
    let sentences: Vec<String> = missing.map(sentence).collect();
    if sentences.is_empty() {
        return Ok(());
    }
    bail!("this machine cannot run Sheave: {}", sentences.join(". "))
}

/// Tries with a file where the directory is or will be.
fn refuse_unwritable(dir: &Path, flag: &str) -> Result<()> {
    let there = dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let trial = there.join(format!(".sheave-trial-{}", std::process::id()));
    let written = fs::File::create(&trial).and_then(|mut file| {
        file.write_all(&[0; TRIAL_BYTES])?;
        file.sync_all()
    });
    let _ = fs::remove_file(&trial);
    written.or_else(|error| {
        let remedy = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space",
            ErrorKind::NotADirectory => "move that file away",
            _ => "make it writable",
        };
        let sentence = format!(
            "cannot write to {}: {remedy}, or choose another place with {flag}",
            there.display()
        );
        Err(error).context(sentence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_place_of_a_directory_is_named_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        refuse_unwritable(&dir.path().join("not/there/yet"), "--data-dir").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = refuse_unwritable(&file.join("data"), "--data-dir").unwrap_err().to_string();
        let expected = format!("cannot write to {}: move that file away", file.display());
        assert!(error.starts_with(&expected) && error.ends_with("--data-dir"), "{error}");
    }
}
