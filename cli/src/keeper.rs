//! Keeps the agent's sockets while it is away. Without it, who asks for a name while the agent is started
//! anew would be refused.

use std::path::Path;

use anyhow::{Context, Result};
use sheave_handover::Keeper;

/// Listens at `path`, for as long as this process lives.
pub(crate) fn start(path: &Path) -> Result<()> {
    let keeper =
        Keeper::listen(path).with_context(|| format!("cannot listen at {}", path.display()))?;
    let failed =
        |error| eprintln!("sheave: the agent's sockets could not be kept or given: {error}");
    std::thread::Builder::new()
        .name("keeper".into())
        .spawn(move || keeper.serve(failed))
        .context("cannot start a thread")?;
    Ok(())
}
