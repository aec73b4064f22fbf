//! What the running kernel has, where a test depends on it: the same tests run from the oldest kernel that
//! Sheave is meant for to the newest.

use std::io::Write as _;
use std::path::Path;

use sheave_dataplane::{Features, TcAttachment};

/// tc programs by links (6.6).
pub const TCX: &str = "tcx links";
/// A socket tells the cookie of its network namespace (5.14).
pub const NETNS_COOKIE: &str = "namespace cookie of a socket";

/// Whether it has a feature, by the name that [`Features`] gives it.
pub fn has(feature: &str) -> bool {
    let features = Features::probe(Path::new("/sys/fs/bpf"));
    let found = features.all.into_iter().find(|known| known.name == feature);
    found.unwrap_or_else(|| panic!("there is no feature {feature:?}")).present
}

/// Whether it lacks a feature without which a test tests nothing; if so, says that the test is skipped.
pub fn lacks(feature: &str) -> bool {
    if has(feature) {
        return false;
    }
    skip(feature);
    true
}

/// Likewise, without its NFS client or server. Modules that are not loaded are left so.
pub fn lacks_nfs() -> bool {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let has =
        |name: &str| known.lines().any(|line| line.trim_start_matches("nodev").trim() == name);
    if has("nfs4") && has("nfsd") {
        return false;
    }
    skip("client and server of NFS in it (modules nfsv4 and nfsd)");
    true
}

fn skip(lacking: &str) {
    // Not by `println!`, which the test runner keeps to itself when a test passes. It has begun a line.
    let _ = writeln!(std::io::stdout(), "\nSKIPPED: this kernel has no {lacking}");
}

/// How tc programs are attached where nobody asks for one way.
pub fn tc_attachment() -> TcAttachment {
    if has(TCX) { TcAttachment::Tcx } else { TcAttachment::Clsact }
}
