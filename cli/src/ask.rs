//! Questions about this node: to its agent, or to the pinned maps when no agent answers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::agent_socket::{self, Got};
use crate::directories::Directories;
use crate::program;

/// Flags of every command that asks about this node.
#[derive(clap::Args)]
pub(crate) struct Asking {
    #[command(flatten)]
    directories: Directories,
    /// A table for people, or the answer as it is.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// How an answer is printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

impl Asking {
    /// Asks, and prints the answer: as JSON, or by `table`.
    pub(crate) fn print(
        &self,
        path: &str,
        arguments: &[(&str, Option<&str>)],
        table: impl FnOnce(&Value) -> String,
    ) -> Result<()> {
        let answer = self.ask(&question(path, arguments))?;
        match self.output {
            Format::Json => println!("{answer:#}"),
            Format::Table => println!("{}", table(&answer).trim_end()),
        }
        Ok(())
    }

    /// Of the administrator of a cluster that has its server on this machine.
    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.directories.admin_kubeconfig()
    }

    /// True when JSON is wanted.
    pub(crate) fn is_json(&self) -> bool {
        self.output == Format::Json
    }

    /// The answer, from whoever can give it.
    pub(crate) fn ask(&self, question: &str) -> Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let socket = self.directories.agent_socket();
        let away = match runtime.block_on(agent_socket::get(&socket, question))? {
            Got::Answer(value) => return Ok(value),
            Got::Away(error) => error,
        };
        program::require_root("asking about this node")?;
        let answer = inspect(&self.directories.bpffs_dir, question)
            .with_context(|| format!("no agent answers at {} ({away})", socket.display()))?;
        self.say_away(&away);
        Ok(answer)
    }
}

impl Asking {
    /// Prints lines as they come, each as `shown` makes it, until the answer ends.
    pub(crate) fn follow(&self, question: &str, shown: impl Fn(&str) -> String) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let socket = self.directories.agent_socket();
        let print = |line: &str| {
            let mut output = std::io::stdout().lock();
            writeln!(output, "{}", shown(line)).and_then(|()| output.flush())
        };
        let away = match runtime.block_on(agent_socket::follow(&socket, question, &print))? {
            None => return Ok(()),
            Some(error) => error,
        };
        program::require_root("asking about this node")?;
        self.say_away(&away);
        let agent = program::sibling("sheave-agent")?;
        let mut child = Command::new(&agent)
            .args(["inspect", "--follow", "--bpffs-dir"])
            .arg(&self.directories.bpffs_dir)
            .arg(question)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", agent.display()))?;
        let lines = child.stdout.take().context("the agent's program has no output")?;
        for line in BufReader::new(lines).lines() {
            if print(&line?).is_err() {
                break;
            }
        }
        if !child.wait()?.success() {
            bail!("the agent's program could not follow; what stands above says why");
        }
        Ok(())
    }

    fn say_away(&self, error: &std::io::Error) {
        eprintln!(
            "sheave: no agent answers at {} ({error}); this is what the kernel's maps hold, where \
             traffic goes on. Names of Services and pods are not known.",
            self.directories.agent_socket().display()
        );
    }
}

/// Asks the agent's program, which reads the pinned maps.
fn inspect(bpffs_dir: &Path, question: &str) -> Result<Value> {
    let agent = program::sibling("sheave-agent")?;
    let output = Command::new(&agent)
        .args(["inspect", "--bpffs-dir"])
        .arg(bpffs_dir)
        .arg(question)
        .output()
        .with_context(|| format!("cannot run {}", agent.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}", said.trim().trim_start_matches("sheave-agent: "));
    }
    serde_json::from_slice(&output.stdout).context("the agent's program answers no JSON")
}

/// A path with its arguments, those that are given.
pub(crate) fn question(path: &str, arguments: &[(&str, Option<&str>)]) -> String {
    let given = arguments.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let words: Vec<String> =
        given.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    match words.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", words.join("&")),
    }
}

/// RFC 3986, 2.1: whatever is not unreserved, and a few that a query may hold.
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_are_not_given_are_not_asked() {
        let arguments = [("pod", None), ("to", Some("[fd00::1]:80")), ("service", Some("a/b&c"))];
        assert_eq!(question("/x", &arguments), "/x?to=%5Bfd00::1%5D:80&service=a/b%26c");
        assert_eq!(question("/x", &[("pod", None)]), "/x");
    }
}
