//! Packages of Debian releases that this machine's sources do not name: apt itself fetches and verifies
//! them, from the mirror that this machine is configured for, with lists of its own. The machine's
//! sources and lists are not touched.

use crate::privilege;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// What dpkg says is installed on this machine.
const INSTALLED: &str = "/var/lib/dpkg/status";

/// The package lists of some releases.
pub(crate) struct Suites {
    directory: PathBuf,
}

impl Suites {
    /// Fetches the lists into `directory`. Packages are installed on this machine, or on none.
    pub(crate) fn open(names: &[&str], directory: &Path, is_for_here: bool) -> Result<Self> {
        let suites = Self::configure(names, directory, is_for_here)?;
        suites.succeed("apt-get", &["update", "--quiet"]).with_context(|| {
            let names = names.join(", ");
            format!("the package list of {names} cannot be had from this machine's mirror")
        })?;
        Ok(suites)
    }

    /// Writes what apt needs to know.
    fn configure(names: &[&str], directory: &Path, is_for_here: bool) -> Result<Self> {
        for part in ["empty", "lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(directory.join(part))?;
        }
        let path = |part: &str| directory.join(part).display().to_string();
        let sources = format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: {KEYRING}\n",
            mirror()?,
            names.join(" ")
        );
        std::fs::write(path("debian.sources"), sources)?;
        std::fs::write(path("nothing"), "")?;
        let installed = if is_for_here { INSTALLED.to_owned() } else { path("nothing") };
        // What the machine says about fetching (a proxy, say) holds here too; what it says about
        // anything else (programs to run after an update, say) does not.
        let mut configuration = output("apt-config", &["dump", "Acquire"])?;
        for (key, value) in [
            ("Dir::Etc::Main", "/dev/null".to_owned()),
            ("Dir::Etc::Parts", path("empty")),
            ("Dir::Etc::PreferencesParts", path("empty")),
            ("Dir::Etc::SourceList", path("debian.sources")),
            ("Dir::Etc::SourceParts", path("empty")),
            ("Dir::State::Lists", path("lists")),
            ("Dir::State::Status", installed),
            ("Dir::Cache", path("cache")),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
        ] {
            writeln!(configuration, "{key} \"{value}\";")?;
        }
        if privilege::is_root() {
            // apt's own user may not reach a checkout in somebody's home.
            configuration.push_str("APT::Sandbox::User \"root\";\n");
        }
        std::fs::write(path("apt.conf"), configuration)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// What a package depends on, by name.
    pub(crate) fn depends(&self, package: &str) -> Result<Vec<String>> {
        let said = self.succeed("apt-cache", &["depends", "--important", package])?;
        let names = said.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).collect())
    }

    /// Fetches a package, verifies it, and unpacks its files into `target`.
    pub(crate) fn unpack(&self, package: &str, target: &Path) -> Result<()> {
        self.succeed("apt-get", &["download", "--quiet", package])?;
        let archive = self
            .directory
            .read_dir()?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("apt-get download {package} left no package"))?;
        let mut unpack = Command::new("dpkg-deb");
        succeed(unpack.arg("--extract").arg(&archive).arg(target))?;
        std::fs::remove_file(&archive).with_context(|| archive.display().to_string())
    }

    /// For commands that install: apt's configuration, by the variable that names it.
    pub(crate) fn configuration(&self) -> (&'static str, PathBuf) {
        ("APT_CONFIG", self.directory.join("apt.conf"))
    }

    fn succeed(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.directory);
        let (variable, path) = self.configuration();
        succeed(command.env(variable, path))
    }
}

/// Where this machine gets Debian from.
fn mirror() -> Result<String> {
    let targets = output("apt-get", &["indextargets", "--format", "$(LABEL) $(REPO_URI)"])?;
    match targets.lines().find_map(|line| line.strip_prefix("Debian ")) {
        Some(uri) => Ok(uri.trim_end_matches('/').to_owned()),
        None => bail!(
            "apt knows no Debian mirror: run `apt-get update`; on a machine that is not Debian, \
             add Debian to apt's sources"
        ),
    }
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    succeed(Command::new(program).args(arguments))
}

fn succeed(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| program)
}
