//! What can go wrong with a lab, each with what helps.

use std::io;
use std::time::Duration;

/// Why a lab could not be started, found, changed or taken away.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Namespaces and cgroups are root's.
    #[error("a lab needs root: run the command as root")]
    NotRoot,
    /// The order cannot be filled.
    #[error("{field}: {why}")]
    Spec {
        /// Which part of it.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// There is one of this name, or what is left of one.
    #[error(
        "there is a lab {0} on this machine already: take it away first (`cargo xtask lab down`)"
    )]
    Exists(String),
    /// There is none of this name.
    #[error("there is no lab {0} on this machine: start one with `cargo xtask lab up`")]
    Absent(String),
    /// A cluster's socket hooks at the root of the cgroups would translate the lab's sockets too.
    #[error(
        "a cluster runs on this machine itself, and its programs would meddle with the lab's sockets: \
         end it first (`cargo xtask down`)"
    )]
    ClusterHere,
    /// The machine's name is none of this lab's.
    #[error("the lab {lab} has no {name}: it has {there}")]
    NoMachine {
        /// Of the lab.
        lab: String,
        /// What was asked for.
        name: String,
        /// What there is.
        there: String,
    },
    /// A machine that was stopped is asked to do something.
    #[error("{0} does not run: start it first (`cargo xtask lab start {0}`)")]
    Stopped(String),
    /// A file, a directory, a process.
    #[error("cannot {what}")]
    Io {
        /// Do what.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program that was run to its end.
    #[error("{command} failed: {said}")]
    Program {
        /// The words.
        command: String,
        /// What it said.
        said: String,
    },
    /// Something that must come to pass did not.
    #[error("waited {} s for {what}; {seen}", .limit.as_secs())]
    Late {
        /// For what.
        what: String,
        /// How long.
        limit: Duration,
        /// What was there instead.
        seen: String,
    },
}

impl LabError {
    /// For `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
