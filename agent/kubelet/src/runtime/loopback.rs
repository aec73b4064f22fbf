//! containerd before 2.0 asks a CNI plugin named `loopback` to bring up `lo` before it asks the network's
//! own. Ours brings up `lo` itself, so the answer is all that is missing, and a node needs no package of
//! plugins for it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Answers every command with success, ADD with the interface that is there.
const PLUGIN: &str = r#"#!/bin/sh
# Written by Sheave: the network's own plugin brings up lo.
case "$CNI_COMMAND" in
ADD)
    printf '{"cniVersion":"0.3.1","interfaces":[{"name":"lo","mac":"00:00:00:00:00:00","sandbox":"%s"}],"ips":[{"version":"4","interface":0,"address":"127.0.0.1/8"}],"dns":{}}' "$CNI_NETNS"
    ;;
VERSION)
    printf '{"cniVersion":"1.0.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0"]}'
    ;;
esac
"#;

/// Puts the plugin where the runtime looks, unless one is there.
pub(super) fn ensure(bin_dir: &Path) -> io::Result<()> {
    let path = bin_dir.join("loopback");
    if path.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(bin_dir)?;
    // Renamed into place: the runtime never finds half of it.
    let unfinished = bin_dir.join(".loopback-unfinished");
    std::fs::write(&unfinished, PLUGIN)?;
    std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o755))?;
    std::fs::rename(unfinished, path)
}
