//! The executables full of tests that cargo builds.

use crate::step;
use crate::workspace::{NEEDS_ROOT, cargo};
use anyhow::{Context, Result, bail};
use cargo_metadata::{Artifact, Message, TargetKind};
use std::path::PathBuf;

/// What the tests beside a crate's code go by.
pub(crate) const UNIT: &str = "unit";

/// One executable full of tests.
pub(crate) struct Program {
    pub(crate) package: String,
    pub(crate) target: String,
    pub(crate) executable: PathBuf,
    /// The package's directory: tests find their files relative to it.
    pub(crate) directory: PathBuf,
    pub(crate) needs_root: bool,
}

impl Program {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.package, self.target)
    }

    /// The cheap first: a broken unit explains a broken cluster, not the other way round.
    fn rank(&self) -> u8 {
        match () {
            () if self.target.starts_with("cluster_") => 3,
            () if self.target.starts_with("lab_") => 4,
            // Compares the machine before and after, so nothing may run after it.
            () if self.target == "down" => 5,
            () if self.needs_root => 2,
            () if self.target == UNIT => 0,
            () => 1,
        }
    }
}

/// Builds the test programs of the packages that `selection` names to cargo.
pub(crate) fn build(selection: &[&str]) -> Result<Vec<Program>> {
    let mut messages = Vec::new();
    step::perform("build the tests", || {
        let mut command = cargo();
        command.arg("test").args(selection);
        command.args(["--no-run", "--message-format=json", "--quiet"]);
        let output = command.output().context("cannot start cargo")?;
        if !output.status.success() {
            // Cargo renders what the compiler says into the messages.
            for message in Message::parse_stream(output.stdout.as_slice()).flatten() {
                if let Message::CompilerMessage(message) = message {
                    eprintln!("{message}");
                }
            }
            bail!("the tests do not compile: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        messages = output.stdout;
        Ok(String::new())
    })?;
    let mut programs: Vec<Program> = Message::parse_stream(messages.as_slice())
        .filter_map(|message| match message {
            Ok(Message::CompilerArtifact(artifact)) => program_of(artifact),
            _ => None,
        })
        .collect();
    programs.sort_by_key(|program| (program.rank(), program.name()));
    Ok(programs)
}

fn program_of(artifact: Artifact) -> Option<Program> {
    if !artifact.profile.test {
        return None;
    }
    let executable = artifact.executable?.into_std_path_buf();
    let directory = artifact.manifest_path.parent()?.to_owned().into_std_path_buf();
    let package = artifact.package_id.repr.clone();
    // `path+file:///checkout/agent/core#sheave-core@0.1.0`
    let package = package.rsplit('#').next()?.split('@').next()?.to_owned();
    let is_unit = !artifact.target.kind.contains(&TargetKind::Test);
    let needs_root = NEEDS_ROOT.contains(&package.as_str());
    let target = if is_unit { UNIT.to_owned() } else { artifact.target.name };
    Some(Program { package, target, executable, directory, needs_root })
}
