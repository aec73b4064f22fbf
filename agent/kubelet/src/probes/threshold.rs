//! When a row of answers becomes a verdict. Pure.

use crate::pod::spec::Probe;

/// What a probe thinks of its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
}

/// Counts equal answers in a row.
#[derive(Debug)]
pub(super) struct Threshold {
    success: u32,
    failure: u32,
    last: Option<bool>,
    in_a_row: u32,
    verdict: Option<Verdict>,
}

impl Threshold {
    /// `before` is a verdict that is known already.
    pub(super) fn new(probe: &Probe, before: Option<bool>) -> Self {
        let verdict = before.map(|passed| if passed { Verdict::Passed } else { Verdict::Failed });
        let (success, failure) = (probe.success_threshold, probe.failure_threshold);
        Self { success, failure, last: None, in_a_row: 0, verdict }
    }

    /// Takes an answer; gives a verdict when it is a new one.
    pub(super) fn note(&mut self, ok: bool) -> Option<Verdict> {
        self.in_a_row = if self.last == Some(ok) { self.in_a_row.saturating_add(1) } else { 1 };
        self.last = Some(ok);
        let (needed, verdict) =
            if ok { (self.success, Verdict::Passed) } else { (self.failure, Verdict::Failed) };
        if self.in_a_row < needed || self.verdict == Some(verdict) {
            return None;
        }
        self.verdict = Some(verdict);
        Some(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::spec::Check;

    #[test]
    fn thresholds_are_rows_not_sums() {
        let probe = Probe {
            check: Check::Exec(Vec::new()),
            initial_delay_s: 0,
            period_s: 1,
            timeout_s: 1,
            success_threshold: 2,
            failure_threshold: 3,
            termination_grace_s: None,
        };
        let verdicts = |answers: &str, before| {
            let mut threshold = Threshold::new(&probe, before);
            let shown = answers.chars().map(|c| match threshold.note(c == '+') {
                Some(Verdict::Passed) => 'P',
                Some(Verdict::Failed) => 'F',
                None => '.',
            });
            shown.collect::<String>()
        };
        assert_eq!(verdicts("++", None), ".P");
        assert_eq!(verdicts("+-+-++", None), ".....P");
        assert_eq!(verdicts("++--+---", None), ".P.....F");
        assert_eq!(verdicts("---", None), "..F");
        assert_eq!(verdicts("++++", Some(true)), "....");
    }
}
