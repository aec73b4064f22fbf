//! Named steps with visible progress: a spinner with the newest line of output on a terminal, plain
//! lines elsewhere. A step that fails shows everything its command said.

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Without a terminal, how often a running step says that it still runs.
const STILL_RUNNING: Duration = Duration::from_secs(30);

/// Runs a command as a step named `name`; returns how long it took.
///
/// # Errors
/// When the command cannot be started or ends with another code than 0.
pub(crate) fn run(name: &str, command: &mut Command) -> Result<Duration> {
    let step = Step::start(name);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{name}: cannot start {program}"))?;
    let lines = lines_of(&mut child);
    let mut output = String::new();
    while let Some(line) = step.next_line(&lines) {
        step.show(&line);
        output.push_str(&line);
        output.push('\n');
    }
    let status = child.wait().with_context(|| format!("{name}: cannot wait for {program}"))?;
    if !status.success() {
        step.fail();
        eprintln!("{output}");
        bail!("{name} failed: {program} ended with {status}; its output is above");
    }
    Ok(step.done(""))
}

/// Runs code of ours as a step; `work` returns a remark for the closing line, or an empty string.
pub(crate) fn perform(name: &str, work: impl FnOnce() -> Result<String>) -> Result<Duration> {
    let step = Step::start(name);
    match work() {
        Ok(remark) => Ok(step.done(&remark)),
        Err(error) => {
            step.fail();
            Err(error.context(format!("{name} failed")))
        }
    }
}

/// Says that a step had nothing to do.
pub(crate) fn unneeded(name: &str, why: &str) {
    println!("  {name}: {why}");
}

/// Both output streams of a child as one stream of lines, which ends when both have ended.
fn lines_of(child: &mut std::process::Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
    ];
    for stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
    receiver
}

struct Step {
    name: String,
    started: Instant,
    /// On a terminal only.
    spinner: Option<ProgressBar>,
}

impl Step {
    fn start(name: &str) -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {prefix} ({elapsed}) {wide_msg:.dim}")
                    .expect("the template is a constant");
            let bar = ProgressBar::new_spinner().with_style(style).with_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if spinner.is_none() {
            println!("  {name} ...");
        }
        Self { name: name.to_owned(), started: Instant::now(), spinner }
    }

    /// The next line, or `None` when there will be no more.
    fn next_line(&self, lines: &mpsc::Receiver<String>) -> Option<String> {
        loop {
            match lines.recv_timeout(STILL_RUNNING) {
                Ok(line) => return Some(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.say_still_running();
                }
            }
        }
    }

    fn say_still_running(&self) {
        if self.spinner.is_none() {
            println!("  {} ... {} s", self.name, self.started.elapsed().as_secs());
        }
    }

    fn show(&self, line: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(line.trim().to_owned());
        }
    }

    fn done(self, remark: &str) -> Duration {
        let took = self.started.elapsed();
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        let separator = if remark.is_empty() { "" } else { ", " };
        println!("  {}: done{separator}{remark} ({:.1} s)", self.name, took.as_secs_f64());
        took
    }

    fn fail(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        println!("  {}: FAILED after {:.1} s", self.name, self.started.elapsed().as_secs_f64());
    }
}
