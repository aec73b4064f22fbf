//! What a bench has found and where, as a file: everything else is made of these.

use super::super::catalogue::Name;
use super::figure::Figure;
use super::machine::Machine;
use crate::workspace::root;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Of one run of one bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) figures: Vec<Figure>,
}

/// Where all files of the report are.
pub(super) fn directory() -> PathBuf {
    root().join("docs/benchmarks")
}

impl Results {
    /// `None` when there are none yet.
    pub(super) fn read(name: Name) -> Result<Option<Self>> {
        let path = path(name);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| path.display().to_string())?,
        };
        let parsed = serde_json::from_str(&text);
        parsed.map(Some).with_context(|| {
            let path = path.display();
            format!(
                "{path}: measure it again with `cargo xtask bench report --only {}`",
                name.word()
            )
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
