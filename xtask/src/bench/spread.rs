//! What a handful of noisy figures says: their middle, their ends, and how sure the middle is. Nothing is
//! assumed of how they are distributed, since one measurement in ten goes astray on a shared machine.

/// Of figures that are there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
    /// Both ends of what holds the true median in 95 of 100 cases; those of all figures when they are too
    /// few to say.
    pub(super) sure: (f64, f64),
}

/// Of how often a sure interval may miss, on each of its sides.
const MISSES: f64 = 0.025;

impl Spread {
    /// `None` without a figure.
    pub(super) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        let outside = outside(sorted.len());
        let sure = (sorted[outside], sorted[sorted.len() - 1 - outside]);
        Some(Self { min, median, max, sure })
    }
}

/// How many figures on each side are left out of the interval that holds the median: each figure is below
/// it as often as a coin falls on its head.
fn outside(count: usize) -> usize {
    let mut left_out = 0;
    // Of exactly so many heads, and of at most so many.
    let mut exactly = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut at_most = exactly;
    loop {
        exactly *= (count - left_out) as f64 / (left_out + 1) as f64;
        at_most += exactly;
        if at_most > MISSES {
            return left_out;
        }
        left_out += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted() {
        let median = |figures: &[f64]| Spread::of(figures).map(|spread| spread.median);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[1.0]), Some(1.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn few_figures_are_all_inside() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.max, spread.sure), (1.0, 3.0, (1.0, 3.0)));
    }

    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        // Tables of the sign test: 6 figures leave out none, 9 one, 15 three, 20 five on each side.
        for (count, left_out) in [(5, 0), (6, 0), (8, 0), (9, 1), (15, 3), (20, 5)] {
            assert_eq!(outside(count), left_out, "{count}");
        }
    }
}
