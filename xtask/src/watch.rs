//! Waiting for objects to be in a state, by one `kubectl get --watch`. To ask again and again would
//! start a kubectl each time, and take a good part of two processors from what is being measured.

use crate::cluster::Cluster;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Between a watch that ended and the next.
const PAUSE: Duration = Duration::from_millis(200);

/// What each object is like, by its name: the text that the asked path gave, empty when it has none.
pub(crate) type States = BTreeMap<String, String>;

/// Watches what `get` names until `reached` holds.
///
/// `path` is the JSONPath of the state, from the object's root: `.status.phase`. States hold no
/// line breaks.
///
/// # Errors
/// When `limit` passes first: with what was seen, and what kubectl said last if it gave up.
pub(crate) fn until(
    cluster: &Cluster,
    get: &[&str],
    path: &str,
    limit: Duration,
    reached: impl Fn(&States) -> bool,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    let mut states = States::new();
    // A watch may end before its time, as any connection; the next one begins with all there is.
    loop {
        states.clear();
        let mut watch = Watch::start(cluster, get, path, deadline)?;
        while let Some(line) = watch.next_line(deadline)? {
            apply(&mut states, &line)?;
            if reached(&states) {
                return Ok(());
            }
        }
        if Instant::now() >= deadline {
            let (seconds, said) = (limit.as_secs(), watch.last_words());
            bail!("waited {seconds} s; kubectl get {}: {states:?} {said}", get.join(" "));
        }
        std::thread::sleep(PAUSE);
    }
}

/// A line is the kind of the event, the object's name and its state.
fn apply(states: &mut States, line: &str) -> Result<()> {
    let mut fields = line.splitn(3, ' ');
    let (Some(event), Some(name)) = (fields.next(), fields.next()) else {
        bail!("kubectl printed {line:?} where an event was expected");
    };
    if event == "DELETED" {
        states.remove(name);
    } else {
        states.insert(name.to_owned(), fields.next().unwrap_or_default().to_owned());
    }
    Ok(())
}

/// A kubectl that prints a line for each event. Ended when dropped.
struct Watch {
    kubectl: Child,
    lines: Receiver<std::io::Result<String>>,
}

impl Watch {
    fn start(cluster: &Cluster, get: &[&str], path: &str, deadline: Instant) -> Result<Self> {
        let left = deadline.saturating_duration_since(Instant::now()).as_secs().max(1);
        let output = format!(
            r#"--output=jsonpath={{.type}} {{.object.metadata.name}} {{.object{path}}}{{"\n"}}"#
        );
        let mut command: Command = cluster.kubectl_command()?;
        command.arg("get").args(get).args(["--watch", "--output-watch-events", &output]);
        // Where kubectl runs through sudo it cannot be ended from here: it does so by itself.
        command.arg(format!("--request-timeout={left}s"));
        let mut kubectl = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start kubectl")?;
        let output = kubectl.stdout.take().context("kubectl has no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { kubectl, lines })
    }

    /// What a kubectl that has ended, or ends now, says of it.
    fn last_words(&mut self) -> String {
        let _ = self.kubectl.kill();
        let mut said = String::new();
        if let Some(mut errors) = self.kubectl.stderr.take() {
            // What cannot be read is not said.
            let _ = errors.read_to_string(&mut said);
        }
        said.trim().to_owned()
    }

    /// Nothing when the watch ended or the time is over.
    fn next_line(&self, deadline: Instant) -> Result<Option<String>> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Ok(Some(line.context("cannot read what kubectl prints")?)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(None),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_add_change_and_remove() {
        let mut states = States::new();
        for line in ["ADDED a Pending", "ADDED b ", "MODIFIED a Running", "DELETED b Running"] {
            apply(&mut states, line).unwrap();
        }
        assert_eq!(states, States::from([("a".to_owned(), "Running".to_owned())]));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert!(apply(&mut States::new(), "Unexpected").is_err());
    }
}
