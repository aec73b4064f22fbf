//! Puts the CNI plugin and its configuration where the runtime looks for them.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::config::{Directories, sibling};
use crate::footprint::replace;

const PROGRAM: &str = "sheave-cni";
const CONFLIST: &str = "10-sheave.conflist";
/// Of the network; directories of the address store are named after it.
pub(crate) const NETWORK: &str = "sheave";

/// Installs the plugin that lies beside this program, unless the same one is there already.
pub(crate) fn install_plugin(directories: &Directories) -> Result<()> {
    let from = sibling(PROGRAM).with_context(|| {
        format!(
            "{PROGRAM} is not beside this program: install all programs of one version together"
        )
    })?;
    let program = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
    let to = plugin(directories);
    if fs::read(&to).is_ok_and(|installed| installed == program) {
        return Ok(());
    }
    let unfinished = to.with_extension("unfinished");
    let install = || {
        fs::create_dir_all(directories.cni_bin())?;
        fs::write(&unfinished, &program)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755))?;
        // A plugin that is running keeps its file.
        fs::rename(&unfinished, &to)
    };
    let installed = install().inspect_err(|_| {
        let _ = fs::remove_file(&unfinished);
    });
    installed.with_context(|| {
        format!(
            "cannot install {} (it needs {} KiB): free some space, or choose another place with \
             --data-dir",
            to.display(),
            program.len() >> 10
        )
    })
}

/// Where the plugin is installed.
pub(crate) fn plugin(directories: &Directories) -> PathBuf {
    directories.cni_bin().join(PROGRAM)
}

/// The configuration for pods of these ranges.
pub(crate) fn conflist(
    directories: &Directories,
    ranges: &[String],
    node_addresses: &[IpAddr],
    mtu: u32,
) -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": NETWORK,
        "plugins": [{
            "type": PROGRAM,
            "ranges": ranges,
            "dataDir": directories.cni_addresses(),
            "bpffsDir": directories.bpffs_dir,
            "mtu": mtu,
            "nodeAddresses": node_addresses,
        }],
    })
}

/// Writes the configuration, if it is not what is there. From then on the runtime can start pods.
pub(crate) fn write_conflist(
    directories: &Directories,
    conflist: &serde_json::Value,
) -> Result<()> {
    let path = directories.cni_conf().join(CONFLIST);
    let text = serde_json::to_vec_pretty(conflist)?;
    if fs::read(&path).is_ok_and(|written| written == text) {
        return Ok(());
    }
    replace(&path, &text)
}

/// What `sheave-cni` is told to remove everything it ever made: garbage collection with nothing valid.
pub(crate) fn remove_all_request(conf_dir: &Path) -> Option<serde_json::Value> {
    let text = fs::read(conf_dir.join(CONFLIST)).ok()?;
    let conflist: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let mut request = conflist["plugins"].get(0)?.clone();
    request["cniVersion"] = "1.1.0".into();
    request["name"] = conflist["name"].clone();
    request["cni.dev/valid-attachments"] = json!([]);
    Some(request)
}
