//! Figures as a diagram in SVG: a panel for each quantity, with a bar for each thing, or, where the number of Services
//! is varied, a line. What is drawn is the median; a thin line goes from the lowest to the highest. Pure.

use super::figure::Figure;
use super::page::number;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

const WIDTH: u32 = 900;
const HEADING_HEIGHT: u32 = 34;
const BAR_HEIGHT: u32 = 24;
const LINES_HEIGHT: u32 = 280;
const GAP: u32 = 16;
/// Where bars begin, and how long the longest of them is.
const BARS_LEFT: i32 = 330;
const BARS_LENGTH: f64 = 420.0;
const FONT: &str = "sans-serif";
/// Of what is Sheave's, and of all others: whoever looks for one of them finds it in every diagram.
const SHEAVE: [RGBColor; 5] = [
    RGBColor(31, 95, 168),
    RGBColor(52, 160, 220),
    RGBColor(15, 45, 90),
    RGBColor(110, 90, 200),
    RGBColor(20, 150, 150),
];
const OTHERS: [RGBColor; 9] = [
    RGBColor(120, 120, 120),
    RGBColor(217, 119, 38),
    RGBColor(190, 60, 70),
    RGBColor(90, 140, 70),
    RGBColor(60, 60, 60),
    RGBColor(181, 154, 31),
    RGBColor(150, 90, 50),
    RGBColor(209, 107, 165),
    RGBColor(150, 180, 130),
];
/// What has its name on a line's right.
const LEGEND_WIDTH: u32 = 250;
const LEGEND_HEIGHT: i32 = 18;
/// Values that are further apart than this are drawn on a logarithmic scale.
const LOGARITHMIC_FROM: f64 = 20.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The figures of one quantity, in one unit.
struct Panel<'a> {
    what: &'a str,
    unit: &'a str,
    figures: Vec<&'a Figure>,
}

/// All of a bench's figures as one picture; the text of an SVG file.
///
/// # Errors
/// When the plotting library refuses.
pub(super) fn draw(figures: &[Figure]) -> Result<String> {
    let panels = panels(figures);
    let height: u32 = panels.iter().map(Panel::height).sum();
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut rest = root.clone();
        for panel in &panels {
            let (area, below) = rest.split_vertically(panel.height());
            panel.draw(&area).map_err(|error| anyhow!("draw {}: {error}", panel.what))?;
            rest = below;
        }
        root.present()?;
    }
    Ok(svg)
}

/// In the order in which each first comes.
fn panels(figures: &[Figure]) -> Vec<Panel<'_>> {
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for figure in figures {
        let is_its =
            |panel: &&mut Panel<'_>| panel.what == figure.what && panel.unit == figure.unit;
        match panels.iter_mut().find(is_its) {
            Some(panel) => panel.figures.push(figure),
            None => {
                panels.push(Panel { what: &figure.what, unit: &figure.unit, figures: vec![figure] })
            }
        }
    }
    panels
}

impl Panel<'_> {
    /// Whether the number of Services is what is varied.
    fn has_lines(&self) -> bool {
        let mut numbers: Vec<u32> = self.figures.iter().filter_map(|one| one.services).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len() > 1
    }

    fn height(&self) -> u32 {
        let drawn =
            if self.has_lines() { LINES_HEIGHT } else { BAR_HEIGHT * self.figures.len() as u32 };
        HEADING_HEIGHT + drawn + GAP
    }

    fn draw(&self, area: &Area<'_>) -> Result<()> {
        let heading = format!("{} ({})", self.what, self.unit);
        let style = (FONT, 15).into_font().style(FontStyle::Bold);
        area.draw(&Text::new(heading, (12, 10), style))?;
        let (_, below) = area.split_vertically(HEADING_HEIGHT);
        if !self.has_lines() {
            return self.bars(&below);
        }
        let (low, high) = self.ends();
        if low > 0.0 && high / low > LOGARITHMIC_FROM {
            self.lines(&below, (low / 1.5..high * 1.5).log_scale(), few_ticks)
        } else {
            self.lines(&below, 0.0..high * 1.1, tick)
        }
    }

    /// The lowest and the highest value.
    fn ends(&self) -> (f64, f64) {
        let low = self.figures.iter().map(|figure| figure.min).fold(f64::INFINITY, f64::min);
        let high = self.figures.iter().map(|figure| figure.max).fold(f64::MIN_POSITIVE, f64::max);
        (low, high)
    }

    fn bars(&self, area: &Area<'_>) -> Result<()> {
        let (_, high) = self.ends();
        let at = |value: f64| BARS_LEFT + (value.max(0.0) / high * BARS_LENGTH).round() as i32;
        // Each has its name beside it: colours tell Sheave's from others, where there are others.
        let is_compared = self.figures.iter().any(|figure| is_sheave(&figure.of));
        for (index, figure) in self.figures.iter().enumerate() {
            let top = index as i32 * BAR_HEIGHT as i32;
            let middle = top + BAR_HEIGHT as i32 / 2;
            let bar = [(BARS_LEFT, top + 4), (at(figure.median), top + BAR_HEIGHT as i32 - 4)];
            let is_other = is_compared && !is_sheave(&figure.of);
            let colour = if is_other { OTHERS[0] } else { SHEAVE[0] };
            area.draw(&Rectangle::new(bar, colour.filled()))?;
            let ends = [(at(figure.min), middle), (at(figure.max), middle)];
            area.draw(&PathElement::new(ends, BLACK.stroke_width(1)))?;
            let label = |text, left| Text::new(text, (left, middle - 7), (FONT, 13).into_font());
            area.draw(&label(figure.whose(), 12))?;
            area.draw(&label(number(figure.median), at(figure.max.max(figure.median)) + 8))?;
        }
        Ok(())
    }

    fn lines<Y>(&self, area: &Area<'_>, y: Y, tick_y: fn(f64) -> String) -> Result<()>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let services = |figure: &&Figure| figure.services.map(f64::from);
        let most = self.figures.iter().filter_map(services).fold(1.0, f64::max);
        let (left, legend) = area.split_horizontally(WIDTH - LEGEND_WIDTH);
        let mut chart = ChartBuilder::on(&left)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .margin_right(8)
            .margin_bottom(GAP)
            .build_cartesian_2d((0.8..most * 1.25).log_scale(), y)?;
        chart
            .configure_mesh()
            .label_style((FONT, 12))
            .x_desc("Services")
            .x_label_formatter(&|value| tick(*value))
            .y_label_formatter(&|value| tick_y(*value))
            .light_line_style(TRANSPARENT)
            .draw()?;
        let things = self.things();
        let colours = colours(things.iter().copied());
        for (index, (of, colour)) in things.into_iter().zip(colours).enumerate() {
            let figures = self.figures.iter().filter(|figure| figure.of == of);
            let mut points: Vec<(f64, &Figure)> =
                figures.filter_map(|figure| Some((services(figure)?, *figure))).collect();
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            let medians = points.iter().map(|(x, figure)| (*x, figure.median));
            let width = if is_sheave(of) { 3 } else { 2 };
            chart
                .draw_series(LineSeries::new(medians, colour.stroke_width(width)).point_size(3))?;
            chart.draw_series(points.iter().map(|(x, figure)| {
                PathElement::new([(*x, figure.min), (*x, figure.max)], colour.stroke_width(1))
            }))?;
            let top = index as i32 * LEGEND_HEIGHT;
            legend.draw(&Rectangle::new([(8, top + 5), (22, top + 12)], colour.filled()))?;
            legend.draw(&Text::new(of, (30, top + 1), (FONT, 13).into_font()))?;
        }
        Ok(())
    }

    /// Whose figures there are, in their order.
    fn things(&self) -> Vec<&str> {
        let mut things: Vec<&str> = Vec::new();
        for figure in &self.figures {
            if !things.contains(&figure.of.as_str()) {
                things.push(&figure.of);
            }
        }
        things
    }
}

fn is_sheave(of: &str) -> bool {
    of.to_lowercase().contains("sheave")
}

/// Of each thing: Sheave's have theirs, the others theirs, in turn.
fn colours<'a>(things: impl Iterator<Item = &'a str>) -> Vec<RGBColor> {
    let (mut sheave, mut others) = (SHEAVE.into_iter().cycle(), OTHERS.into_iter().cycle());
    let colour = |of| if is_sheave(of) { sheave.next() } else { others.next() };
    things.filter_map(colour).collect()
}

/// The number of a line of the grid, which is a round one but for the error of its computing.
fn tick(value: f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}

/// Of a logarithmic scale three in ten have room for their numbers.
fn few_ticks(value: f64) -> String {
    let first = value / 10_f64.powf(value.log10().floor());
    match [1.0, 2.0, 5.0, 10.0].into_iter().any(|shown| (first - shown).abs() < 1e-6) {
        true => tick(value),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_median() {
        let figures = [
            Figure::of("latency", "a <1>", "ms", &[1.0]),
            Figure::of("latency", "b", "ms", &[2.0, 2.0, 4.0]),
            Figure::of("memory", "a", "MiB", &[8.0]),
        ];
        let svg = draw(&figures).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert!(svg.contains("a &lt;1&gt;"), "{svg}");
        assert!(svg.contains("latency (ms)") && svg.contains("memory (MiB)"), "{svg}");
        // The longest line is 4 long; bars of 1, of 2, and, in the other panel, of all there is.
        for width in [105, 210, 420] {
            assert!(svg.contains(&format!("width=\"{width}\"")), "{width}: {svg}");
        }
    }

    #[test]
    fn the_number_of_services_becomes_an_axis() {
        let figure = |of: &str, services, value: f64| {
            Figure::of("time", of, "us", &[value]).with_services(services)
        };
        let near = [figure("a", 1, 5.0), figure("a", 1000, 6.0), figure("b", 1, 7.0)];
        let far = [&near[..], &[figure("b", 1000, 900.0)]].concat();
        for figures in [&near[..], &far] {
            assert!(panels(figures)[0].has_lines());
            let svg = draw(figures).unwrap();
            assert!(svg.contains("<polyline") && svg.contains("Services"), "{svg}");
        }
        assert!(!panels(&near[..1])[0].has_lines());
    }

    #[test]
    fn sheave_has_a_colour_of_its_own_whatever_it_is_compared_with() {
        let seen = colours(["iptables", "Sheave by socket", "bridge", "sheave-agent"].into_iter());
        assert_eq!(seen, [OTHERS[0], SHEAVE[0], OTHERS[1], SHEAVE[1]]);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!([10_000.0, 0.1 + 0.2, 0.0].map(tick), ["10000", "0.3", "0"]);
        assert_eq!([1000.0, 0.2, 300.0, 0.9, 5.0].map(few_ticks), ["1000", "0.2", "", "", "5"]);
    }

    #[test]
    fn nothing_but_zeros_can_be_drawn() {
        assert!(draw(&[Figure::of("lost", "a", "questions", &[0.0])]).is_ok());
    }
}
