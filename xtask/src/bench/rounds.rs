//! One TCP stream over several ways, one after the other in each round, with both ends where each placement has
//! them; and what came of it as figures.

use super::placement::Placement;
use super::report::Figure;
use crate::cluster::output_of;
use crate::{step, traffic};
use anyhow::Result;
use std::net::SocketAddrV4;
use std::process::Command;
use std::time::Duration;

/// The server closes its side of the last stream before it takes the next.
const BETWEEN: Duration = Duration::from_millis(300);

/// The same for every way, whatever this machine's default: one that paces by estimates (BBR) measures its
/// estimates. Every kernel has it, and every container may use it.
pub(super) const CONGESTION: &str = "reno";

/// What is measured, and how often.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) rounds: u32,
    pub(super) seconds: u32,
    pub(super) congestion: &'a str,
}

/// A way from a client to a server.
pub(super) struct Path<'a> {
    pub(super) name: String,
    pub(super) server: SocketAddrV4,
    pub(super) client: Enter<'a>,
}

/// Makes a command of words, that runs where a client is.
pub(super) type Enter<'a> = Box<dyn Fn(&[String]) -> Result<Command> + 'a>;

/// Two ways that are compared, by their numbers.
#[derive(Clone, Copy)]
pub(super) struct Comparison {
    pub(super) over: usize,
    pub(super) under: usize,
    /// What the ratio should be at least.
    pub(super) goal: Option<f64>,
}

/// Where both ends run, and what was measured there: a row a round, a column a way.
struct Setting {
    placement: Placement,
    gbit_s: Vec<Vec<f64>>,
}

/// Measures every way in each round. `what` is said of each figure, before the placement.
pub(super) fn run(
    plan: Plan<'_>,
    what: &str,
    paths: &[Path<'_>],
    comparisons: &[Comparison],
) -> Result<Vec<Figure>> {
    let placements = Placement::all()?.into_iter();
    let mut settings: Vec<Setting> =
        placements.map(|placement| Setting { placement, gbit_s: Vec::new() }).collect();
    let Plan { rounds, seconds, congestion } = plan;
    println!("iperf3, one TCP stream ({congestion}), {rounds} rounds of {seconds} s each way:");
    for round in 1..=rounds {
        step::perform(&format!("round {round}"), || {
            let mut remarks = Vec::new();
            for Setting { placement, gbit_s } in &mut settings {
                let row = measure_paths(plan, paths, placement, round)?;
                let words: Vec<String> = row.iter().map(|value| format!("{value:.1}")).collect();
                remarks.push(words.join(" "));
                gbit_s.push(row);
            }
            Ok(remarks.join(", "))
        })?;
    }
    Ok(settings.iter().flat_map(|setting| figures(what, setting, paths, comparisons)).collect())
}

/// Measures each way once. The order turns from round to round, so that none is always the first
/// after a pause.
fn measure_paths(
    plan: Plan<'_>,
    paths: &[Path<'_>],
    placement: &Placement,
    round: u32,
) -> Result<Vec<f64>> {
    let mut row = vec![0.0; paths.len()];
    for offset in 0..paths.len() {
        let path = (round as usize + offset) % paths.len();
        row[path] = measure(plan, &paths[path], placement)?;
        std::thread::sleep(BETWEEN);
    }
    Ok(row)
}

fn measure(plan: Plan<'_>, path: &Path<'_>, placement: &Placement) -> Result<f64> {
    let mut words = traffic::iperf3_words(path.server, plan.seconds);
    words.extend(placement.iperf3_words());
    words.extend(["--congestion".to_owned(), plan.congestion.to_owned()]);
    let report = output_of(&mut (path.client)(&words)?)?;
    traffic::received_gbit_s(&report)
}

fn figures(
    what: &str,
    setting: &Setting,
    paths: &[Path<'_>],
    comparisons: &[Comparison],
) -> Vec<Figure> {
    let what = format!("{what}, {}", setting.placement.name);
    let column = |index: usize| setting.gbit_s.iter().map(|row| row[index]).collect::<Vec<_>>();
    let figure = |(index, path): (usize, &Path<'_>)| {
        let own = column(index);
        let figure = Figure::of(&what, &path.name, "Gbit/s", &own);
        let others = comparisons.iter().filter(|comparison| comparison.over == index);
        others.fold(figure, |figure, Comparison { under, goal, .. }| {
            figure.beside_with_goal(&paths[*under].name, &own, &column(*under), *goal)
        })
    };
    paths.iter().enumerate().map(figure).collect()
}
