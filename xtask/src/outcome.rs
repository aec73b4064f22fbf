//! What came out of a program full of tests, counted from what it prints.

use anyhow::{Result, bail};
use std::time::Duration;

/// What a test prints, at the start of a line, when it could not test what it is for.
const SKIPPED: &str = "SKIPPED: ";

/// What came out of one executable.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// Reasons of tests that tested nothing.
    pub(crate) skipped: Vec<String>,
    /// How many of those the runner will count as passed.
    uncounted: u32,
    /// Whether the runner said what came out.
    has_result: bool,
    /// The executable as a whole: false also when it crashed or hung.
    pub(crate) succeeded: bool,
    pub(crate) took: Duration,
}

impl Outcome {
    /// Of a program that has not said anything yet.
    pub(crate) fn named(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// Takes in a line of the test program's output.
    pub(crate) fn count(&mut self, line: &str) {
        if let Some(reason) = line.strip_prefix(SKIPPED) {
            self.skipped.push(reason.to_owned());
            // The runner counts it as passed, later.
            self.uncounted += 1;
        }
        // test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
        let Some(result) = line.strip_prefix("test result: ") else { return };
        self.has_result = true;
        for part in result.split(['.', ';']) {
            let Some((count, what)) = part.trim().split_once(' ') else { continue };
            let Ok(count) = count.parse::<u32>() else { continue };
            match what {
                "passed" => {
                    self.passed += count.saturating_sub(std::mem::take(&mut self.uncounted))
                }
                "failed" => self.failed += count,
                "ignored" if count > 0 => self.skipped.push(format!("{count} ignored")),
                _ => {}
            }
        }
    }

    /// The program has ended.
    pub(crate) fn close(&mut self, succeeded: bool, took: Duration) {
        self.succeeded = succeeded;
        self.took = took;
        if !self.has_result {
            // A program with a main of its own, or one that crashed, is one test.
            self.passed += u32::from(succeeded);
            self.failed += u32::from(!succeeded);
        }
    }

    /// Where everything must be testable, what was skipped has failed.
    pub(crate) fn refuse_skips(&mut self) {
        for reason in self.skipped.drain(..) {
            println!("  {}: must not be skipped here: {reason}", self.name);
            self.failed += 1;
            self.succeeded = false;
        }
    }
}

/// Prints what came out of each program, with the reasons of what was skipped. Fails when any test failed.
pub(crate) fn summarize(outcomes: &[Outcome], took: Duration) -> Result<()> {
    println!("\nSummary:");
    for outcome in outcomes {
        let verdict = if outcome.succeeded { "ok    " } else { "FAILED" };
        println!(
            "  {verdict} {:<44} {:>4} passed {:>3} failed {:>3} skipped {:>7.1} s",
            outcome.name,
            outcome.passed,
            outcome.failed,
            outcome.skipped.len(),
            outcome.took.as_secs_f64()
        );
        for reason in &outcome.skipped {
            println!("           skipped: {reason}");
        }
    }
    let passed: u32 = outcomes.iter().map(|outcome| outcome.passed).sum();
    let failed: u32 = outcomes.iter().map(|outcome| outcome.failed).sum();
    let skipped: usize = outcomes.iter().map(|outcome| outcome.skipped.len()).sum();
    let broken: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.succeeded)
        .map(|outcome| outcome.name.as_str())
        .collect();
    println!(
        "\n{passed} passed, {failed} failed, {skipped} skipped, in {} test programs, {:.0} s",
        outcomes.len(),
        took.as_secs_f64()
    );
    if broken.is_empty() {
        return Ok(());
    }
    bail!("these failed: {}", broken.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_from_the_runners_own_lines() {
        let mut outcome = Outcome::default();
        outcome.count("test a ... ok");
        outcome.count("SKIPPED: no IPv6 on this machine");
        outcome.count(
            "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 3 filtered out; \
             finished in 1.02s",
        );
        assert_eq!((outcome.passed, outcome.failed), (11, 1));
        assert_eq!(outcome.skipped, ["no IPv6 on this machine", "2 ignored"]);
    }

    #[test]
    fn what_may_not_be_skipped_has_failed() {
        let mut outcome = Outcome::default();
        outcome.count("SKIPPED: this kernel has no tcx");
        outcome.count("test result: ok. 2 passed; 0 failed; finished in 1.02s");
        outcome.close(true, Duration::ZERO);
        outcome.refuse_skips();
        assert_eq!((outcome.passed, outcome.failed, outcome.succeeded), (1, 1, false));
        assert!(outcome.skipped.is_empty());
    }
}
