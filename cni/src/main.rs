//! sheave-cni: called by the container runtime once for each change of a pod's network.

use std::process::ExitCode;

use rscni_plugin::cni::Plugin;
use sheave_cni::plugin::{SheaveCni, spec_versions};

fn main() -> ExitCode {
    let (newest, all) = spec_versions();
    let about = concat!("sheave-cni ", env!("CARGO_PKG_VERSION"));
    match Plugin::new(newest, all).msg(about).run(&SheaveCni) {
        Ok(()) => ExitCode::SUCCESS,
        // The error itself is on standard output, as the specification asks.
        Err(_) => ExitCode::FAILURE,
    }
}
