//! Gets the Go type files from Debian sid with the ordinary apt client.
//!
//! In a directory of its own, with its own lists and state: the machine's package sources and its
//! installed packages stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

const PACKAGES: [&str; 2] = ["golang-k8s-api-dev", "golang-k8s-apimachinery-dev"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Unpacked sources.
#[derive(Debug)]
pub(super) struct Fetched {
    root: PathBuf,
    provenance: String,
}

impl Fetched {
    /// Directory that holds `k8s.io/`.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Names and versions of the packages.
    pub(super) fn provenance(&self) -> &str {
        &self.provenance
    }
}

/// Downloads and unpacks the packages into `dir`, which is emptied first.
pub(super) fn sources(dir: &Path) -> Result<Fetched> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    for sub in ["state/lists/partial", "cache/archives/partial", "unpacked"] {
        fs::create_dir_all(dir.join(sub))?;
    }
    let list = dir.join("sources.list");
    fs::write(&list, format!("deb [signed-by={KEYRING}] {} sid main\n", mirror()?))?;
    let config = dir.join("apt.conf");
    fs::write(
        &config,
        format!(
            "Dir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"-\";\nDir::State \"{}\";\n\
             Dir::State::status \"/dev/null\";\nDir::Cache \"{}\";\nAPT::Sandbox::User \"root\";\n",
            list.display(),
            dir.join("state").display(),
            dir.join("cache").display()
        ),
    )?;
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", &config).current_dir(dir).arg("-qq");
        command
    };
    run(apt().arg("update"))?;
    run(apt().arg("download").args(PACKAGES))?;
    let mut names = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.retain(|name| name.ends_with(".deb"));
    names.sort();
    ensure!(names.len() == PACKAGES.len(), "apt-get downloaded {names:?}");
    let unpacked = dir.join("unpacked");
    for name in &names {
        run(Command::new("dpkg-deb").arg("-x").arg(dir.join(name)).arg(&unpacked))?;
    }
    let versions = names.iter().map(|name| name.trim_end_matches("_all.deb").replacen('_', " ", 1));
    let provenance = format!("Debian's {}", versions.collect::<Vec<_>>().join(" and "));
    Ok(Fetched { root: unpacked.join("usr/share/gocode/src"), provenance })
}

/// The Debian mirror that this machine uses.
fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)"])
        .args(["Created-By: Packages", "Label: Debian", "Component: main"])
        .output()
        .context("starting apt-get")?;
    let listed = String::from_utf8(output.stdout)?;
    let mirror = listed
        .lines()
        .next()
        .context("apt knows no Debian mirror: run this on Debian, after `apt-get update`")?;
    Ok(mirror.to_owned())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
