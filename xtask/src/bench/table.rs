//! Figures as lines: the middle and the ends of each, and of two how they compare.

use super::report::{Figure, Ratio};
use std::fmt;

/// Of the names of things, so that short tables stand below each other.
const WIDTH_MIN: usize = 38;

/// One of a table.
struct Line {
    name: String,
    values: [f64; 3],
    remark: String,
}

/// Under a heading whenever something else was measured.
pub(super) struct Table<'a>(pub(super) &'a [Figure]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for same in self.0.chunk_by(|one, next| one.what == next.what) {
            let lines = lines(same);
            let what = &same[0].what;
            let names = lines.iter().map(|line| &line.name).chain([what]);
            let longest = names.map(|name| name.chars().count()).max();
            let width = longest.unwrap_or_default().max(WIDTH_MIN);
            let [median, min, max] = ["median", "lowest", "highest"];
            write!(formatter, "\n{what:<width$}   {median:>10} {min:>10} {max:>10}\n")?;
            for Line { name, values: [median, min, max], remark } in lines {
                write!(formatter, "  {name:<width$} {median:>10.3} {min:>10.3} {max:>10.3}")?;
                writeln!(formatter, "  {remark}")?;
            }
        }
        Ok(())
    }
}

/// Of figures of one quantity: their ratios come after all of them, as they are read.
fn lines(figures: &[Figure]) -> Vec<Line> {
    let own = figures.iter().map(|figure| Line {
        name: figure.whose(),
        values: [figure.median, figure.min, figure.max],
        remark: figure.unit.clone(),
    });
    let ratios = figures.iter().flat_map(|figure| {
        figure.ratios.iter().map(|ratio| Line {
            name: format!("{} / {}", figure.whose(), ratio.to),
            values: [ratio.median, ratio.min, ratio.max],
            remark: remark(ratio),
        })
    });
    own.chain(ratios).collect()
}

fn remark(ratio: &Ratio) -> String {
    let goal = ratio.goal.map(|goal| format!("; goal: {goal:.2}")).unwrap_or_default();
    format!("95%: {:.3} to {:.3}{goal}", ratio.sure.0, ratio.sure.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_stands_below_the_figures_and_beside_its_goal() {
        let (a, b) = ([10.0, 5.0, 11.0], [10.0, 5.0, 10.0]);
        let figures = [
            Figure::of("where", "a", "ms", &a).beside_with_goal("b", &a, &b, Some(0.95)),
            Figure::of("where", "b", "ms", &b),
            Figure::of("elsewhere", "a", "ms", &[7.0]).with_services(1),
        ];
        let said = Table(&figures).to_string();
        let lines: Vec<String> = said
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(
            lines,
            [
                "where median lowest highest",
                "a 10.000 5.000 11.000 ms",
                "b 10.000 5.000 10.000 ms",
                "a / b 1.000 1.000 1.100 95%: 1.000 to 1.100; goal: 0.95",
                "elsewhere median lowest highest",
                "a, 1 Service 7.000 7.000 7.000 ms",
            ]
        );
    }
}
