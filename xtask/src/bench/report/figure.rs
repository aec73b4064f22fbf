//! What a bench has found: one quantity of one thing, by a handful of rounds. Every bench returns its figures; what
//! is printed, written and drawn is made of them alone.

use super::super::spread::Spread;
use serde::{Deserialize, Serialize};

/// A quantity of something, with the middle and the ends of its rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::bench) struct Figure {
    /// What is measured, and under which conditions: "one TCP stream, both ends on one processor".
    pub(in crate::bench) what: String,
    /// Whose: "`ClusterIP`", "Sheave", "iptables". Figures of the same `what` and unit are compared.
    pub(in crate::bench) of: String,
    /// How many Services there were, where that is what is varied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::bench) services: Option<u32>,
    /// "Gbit/s", "ms", "MiB".
    pub(in crate::bench) unit: String,
    pub(in crate::bench) median: f64,
    pub(in crate::bench) min: f64,
    pub(in crate::bench) max: f64,
    /// To others of the same `what`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::bench) ratios: Vec<Ratio>,
}

/// This figure divided by another, of each round: what disturbs all of a round counts for none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::bench) struct Ratio {
    /// The other figure's `of`.
    pub(in crate::bench) to: String,
    pub(in crate::bench) median: f64,
    pub(in crate::bench) min: f64,
    pub(in crate::bench) max: f64,
    /// Both ends of what holds the true median in 95 of 100 runs.
    pub(in crate::bench) sure: (f64, f64),
    /// What it should be at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::bench) goal: Option<f64>,
}

impl Figure {
    /// Of one value a round, in `unit`.
    ///
    /// # Panics
    /// Without a round: every bench measures at least one.
    pub(in crate::bench) fn of(what: &str, of: &str, unit: &str, rounds: &[f64]) -> Self {
        let Spread { min, median, max, .. } = Spread::of(rounds).expect("at least one round");
        let (what, of, unit) = (what.to_owned(), of.to_owned(), unit.to_owned());
        Self { what, of, services: None, unit, median, min, max, ratios: Vec::new() }
    }

    /// Measured with so many Services.
    #[allow(dead_code, reason = "for the benches that vary their number")]
    pub(in crate::bench) fn with_services(mut self, services: u32) -> Self {
        self.services = Some(services);
        self
    }

    /// Compares it with another thing: both values of each round, in the order of the rounds. Once for each other.
    ///
    /// # Panics
    /// Without a round, as [`Figure::of`].
    pub(in crate::bench) fn beside(self, to: &str, own: &[f64], others: &[f64]) -> Self {
        self.beside_with_goal(to, own, others, None)
    }

    /// As [`Figure::beside`], and what the ratio should be at least.
    pub(in crate::bench) fn beside_with_goal(
        mut self,
        to: &str,
        own: &[f64],
        others: &[f64],
        goal: Option<f64>,
    ) -> Self {
        let ratios: Vec<f64> = own.iter().zip(others).map(|(own, other)| own / other).collect();
        let Spread { min, median, max, sure } = Spread::of(&ratios).expect("at least one round");
        self.ratios.push(Ratio { to: to.to_owned(), median, min, max, sure, goal });
        self
    }

    /// Whose it is, with the number of Services.
    pub(in crate::bench) fn whose(&self) -> String {
        match self.services {
            Some(1) => format!("{}, 1 Service", self.of),
            Some(services) => format!("{}, {services} Services", self.of),
            None => self.of.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_each_round() {
        // One round in which everything was slow.
        let (own, others) = ([10.0, 5.0, 11.0], [10.0, 5.0, 10.0]);
        let figure = Figure::of("what", "a", "Gbit/s", &own).beside("b", &own, &others);
        assert_eq!((figure.min, figure.median, figure.max), (5.0, 10.0, 11.0));
        let ratio = &figure.ratios[0];
        assert_eq!((ratio.to.as_str(), ratio.goal), ("b", None));
        assert_eq!((ratio.min, ratio.median, ratio.max), (1.0, 1.0, 1.1));
    }

    #[test]
    fn a_figure_is_read_as_it_was_written() {
        let plain = Figure::of("what", "a", "ms", &[1.5]);
        let written = serde_json::to_string(&plain).unwrap();
        assert_eq!(
            written,
            r#"{"what":"what","of":"a","unit":"ms","median":1.5,"min":1.5,"max":1.5}"#
        );
        let full = plain.with_services(1000).beside_with_goal("b", &[1.5], &[3.0], Some(0.95));
        let written = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<Figure>(&written).unwrap(), full);
        assert_eq!(full.whose(), "a, 1000 Services");
    }
}
