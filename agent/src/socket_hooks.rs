//! What the kubelet asks of the socket hooks: it knows pods, and the dataplane knows network namespaces.

use std::path::{Path, PathBuf};

use sheave_dataplane::OptOutError;
use sheave_kubelet::SocketHooks;

/// The hooks of the dataplane in this directory.
#[derive(Debug)]
pub(crate) struct Hooks {
    pub(crate) bpffs_dir: PathBuf,
}

impl SocketHooks for Hooks {
    fn leave_alone(&self, netns: &Path) -> Result<(), String> {
        sheave_dataplane::opt_out(&self.bpffs_dir, netns).map_err(|error| told(&error))
    }

    fn forget(&self, netns: &Path) {
        if let Err(error) = sheave_dataplane::opt_in(&self.bpffs_dir, netns) {
            tracing::debug!(netns = %netns.display(), "{}", chain(&error));
        }
    }
}

/// In the words of those who use the pod.
fn told(error: &OptOutError) -> String {
    let why = chain(error);
    let cost = "the pod's sockets are translated as all others, so that a proxy in it sees the addresses of \
                backends in place of the Service's";
    match error {
        OptOutError::NoCookie => format!("{why}; {cost}; use kernel 5.14 or newer"),
        _ => format!("{why}; {cost}"),
    }
}

fn chain(error: &OptOutError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_told_what_it_costs_and_what_helps() {
        let said = told(&OptOutError::NoCookie);
        for part in ["SO_NETNS_COOKIE", "sees the addresses of backends", "use kernel 5.14"] {
            assert!(said.contains(part), "{said}");
        }
        let hooks = Hooks { bpffs_dir: "/nowhere".into() };
        let said = hooks.leave_alone(Path::new("/nowhere/netns")).unwrap_err();
        assert!(said.contains("/nowhere/netns: No such file"), "{said}");
        hooks.forget(Path::new("/nowhere/netns"));
    }
}
