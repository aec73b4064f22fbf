//! What a machine is: read once, does not change while the agent lives.

use std::path::Path;

use crate::config::KubeletConfig;
use crate::machine;

/// Of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) cpus: u64,
    pub(crate) memory_bytes: u64,
    /// Of the file system that pods' volumes and images are on.
    pub(crate) storage_bytes: u64,
    pub(crate) architecture: &'static str,
    pub(crate) kernel_version: String,
    pub(crate) os_image: String,
    pub(crate) machine_id: String,
    pub(crate) boot_id: String,
    pub(crate) system_uuid: String,
}

impl Facts {
    pub(crate) fn read(config: &KubeletConfig) -> Self {
        let word = |path: &str| {
            std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        let machine_id = word("/etc/machine-id");
        let product_uuid = word("/sys/class/dmi/id/product_uuid");
        Self {
            cpus: machine::cpus(),
            memory_bytes: machine::memory_bytes(),
            storage_bytes: Storage::of(&config.data_dir).map_or(0, |storage| storage.total_bytes),
            architecture: crate::runtime::architecture(),
            kernel_version: word("/proc/sys/kernel/osrelease"),
            os_image: os_image(&word("/etc/os-release")),
            // Machines without firmware tables are told apart by what the installation wrote.
            system_uuid: if product_uuid.is_empty() { machine_id.clone() } else { product_uuid },
            machine_id,
            boot_id: word("/proc/sys/kernel/random/boot_id"),
        }
    }
}

fn os_image(os_release: &str) -> String {
    let pretty = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    pretty.unwrap_or("Linux").trim_matches('"').to_owned()
}

/// A file system's size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage {
    pub(crate) total_bytes: u64,
    pub(crate) available_bytes: u64,
}

impl Storage {
    /// Of the file system that a path is on, or would be on.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let existing = path.ancestors().find(|path| path.exists())?;
        let stat = nix::sys::statvfs::statvfs(existing).ok()?;
        Some(Self {
            total_bytes: stat.blocks() * stat.fragment_size(),
            available_bytes: stat.blocks_available() * stat.fragment_size(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_system() {
        assert_eq!(os_image("ID=x\nPRETTY_NAME=\"Debian 12\"\n"), "Debian 12");
        assert_eq!(os_image(""), "Linux");
        let storage = Storage::of(Path::new("/no/such/directory")).unwrap();
        assert!(storage.total_bytes >= storage.available_bytes && storage.total_bytes > 0);
    }
}
