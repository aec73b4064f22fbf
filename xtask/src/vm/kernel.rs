//! The kernels: which there are, and how one gets from Debian's archive into a directory below
//! `target/vm`. One that is there is not fetched again.

use super::apt::Suites;
use super::module;
use crate::step;
use crate::workspace::target_dir;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Drivers that the tests need and that these kernels have as modules. What they need themselves is
/// found in them.
const DRIVERS: [&str; 10] = [
    "veth",
    "tun",
    "dummy",
    "sch_ingress",
    "cls_bpf",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
    "nfsd",
    "nfsv4",
];

/// A series of kernels, by the Debian release that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Release {
    /// The oldest that Sheave is meant for
    #[value(name = "5.10")]
    Bullseye,
    #[value(name = "6.1")]
    Bookworm,
    #[value(name = "6.12")]
    Trixie,
    /// The newest that Debian has
    Latest,
}

impl Release {
    pub(crate) const ALL: [Self; 4] = [Self::Bullseye, Self::Bookworm, Self::Trixie, Self::Latest];

    /// As one names it on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bullseye => "5.10",
            Self::Bookworm => "6.1",
            Self::Trixie => "6.12",
            Self::Latest => "latest",
        }
    }

    fn suite(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Latest => "sid",
        }
    }
}

/// A kernel that can be booted.
pub(super) struct Kernel {
    /// As `uname -r` says it.
    pub(super) version: String,
    /// Everything of it, and of the machine that boots it.
    pub(super) directory: PathBuf,
}

impl Kernel {
    /// The release's kernel, fetched when it is not there.
    pub(super) fn get(release: Release) -> Result<Self> {
        let directory = target_dir().join("vm").join(release.name());
        if let Some(version) = complete(&directory) {
            let name = format!("kernel {}", release.name());
            step::unneeded(&name, &format!("{version} is there"));
            return Ok(Self { version, directory });
        }
        let mut version = String::new();
        step::perform(
            &format!("fetch kernel {} from {}", release.name(), release.suite()),
            || {
                version = fetch(release, &directory)?;
                Ok(version.clone())
            },
        )?;
        Ok(Self { version, directory })
    }

    pub(super) fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    /// The modules, in the order in which they can be loaded.
    pub(super) fn modules(&self) -> Result<Vec<PathBuf>> {
        sorted_files(&modules_dir(&self.directory))
    }
}

fn modules_dir(directory: &Path) -> PathBuf {
    directory.join("modules")
}

/// Written last: its presence says that the rest is there. Two lines, version and drivers.
fn label(directory: &Path) -> PathBuf {
    directory.join("kernel")
}

fn complete(directory: &Path) -> Option<String> {
    let label = std::fs::read_to_string(label(directory)).ok()?;
    let (version, drivers) = label.trim_end().split_once('\n')?;
    (drivers == DRIVERS.join(" ")).then(|| version.to_owned())
}

fn fetch(release: Release, directory: &Path) -> Result<String> {
    if directory.exists() {
        std::fs::remove_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    let unpacked = directory.join("unpacked");
    std::fs::create_dir_all(&unpacked)?;
    let suites = Suites::open(&[release.suite()], &directory.join("apt"), false)?;
    for package in kernel_packages(&suites)? {
        suites.unpack(&package, &unpacked)?;
    }
    // Where / and /usr are one, the packages of newer releases name /usr.
    let trees = ["lib/modules", "usr/lib/modules"].map(|path| unpacked.join(path));
    let tree = trees.iter().find(|path| path.exists()).context("the package has no modules")?;
    let version = only_entry(tree)?;
    let images = [
        unpacked.join("boot").join(format!("vmlinuz-{version}")),
        tree.join(&version).join("vmlinuz"),
    ];
    let image = images.iter().find(|path| path.exists()).context("the package has no kernel")?;
    std::fs::rename(image, directory.join("vmlinuz"))?;
    let target = modules_dir(directory);
    std::fs::create_dir(&target)?;
    for (number, module) in module::closure(&tree.join(&version), &DRIVERS)?.iter().enumerate() {
        std::fs::write(target.join(format!("{number:02}-{}.ko", module.name)), &module.bytes)?;
    }
    std::fs::remove_dir_all(&unpacked)?;
    std::fs::remove_dir_all(directory.join("apt"))?;
    std::fs::write(label(directory), format!("{version}\n{}\n", DRIVERS.join(" ")))?;
    Ok(version)
}

/// The packages that hold the kernel that the suite's `linux-image-cloud-amd64` stands for. Newer
/// releases divide it into an image, a binary and modules.
fn kernel_packages(suites: &Suites) -> Result<Vec<String>> {
    let is_kernel =
        |name: &&String| name.starts_with("linux-image-") && name.ends_with("-cloud-amd64");
    let dependencies = suites.depends("linux-image-cloud-amd64")?;
    let Some(image) = dependencies.iter().find(is_kernel) else {
        bail!("linux-image-cloud-amd64 depends on no kernel, but on {}", dependencies.join(", "));
    };
    let mut packages = vec![image.clone()];
    let parts = suites.depends(image)?.into_iter();
    packages.extend(parts.filter(|name| {
        ["linux-binary-", "linux-modules-"].iter().any(|prefix| name.starts_with(prefix))
    }));
    Ok(packages)
}

fn only_entry(directory: &Path) -> Result<String> {
    let names: Vec<String> = directory
        .read_dir()?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    match names.as_slice() {
        [name] => Ok(name.clone()),
        names => bail!("{} holds {} kernels", directory.display(), names.len()),
    }
}

fn sorted_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = directory.read_dir().with_context(|| directory.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
