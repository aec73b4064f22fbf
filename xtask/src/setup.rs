//! `cargo xtask setup`: what building, running and testing need. Only what is missing is installed,
//! so that a second run does nothing, and nothing that runs on the machine is disturbed.
//!
//! What is needed is probed as programs and files, not as package names: a containerd that came
//! with Docker, or a kubectl that somebody put into /usr/local/bin, is as good as Debian's.

use crate::vm::apt::Suites;
use crate::workspace::{cargo, find_program, target_dir};
use crate::{privilege, step};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// The linker of the kernel programs, and the LLVM that it is built with: the one whose bitcode
/// Debian's rustc-web writes.
const BPF_LINKER_VERSION: &str = "0.13.0";
const LLVM_BIN_DIR: &str = "/usr/lib/llvm-22/bin";

/// How a requirement shows that it is met.
enum Probe {
    /// A program that can be found.
    Program(&'static str),
    /// A file that is there.
    File(&'static str),
    /// A package that dpkg knows as installed.
    Package,
}

/// Something that must be on the machine, and the Debian package that brings it.
struct Requirement {
    package: &'static str,
    probe: Probe,
    why: &'static str,
}

const fn program(name: &'static str, package: &'static str, why: &'static str) -> Requirement {
    Requirement { package, probe: Probe::Program(name), why }
}

const fn package(package: &'static str, why: &'static str) -> Requirement {
    Requirement { package, probe: Probe::Package, why }
}

/// What running a cluster and testing it need.
const RUNTIME: [Requirement; 18] = [
    program("containerd", "containerd", "runs the containers"),
    program("ctr", "containerd", "imports images"),
    program("runc", "runc", "starts the containers' processes"),
    program("kubectl", "kubernetes-client", "drives the cluster, as its users do"),
    program("curl", "curl", "asks the API as a client that has no certificate"),
    program("openssl", "openssl", "is somebody else's web server"),
    program("dig", "bind9-dnsutils", "asks for names"),
    program("dnsmasq", "dnsmasq-base", "is a resolver to be asked, and to be compared with"),
    program("musl-gcc", "musl-tools", "links a program that resolves names as musl does"),
    program("iperf3", "iperf3", "measures throughput"),
    program("dnsperf", "dnsperf", "measures how fast names are answered"),
    program("ip", "iproute2", "makes namespaces and links for tests"),
    program("nsenter", "util-linux", "runs programs inside a namespace"),
    program("ps", "procps", "lists the processes that must not be left behind"),
    program("nft", "nftables", "lists the rules that must not change"),
    program("iptables-save", "iptables", "lists the rules that must not change"),
    program("bpftool", "bpftool", "lists programs, maps and links that must not be left behind"),
    Requirement {
        package: "ca-certificates",
        probe: Probe::File("/etc/ssl/certs/ca-certificates.crt"),
        why: "lets cargo fetch crates",
    },
];

/// What building needs, whichever compiler builds the kernel programs.
const BUILD: [Requirement; 2] = [
    program("cc", "gcc", "links the programs, and builds the C parts of crates"),
    Requirement {
        package: "libc6-dev",
        probe: Probe::File("/usr/include/stdio.h"),
        why: "is what programs are linked with",
    },
];

/// What building bpf-linker needs.
const BPF_LINKER: [Requirement; 7] = [
    package("llvm-22-dev", "is what bpf-linker is built on"),
    package("libpolly-22-dev", "is what bpf-linker is built on"),
    package("zlib1g-dev", "is what bpf-linker is built on"),
    package("libzstd-dev", "is what bpf-linker is built on"),
    package("libxml2-dev", "is what bpf-linker is built on"),
    program("g++", "g++", "builds bpf-linker"),
    program("cc", "gcc", "builds bpf-linker"),
];

/// The compiler of the kernel programs, with its prebuilt core library for BPF.
const KERNEL_COMPILER: [Requirement; 2] = [
    package("rustc-web", "compiles the kernel programs"),
    package("libstd-rust-web-dev-bpf", "is the kernel programs' core library"),
];

/// What booting other kernels needs.
const EMULATOR: Requirement =
    program("qemu-system-x86_64", "qemu-system-x86", "boots the kernels that the tests run on");

/// Installs what is missing.
pub(crate) fn run() -> Result<()> {
    println!("Set up this machine:");
    let mut wanted: Vec<&Requirement> = RUNTIME.iter().chain(&BUILD).collect();
    if crate::ebpf::find_toolchain().is_none() {
        wanted.extend(&KERNEL_COMPILER);
    }
    let linker_missing = find_program("bpf-linker").is_none();
    if linker_missing {
        wanted.extend(&BPF_LINKER);
    }
    install_packages(&wanted)?;
    install_busybox()?;
    if linker_missing {
        install_bpf_linker()?;
    } else {
        step::unneeded("bpf-linker", "there");
    }
    match crate::ebpf::find_toolchain() {
        Some(toolchain) => {
            step::unneeded("compiler of the kernel programs", &toolchain.to_string())
        }
        None => bail!(
            "no compiler for the kernel programs was found after setting up: {}",
            crate::ebpf::TOOLCHAIN_REMEDY
        ),
    }
    Ok(())
}

/// Installs QEMU, which only `cargo xtask vm` and `cargo xtask test` need.
pub(crate) fn emulator() -> Result<()> {
    if is_met(&EMULATOR) {
        step::unneeded("QEMU", "there");
        return Ok(());
    }
    let packages = [EMULATOR.package];
    if !apt_knows(&packages) {
        step::run("refresh the package lists", apt_get().arg("update"))?;
    }
    let mut trial = apt_install(&packages);
    let is_installable = trial.arg("--simulate").output().is_ok_and(|said| said.status.success());
    if is_installable {
        return install_packages(&[&EMULATOR]);
    }
    // Parts of QEMU that are here came from backports, and all must be of one version.
    let release = std::fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let release = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release names no release")?;
    let backports = format!("{release}-backports");
    let directory = target_dir().join("vm/qemu");
    let suites = Suites::open(&[release, &backports], &directory, true)?;
    let (variable, configuration) = suites.configuration();
    let configuration = configuration.to_str().context("the checkout's path is not UTF-8")?;
    let environment = [("DEBIAN_FRONTEND", "noninteractive"), (variable, configuration)];
    let mut install = privilege::command_with_env("apt-get", &environment);
    install.args(INSTALL).args(["--target-release", &backports]).args(packages);
    step::run(&format!("install {} from {backports}", EMULATOR.package), &mut install)?;
    Ok(())
}

/// The image builder wants a busybox that needs no libraries. Where Debian's dynamic `busybox`
/// package is installed, busybox-static would take its place: that one is left alone, and the
/// image builder unpacks its own copy.
fn install_busybox() -> Result<()> {
    if find_program("busybox").is_some() {
        step::unneeded("busybox", "there");
        return Ok(());
    }
    let busybox =
        program("busybox", "busybox-static", "is the demo's and the tests' container image");
    install_packages(&[&busybox])
}

fn install_packages(wanted: &[&Requirement]) -> Result<()> {
    let missing: Vec<&Requirement> =
        wanted.iter().copied().filter(|requirement| !is_met(requirement)).collect();
    let packages = packages_of(&missing);
    if packages.is_empty() {
        step::unneeded("packages", "all there");
        return Ok(());
    }
    for package in &packages {
        let first = missing.iter().find(|requirement| requirement.package == *package);
        println!("  {package} is missing: it {}", first.map_or("", |requirement| requirement.why));
    }
    if find_program("apt-get").is_none() {
        bail!(
            "this machine has no apt-get: install with its own package manager what brings {}",
            packages.join(", ")
        );
    }
    privilege::require("installing packages")?;
    if !apt_knows(&packages) {
        step::run("refresh the package lists", apt_get().arg("update"))?;
    }
    let name = format!("install {}", packages.join(", "));
    if step::run(&name, &mut apt_install(&packages)).is_ok() {
        return Ok(());
    }
    // Lists that are some days old name versions that the mirror no longer has.
    step::run("refresh the package lists", apt_get().arg("update"))?;
    step::run(&name, &mut apt_install(&packages))?;
    Ok(())
}

/// The packages of these requirements, each once, in order.
fn packages_of(requirements: &[&Requirement]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for requirement in requirements {
        if !packages.contains(&requirement.package) {
            packages.push(requirement.package);
        }
    }
    packages
}

fn is_met(requirement: &Requirement) -> bool {
    match requirement.probe {
        Probe::Program(name) => find_program(name).is_some(),
        Probe::File(path) => Path::new(path).exists(),
        Probe::Package => is_installed(requirement.package),
    }
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

/// Whether the package lists on this machine name every one of these packages.
fn apt_knows(packages: &[&str]) -> bool {
    packages.iter().all(|package| {
        Command::new("apt-cache")
            .args(["show", "--no-all-versions", package])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

fn apt_get() -> Command {
    let mut command =
        privilege::command_with_env("apt-get", &[("DEBIAN_FRONTEND", "noninteractive")]);
    // Waits for another apt (unattended upgrades run at boot) instead of failing.
    command.args(["--quiet", "--option", "DPkg::Lock::Timeout=300"]);
    command
}

const INSTALL: [&str; 4] = ["install", "--yes", "--no-install-recommends", "--no-remove"];

fn apt_install(packages: &[&str]) -> Command {
    let mut command = apt_get();
    command.args(INSTALL).args(packages);
    command
}

fn install_bpf_linker() -> Result<()> {
    let path = std::env::var("PATH").context("PATH is not set")?;
    let mut install = cargo();
    install.env("PATH", format!("{LLVM_BIN_DIR}:{path}")).args([
        "install",
        "bpf-linker",
        "--version",
        BPF_LINKER_VERSION,
        "--no-default-features",
        "--features",
        "llvm-22",
        "--locked",
    ]);
    step::run(&format!("build bpf-linker {BPF_LINKER_VERSION}"), &mut install)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_installed_once() {
        let wanted = [
            &program("containerd", "containerd", ""),
            &program("ctr", "containerd", ""),
            &program("runc", "runc", ""),
        ];
        assert_eq!(packages_of(&wanted), ["containerd", "runc"]);
    }

    #[test]
    fn a_program_counts_whoever_installed_it() {
        assert!(is_met(&program("sh", "no-such-package", "")));
        assert!(!is_met(&program("no-such-program", "bash", "")));
        assert!(!is_met(&package("no-such-package", "")));
    }
}
