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
        let ratios: Vec<f64> = over.iter().zip(under).map(|(over, under)| over / under).collect();
        self.line(name, &ratios, |spread| {
            format!("95%: {:.3} to {:.3}", spread.sure.0, spread.sure.1)
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
