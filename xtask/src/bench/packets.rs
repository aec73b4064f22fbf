//! What each kind of packet costs in the kernel programs, and what their verifier walks: measured by a test of the
//! dataplane, which knows what packets look like, and compared with the figures that are committed.

use super::catalogue::Name;
use super::report::{Figure, Machine, Results};
use crate::cluster::output_of;
use crate::{ebpf, privilege, programs, step, workspace};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;

/// The test that does it, in the program `packet`.
const TEST: &str = "costs::every_kind_of_packet_goes_the_way_that_is_timed";
const PROGRAM: [&str; 4] = ["--package", "sheave-tests", "--test", "packet"];

/// Reading the clock, and what is in no cache after the system call before.
const CLOCK: &str = "what a single run takes more than one of many";

/// What it writes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Costs {
    rows: Vec<Row>,
    /// What a single run takes more than one of many, a figure a round.
    clock_ns: Vec<f64>,
    programs: Vec<Program>,
}

/// One kind of packet.
#[derive(Debug, Deserialize)]
struct Row {
    program: String,
    family: String,
    packet: String,
    /// A figure a round.
    ns: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct Program {
    program: String,
    /// That it has, with all its functions.
    instructions: u32,
    /// That the verifier has walked; kernels before 5.16 do not say.
    verified: Option<u32>,
}

/// Builds the kernel programs and the test.
pub(super) fn build() -> Result<programs::Program> {
    ebpf::run()?;
    let built = programs::build(&PROGRAM)?;
    built.into_iter().next().context("cargo built no program `packet`")
}

/// Measures so many rounds.
pub(super) fn run(rounds: u32) -> Result<Vec<Figure>> {
    privilege::require("measuring")?;
    let test = build()?;
    let file = workspace::target_dir().join("packet-costs.json");
    step::perform(&format!("{rounds} rounds of each kind of packet"), || {
        measure(&test, &file, rounds)?;
        Ok(String::new())
    })?;
    let written = std::fs::read_to_string(&file)?;
    let costs = serde_json::from_str(&written).with_context(|| file.display().to_string())?;
    let committed = Results::committed(Name::Packets)?;
    Ok(figures(&costs, committed.as_ref().filter(|results| is_comparable(&results.machine))))
}

fn measure(test: &programs::Program, file: &Path, rounds: u32) -> Result<()> {
    let file = file.to_str().context("the target directory's path is not UTF-8")?;
    let rounds = rounds.to_string();
    let variables = [("SHEAVE_COSTS", file), ("SHEAVE_COSTS_ROUNDS", rounds.as_str())];
    let mut command = privilege::command_with_env(&test.executable, &variables);
    command.current_dir(&test.directory).args(["--exact", TEST]);
    output_of(&mut command).map(drop)
}

/// Figures of another processor say nothing beside these.
fn is_comparable(committed: &Machine) -> bool {
    let is_same = Machine::processor().is_ok_and(|own| own == committed.cpu);
    let Machine { commit, date, cpu, .. } = committed;
    match is_same {
        true => println!("  beside the committed figures, of commit {commit}, {date}"),
        false => println!("  the committed figures are of another processor ({cpu}): not compared"),
    }
    is_same
}

fn figures(costs: &Costs, committed: Option<&Results>) -> Vec<Figure> {
    let beside_committed = |figure: Figure, rounds: &[f64]| {
        let before = committed.and_then(|results| {
            let same = |one: &&Figure| one.what == figure.what && one.of == figure.of;
            Some((&results.machine.commit, results.figures.iter().find(same)?.median))
        });
        match before {
            Some((commit, before)) if before > 0.0 => {
                figure.beside(&format!("commit {commit}"), rounds, &vec![before; rounds.len()])
            }
            _ => figure,
        }
    };
    let rows = costs.rows.iter().map(|Row { program, family, packet, ns }| {
        let figure = Figure::of(&format!("{program}, {family}"), packet, "ns a packet", ns);
        beside_committed(figure, ns)
    });
    let clock = Figure::of(CLOCK, "in each of them", "ns a packet", &costs.clock_ns);
    let instructions = costs.programs.iter().map(|program| {
        let rounds = [f64::from(program.instructions)];
        let figure = Figure::of("what programs have", &program.program, "instructions", &rounds);
        beside_committed(figure, &rounds)
    });
    let verified = costs.programs.iter().filter_map(|program| {
        let rounds = [f64::from(program.verified?)];
        let figure =
            Figure::of("what the verifier walks", &program.program, "instructions", &rounds);
        Some(beside_committed(figure, &rounds))
    });
    let mut rows: Vec<Figure> = rows.collect();
    // By program and family, each in the order of its rows.
    rows.sort_by(|one, other| one.what.cmp(&other.what));
    rows.into_iter().chain([clock]).chain(instructions).chain(verified).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"{"rows":[
        {"program":"uplink_xdp","family":"IPv4","packet":"anything else","ns":[50,60,55]},
        {"program":"pod_ingress","family":"IPv4","packet":"pod to pod","ns":[100,120,110]}],
        "clockNs":[20,21,22],
        "programs":[{"program":"pod_ingress","instructions":17000,"verified":150000},
                    {"program":"connect4","instructions":700,"verified":null}]}"#;

    #[test]
    fn figures_stand_beside_those_that_are_committed() {
        let costs: Costs = serde_json::from_str(WRITTEN).unwrap();
        let alone = figures(&costs, None);
        let said: Vec<_> = alone.iter().map(|one| (one.what.as_str(), one.median)).collect();
        assert_eq!(
            said,
            [
                ("pod_ingress, IPv4", 110.0),
                ("uplink_xdp, IPv4", 55.0),
                (CLOCK, 21.0),
                ("what programs have", 17_000.0),
                ("what programs have", 700.0),
                ("what the verifier walks", 150_000.0),
            ]
        );
        assert!(alone.iter().all(|figure| figure.ratios.is_empty()));
        let mut before = alone;
        before.retain(|figure| figure.what != "uplink_xdp, IPv4");
        before[0].median = 100.0;
        let beside = figures(
            &costs,
            Some(&Results {
                command: String::new(),
                machine: Machine::of_a_test(0.0),
                figures: before,
            }),
        );
        let ratio = &beside[0].ratios[0];
        assert_eq!((ratio.to.as_str(), ratio.median), ("commit 0123456789", 1.1));
        assert!(beside[1].ratios.is_empty(), "a new row has nothing beside it");
        assert_eq!(beside[3].ratios[0].median, 1.0);
    }
}
