//! `cargo xtask images`: the container images of the demo and the tests, as archives that the agent
//! imports. Made from programs of this machine, so that a first cluster needs no registry.

mod archive;
mod resolvers;
pub(crate) mod rootfs;

use crate::step;
use crate::workspace::{find_program, target_dir};
use anyhow::{Context, Result, bail};
use archive::Image;
use rootfs::{Rootfs, libraries_of};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Answers each request with the name of its pod, and ends at once when told to: the first process
/// of a container gets only the signals that it asks for.
const HELLO_SCRIPT: &str = r#"#!/bin/sh
# Web server that answers with its own name: shows which pod a Service chose.
port=${PORT:-8080}
mkdir -p /tmp/www
hostname > /tmp/www/index.html
echo ok > /tmp/www/healthz
trap 'kill $server; wait $server; exit 0' TERM INT
httpd -f -p "$port" -h /tmp/www &
server=$!
echo "$(hostname) listens on port $port"
wait $server
"#;

/// Where the archives lie.
pub(crate) fn archive_dir() -> PathBuf {
    target_dir().join("images")
}

/// Builds the archives of the demo, which most tests need too.
pub(crate) fn run() -> Result<()> {
    println!("Images:");
    let images = || Ok(vec![busybox()?, hello()?, iperf3()?]);
    build("build the images", images, &archive_dir())
}

/// Builds every archive. Those of a few tests lie in a directory of their own: a cluster imports all that it
/// is shown before its first pod starts.
pub(crate) fn run_all() -> Result<()> {
    run()?;
    let images = || Ok(vec![hello()?, resolvers::resolvers()?]);
    build("build the images of the tests of names", images, &archive_dir().join("names"))
}

fn build(step: &str, images: impl Fn() -> Result<Vec<Image>>, directory: &Path) -> Result<()> {
    step::perform(step, || {
        let images = images()?;
        std::fs::create_dir_all(directory)?;
        images.iter().try_for_each(|image| image.write(directory))?;
        Ok(images.into_iter().map(|image| image.name).collect::<Vec<_>>().join(", "))
    })
    .map(drop)
}

fn busybox() -> Result<Image> {
    Ok(Image {
        name: "sheave.local/busybox:1".to_owned(),
        rootfs: busybox_rootfs()?,
        command: vec!["sh".to_owned()],
    })
}

fn hello() -> Result<Image> {
    let mut rootfs = busybox_rootfs()?;
    rootfs.add_file("usr/bin/hello", HELLO_SCRIPT.as_bytes().to_vec(), 0o755);
    Ok(Image {
        name: "sheave.local/hello:1".to_owned(),
        rootfs,
        command: vec!["/usr/bin/hello".to_owned()],
    })
}

/// iperf3 with its libraries in a directory of its own. They must not be where every program looks:
/// a static busybox that resolves a name would load the shared libc into itself, and crash.
fn iperf3() -> Result<Image> {
    const DIRECTORY: &str = "usr/lib/iperf3";
    let program = find_program("iperf3").context("iperf3 is missing: run `cargo xtask setup`")?;
    let mut rootfs = busybox_rootfs()?;
    rootfs.copy_file(&program, &Path::new(DIRECTORY).join("iperf3"))?;
    let mut loader = None;
    for library in libraries_of(&program)? {
        let name =
            library.file_name().and_then(|name| name.to_str()).context("a library's name")?;
        if name.starts_with("ld-") {
            loader = Some(name.to_owned());
        }
        rootfs.copy_file(&library, &Path::new(DIRECTORY).join(name))?;
    }
    let loader = loader.with_context(|| format!("{} has no loader", program.display()))?;
    let launcher = format!(
        "#!/bin/sh\nexec /{DIRECTORY}/{loader} --library-path /{DIRECTORY} /{DIRECTORY}/iperf3 \"$@\"\n"
    );
    rootfs.add_file("usr/bin/iperf3", launcher.into_bytes(), 0o755);
    Ok(Image {
        name: "sheave.local/iperf3:1".to_owned(),
        rootfs,
        command: vec!["iperf3".to_owned(), "--server".to_owned()],
    })
}

/// A root file system with busybox and a link for each of its applets.
pub(crate) fn busybox_rootfs() -> Result<Rootfs> {
    let busybox = static_busybox()?;
    let mut rootfs = Rootfs::new();
    for directory in ["etc", "home", "proc", "root", "run", "sys", "usr/bin", "var"] {
        rootfs.add_directory(directory, 0o755);
    }
    rootfs.add_directory("tmp", 0o1777);
    rootfs.add_file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n".to_vec(), 0o644);
    rootfs.add_file("etc/group", b"root:x:0:\n".to_vec(), 0o644);
    rootfs.copy_file(&busybox, Path::new("bin/busybox"))?;
    for applet in applets_of(&busybox)? {
        rootfs.add_link(&format!("bin/{applet}"), "busybox");
    }
    Ok(rootfs)
}

fn applets_of(busybox: &Path) -> Result<Vec<String>> {
    let output = Command::new(busybox).arg("--list").output().context("busybox --list")?;
    let names = String::from_utf8(output.stdout).context("busybox --list")?;
    Ok(names.lines().filter(|name| *name != "busybox").map(str::to_owned).collect())
}

/// A busybox that needs no libraries: the machine's own, or one unpacked from Debian's package
/// without installing it, because busybox-static would displace an installed busybox.
pub(crate) fn static_busybox() -> Result<PathBuf> {
    if let Some(installed) = find_program("busybox")
        && libraries_of(&installed)?.is_empty()
    {
        return Ok(installed);
    }
    let directory = target_dir().join("busybox-static");
    let unpacked = directory.join("bin/busybox");
    if unpacked.exists() {
        return Ok(unpacked);
    }
    std::fs::create_dir_all(&directory)?;
    succeed(Command::new("apt-get").args(["download", "busybox-static"]).current_dir(&directory))?;
    let package = std::fs::read_dir(&directory)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download busybox-static left no package")?;
    succeed(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&directory))?;
    Ok(unpacked)
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
