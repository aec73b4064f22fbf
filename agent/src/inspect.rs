//! `sheave-agent inspect`: answers one question of `sheave` from the pinned maps alone, as the control
//! socket would, for when no agent runs. It opens the maps, changes nothing, and knows no names.

use anyhow::{Context, Result, anyhow};
use axum::http::Uri;
use nix::sys::signal::{SigHandler, Signal, signal};

use crate::answers::{Answers, flows};
use crate::config::InspectArguments;
use crate::control;

/// Prints the answer as JSON.
pub(crate) fn run(arguments: &InspectArguments) -> Result<()> {
    let question = &arguments.question;
    let uri: Uri = question.parse().with_context(|| format!("{question:?} is no question"))?;
    let query = control::query(&uri).map_err(|error| anyhow!(error))?;
    let answers = Answers::of_maps(arguments.bpffs_dir.clone());
    if arguments.follow {
        // The end is when nobody reads, so that the programs are told.
        // SAFETY: no code runs when the signal comes.
        unsafe { signal(Signal::SIGINT, SigHandler::SigIgn) }?;
        return Ok(flows::print(&answers, &query)?);
    }
    let answer = answers.answer(uri.path(), &query)?;
    println!("{answer}");
    Ok(())
}
