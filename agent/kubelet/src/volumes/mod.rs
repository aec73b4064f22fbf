//! The volumes of a pod: made before its sandbox, kept up to date while it runs, taken away after it.

mod atomic;
mod files;
mod host_path;
mod sub_path;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

pub(crate) use files::uses_data;
pub(crate) use sub_path::bind_sub_path;

use crate::data::DataObjects;
use crate::env::Facts;
use crate::pod::spec::{FilesPlugin, PodSpec, PodUid, Volume, VolumeSource};

/// Why a volume cannot be had; worded for a FailedMount event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    #[error("MountVolume.SetUp failed for volume {volume:?} : {detail}")]
    Source { volume: String, detail: String },
    #[error("MountVolume.SetUp failed for volume {volume:?} : {path}: {source}")]
    Disk {
        volume: String,
        path: String,
        #[source]
        source: io::Error,
    },
}

/// Where a pod's own files are: `<data_dir>/pods/<uid>`.
#[derive(Clone, Debug)]
pub(crate) struct PodDirectory(pub(crate) PathBuf);

impl PodDirectory {
    pub(crate) fn new(data_dir: &Path, uid: &PodUid) -> Self {
        Self(data_dir.join("pods").join(&uid.0))
    }

    pub(crate) fn hosts_file(&self) -> PathBuf {
        self.0.join("etc-hosts")
    }

    /// A container's own directory; holds its termination message.
    pub(crate) fn container(&self, name: &str) -> PathBuf {
        self.0.join("containers").join(name)
    }

    /// What a volume is on the host.
    pub(crate) fn volume(&self, volume: &Volume) -> PathBuf {
        match &volume.source {
            VolumeSource::HostPath { path, .. } => path.clone(),
            VolumeSource::EmptyDir { .. } => {
                self.0.join("volumes/kubernetes.io~empty-dir").join(&volume.name)
            }
            VolumeSource::Files { plugin, .. } => {
                self.0.join("volumes").join(plugin.directory()).join(&volume.name)
            }
        }
    }
}

/// Makes all volumes, or brings them up to date: run again, it changes only what is different.
pub(crate) fn ensure(
    spec: &PodSpec,
    directory: &PodDirectory,
    facts: &Facts,
    data: &DataObjects,
) -> Result<(), VolumeError> {
    for volume in &spec.volumes {
        ensure_one(spec, volume, directory, facts, data)?;
    }
    Ok(())
}

fn ensure_one(
    spec: &PodSpec,
    volume: &Volume,
    directory: &PodDirectory,
    facts: &Facts,
    data: &DataObjects,
) -> Result<(), VolumeError> {
    let path = directory.volume(volume);
    let disk = |source| VolumeError::Disk {
        volume: volume.name.clone(),
        path: path.display().to_string(),
        source,
    };
    match &volume.source {
        VolumeSource::HostPath { path, kind } => host_path::ensure(path, *kind)
            .map_err(|detail| VolumeError::Source { volume: volume.name.clone(), detail }),
        VolumeSource::EmptyDir { in_memory, size_limit } => {
            if path.exists() && (!in_memory || is_mount_point(&path)) {
                return Ok(());
            }
            std::fs::create_dir_all(&path).map_err(disk)?;
            if *in_memory {
                let size = size_limit.map(|size| format!("size={}", size.units()));
                mount_tmpfs(&path, size.as_deref()).map_err(disk)?;
            }
            let mode = if spec.security.fs_group.is_some() { 0o2777 } else { 0o777 };
            set_mode(&path, mode).map_err(disk)?;
            own_by_group(&path, spec.security.fs_group).map_err(disk)
        }
        VolumeSource::Files { plugin, sources, default_mode } => {
            let files = files::collect(spec, sources, *default_mode, facts, data)
                .map_err(|detail| VolumeError::Source { volume: volume.name.clone(), detail })?;
            std::fs::create_dir_all(&path).map_err(disk)?;
            let secret = *plugin == FilesPlugin::Secret || files::holds_secrets(sources);
            if secret && !is_mount_point(&path) {
                mount_tmpfs(&path, None).map_err(disk)?;
                set_mode(&path, 0o755).map_err(disk)?;
            }
            atomic::write(&path, &files, spec.security.fs_group).map_err(disk)
        }
    }
}

/// Frees the memory of volumes that live there, once nothing of the pod runs any more. What is on disk
/// stays for as long as the pod's object does.
pub(crate) fn unmount(directory: &PodDirectory) -> io::Result<()> {
    for point in mounts_below(&directory.0) {
        umount2(&point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
    }
    Ok(())
}

/// Unmounts what is mounted in a pod's directory and removes it. Never follows what a pod may have put
/// there: mounts are detached first, and links are removed, not followed.
pub(crate) fn remove(directory: &PodDirectory) -> io::Result<()> {
    unmount(directory)?;
    match std::fs::remove_dir_all(&directory.0) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The deepest first.
pub(crate) fn mounts_below(directory: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    let mut points: Vec<_> =
        points.map(PathBuf::from).filter(|point| point.starts_with(directory)).collect();
    points.reverse();
    points
}

fn is_mount_point(path: &Path) -> bool {
    mounts_below(path).iter().any(|point| point == path)
}

/// mountinfo writes blanks and backslashes as octal numbers.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

fn mount_tmpfs(path: &Path, options: Option<&str>) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    Ok(mount(Some("tmpfs"), path, Some("tmpfs"), flags, options)?)
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn own_by_group(path: &Path, group: Option<u32>) -> io::Result<()> {
    match group {
        Some(group) => std::os::unix::fs::chown(path, None, Some(group)),
        None => Ok(()),
    }
}
