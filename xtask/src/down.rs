//! `cargo xtask down`: takes away what `cargo xtask up` put on the machine. Packages stay.

use crate::cluster::Cluster;
use crate::workspace::{binary, cargo};
use crate::{privilege, step};
use anyhow::Result;

/// Stops the cluster and removes it.
pub(crate) fn run() -> Result<()> {
    privilege::require("removing a cluster")?;
    let cluster = Cluster::standard();
    if !cluster.exists() {
        println!("There is no cluster on this machine.");
        return Ok(());
    }
    println!("Take the cluster away:");
    if !binary("sheave").exists() {
        let mut build = cargo();
        build.args(["build", "--release", "--package", "sheave-cli", "--bin", "sheave"]);
        step::run("build sheave, which knows what to remove", &mut build)?;
    }
    step::perform("stop sheave up", || cluster.stop().map(|()| String::new()))?;
    let mut removed = String::new();
    step::perform("sheave down", || {
        removed = cluster.remove()?;
        Ok(String::new())
    })?;
    print!("{removed}");
    Ok(())
}
