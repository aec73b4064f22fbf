//! What the agent changed on the machine outside its own directories, with the values from before: written
//! down before the change, so that whatever is killed when, cleanup can put it back.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The file, open for changes.
#[derive(Debug)]
pub(crate) struct Footprint {
    path: PathBuf,
    written: Written,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    /// Below /proc/sys, with the value from before the first change.
    sysctls: BTreeMap<String, String>,
}

impl Footprint {
    /// What is written down so far; nothing, when there is no file.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let written = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is damaged", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Written::default(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Self { path, written })
    }

    /// Values from before.
    pub(crate) fn sysctls(&self) -> &BTreeMap<String, String> {
        &self.written.sysctls
    }

    /// Remembers the value from before the first change of a setting.
    pub(crate) fn remember_sysctl(&mut self, name: &str, before: &str) -> Result<()> {
        if self.written.sysctls.contains_key(name) {
            return Ok(());
        }
        self.written.sysctls.insert(name.into(), before.into());
        let text = serde_json::to_vec_pretty(&self.written)?;
        replace(&self.path, &text)
    }
}

/// Replaces a file whole and durably.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let write = || {
        let dir = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(dir)?;
        let unfinished = path.with_extension("unfinished");
        let mut file = File::create(&unfinished)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_is_the_one_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deeper/footprint.json");
        let mut footprint = Footprint::open(path.clone()).unwrap();
        footprint.remember_sysctl("net/ipv4/ip_forward", "0").unwrap();
        let mut again = Footprint::open(path).unwrap();
        again.remember_sysctl("net/ipv4/ip_forward", "1").unwrap();
        assert_eq!(again.sysctls()["net/ipv4/ip_forward"], "0");
    }
}
