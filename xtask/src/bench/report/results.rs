//! What a bench has found and where, as a file: everything else is made of these.

use super::super::catalogue::Name;
use super::figure::Figure;
use super::machine::{Machine, git};
use crate::workspace::root;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Of one run of one bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::bench) struct Results {
    /// What was typed, or would have been for this bench alone.
    pub(in crate::bench) command: String,
    pub(in crate::bench) machine: Machine,
    pub(in crate::bench) figures: Vec<Figure>,
}

/// Below the checkout's root.
const DIRECTORY: &str = "docs/benchmarks";

/// Where all files of the report are.
pub(super) fn directory() -> PathBuf {
    root().join(DIRECTORY)
}

impl Results {
    /// `None` when there are none yet.
    pub(super) fn read(name: Name) -> Result<Option<Self>> {
        let path = path(name);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| path.display().to_string())?,
        };
        Self::parse(name, &text).map(Some)
    }

    /// Those of the last commit. `None` when there are none.
    pub(in crate::bench) fn committed(name: Name) -> Result<Option<Self>> {
        let file = format!("{DIRECTORY}/{}.json", name.word());
        if git(&["ls-tree", "--name-only", "HEAD", &file])?.is_empty() {
            return Ok(None);
        }
        let text = git(&["show", &format!("HEAD:{file}")])?;
        Self::parse(name, &text).map(Some)
    }

    fn parse(name: Name, text: &str) -> Result<Self> {
        serde_json::from_str(text).with_context(|| {
            let word = name.word();
            format!("{DIRECTORY}/{word}.json: measure it again with `cargo xtask bench report --only {word}`")
        })
    }

    /// In place of those of an earlier run.
    pub(super) fn write(&self, name: Name) -> Result<()> {
        let path = path(name);
        fs::create_dir_all(directory())?;
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&path, text).with_context(|| path.display().to_string())
    }
}

fn path(name: Name) -> PathBuf {
    directory().join(name.word()).with_extension("json")
}
