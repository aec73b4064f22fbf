//! Values of rounds, and the figures that are made of them: by what was measured, then by the number of Services, then
//! by the way.

use super::measure::Value;
use super::ways::Way;
use crate::bench::report::Figure;
use std::collections::BTreeMap;

/// Values of every round.
#[derive(Default)]
pub(super) struct Results {
    /// What was measured and its unit, in the order of the first round.
    kinds: Vec<(String, &'static str)>,
    /// By kind, number of Services and way: a value a round.
    values: BTreeMap<(usize, u32, Way), Vec<f64>>,
}

impl Results {
    /// Of one load over one way, in one round.
    pub(super) fn add(&mut self, services: u32, way: Way, values: Vec<Value>) {
        for Value { what, unit, value } in values {
            let kind = self.kinds.iter().position(|(known, _)| *known == what);
            let kind = kind.unwrap_or_else(|| {
                self.kinds.push((what, unit));
                self.kinds.len() - 1
            });
            self.values.entry((kind, services, way)).or_default().push(value);
        }
    }

    /// Each compared with the plain way of the same rounds.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let figure = |(key, own): (&(usize, u32, Way), &Vec<f64>)| {
            let (kind, services, way) = *key;
            let (what, unit) = &self.kinds[kind];
            let figure = Figure::of(what, way.name(), unit, own).with_services(services);
            let baseline = way.baseline();
            match self.values.get(&(kind, services, baseline)) {
                Some(plain) if baseline != way => figure.beside(baseline.name(), own, plain),
                _ => figure,
            }
        };
        self.values.iter().map(figure).collect()
    }

    /// The last value of a kind for each way, in words.
    pub(super) fn last(&self, services: u32, what: &str) -> String {
        let Some(kind) = self.kinds.iter().position(|(known, _)| known == what) else {
            return String::new();
        };
        let of = self.values.iter().filter(|((of, count, _), _)| (*of, *count) == (kind, services));
        let last = of.filter_map(|(_, values)| values.last().map(|value| format!("{value:.1}")));
        last.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_sorted_by_what_they_are_of_and_compared_within_a_round() {
        let mut results = Results::default();
        let one = |what: &str, value| vec![Value { what: what.to_owned(), unit: "us", value }];
        for (round, way, value) in [
            (1, Way::Socket, 3.0),
            (1, Way::Routed, 2.0),
            (2, Way::Routed, 4.0),
            (2, Way::Socket, 4.0),
        ] {
            results.add(1, way, one("b", value));
            results.add(1, way, one("a", f64::from(round)));
        }
        let figures = results.figures();
        let of = |figure: &Figure| (figure.what.clone(), figure.of.clone());
        let expected =
            [("b", Way::Routed), ("b", Way::Socket), ("a", Way::Routed), ("a", Way::Socket)];
        let expected = expected.map(|(what, way)| (what.to_owned(), way.name().to_owned()));
        assert_eq!(figures.iter().map(of).collect::<Vec<_>>(), expected);
        assert!(figures[0].ratios.is_empty());
        let ratio = &figures[1].ratios[0];
        assert_eq!((ratio.to.as_str(), ratio.min, ratio.max), ("routed veths", 1.0, 1.5));
        assert_eq!(figures[1].services, Some(1));
        assert_eq!(results.last(1, "b"), "4.0 4.0");
    }
}
