//! Figures of interleaved rounds as lines: the middle of each and its ends, and of two how they compare.

use super::spread::Spread;
use std::fmt;

/// Lines under a heading.
pub(super) struct Table(String);

impl Table {
    pub(super) fn new(name: &str) -> Self {
        Self(format!("{name:<36} {:>8} {:>8} {:>8}\n", "median", "lowest", "highest"))
    }

    /// One figure a round.
    pub(super) fn figures(&mut self, name: &str, figures: &[f64], unit: &str) {
        self.line(name, figures, |_| unit.to_owned());
    }

    /// Of two figures of each round, so that what disturbs all of it counts for none.
    pub(super) fn ratio(&mut self, name: &str, over: &[f64], under: &[f64]) {
        self.ratio_with_goal(name, over, under, None);
    }

    /// The same, and what it should be at least.
    pub(super) fn ratio_with_goal(
        &mut self,
        name: &str,
        over: &[f64],
        under: &[f64],
        goal: Option<f64>,
    ) {
        let ratios: Vec<f64> = over.iter().zip(under).map(|(over, under)| over / under).collect();
        let goal = goal.map(|goal| format!("; goal: {goal:.2}")).unwrap_or_default();
        self.line(name, &ratios, |spread| {
            format!("95%: {:.3} to {:.3}{goal}", spread.sure.0, spread.sure.1)
        });
    }

    fn line(&mut self, name: &str, figures: &[f64], remark: impl Fn(&Spread) -> String) {
        if let Some(spread) = Spread::of(figures) {
            let Spread { median, min, max, .. } = spread;
            let remark = remark(&spread);
            let line = format!("  {name:<34} {median:>8.3} {min:>8.3} {max:>8.3}  {remark}\n");
            self.0.push_str(&line);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_each_round_and_stands_beside_its_goal() {
        let mut table = Table::new("where");
        // One round in which everything was slow.
        table.ratio_with_goal("a / b", &[10.0, 5.0, 11.0], &[10.0, 5.0, 10.0], Some(0.95));
        table.ratio("b / a", &[10.0], &[5.0]);
        let said = table.to_string();
        let lines: Vec<Vec<&str>> =
            said.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1].join(" "), "a / b 1.000 1.000 1.100 95%: 1.000 to 1.100; goal: 0.95");
        assert_eq!(lines[2].join(" "), "b / a 2.000 2.000 2.000 95%: 2.000 to 2.000");
    }
}
