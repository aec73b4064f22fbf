//! Runs a program to its end, within a limit, and keeps what it said.

use std::io::Write;
use std::process::{Command, Stdio};

/// What a program said and how it ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// Whether it ended with 0.
    pub ok: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs `words[0]` with the rest as arguments, `input` on its standard input and these variables in
/// its environment. It is ended after two minutes, which counts as failure.
pub fn run(words: &[&str], variables: &[(&str, &str)], input: &str) -> Said {
    let mut child = Command::new("timeout")
        .args(["--kill-after=5s", "120s"])
        .args(words)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", words[0]));
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let input = input.to_owned();
    // Written beside the reading, because a program may answer before it has read everything. One
    // that does not read at all closes the pipe, which is its right.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the child was started");
    let _ = writer.join();
    Said {
        ok: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// As [`run`], without input; panics when the program fails.
pub fn output(words: &[&str]) -> String {
    let said = run(words, &[], "");
    assert!(said.ok, "{} failed: {}{}", words.join(" "), said.stdout, said.stderr);
    said.stdout
}
