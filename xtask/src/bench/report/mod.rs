//! `cargo xtask bench report`: all benches, one after the other; what they find as JSON in docs/benchmarks, and a page
//! and diagrams that are made of that JSON alone.

mod figure;
mod machine;
mod page;
mod plot;
mod results;

pub(super) use self::figure::{Figure, Ratio};
pub(super) use self::machine::Machine;
pub(super) use self::results::Results;
use self::results::directory;
use super::Effort;
use super::catalogue::{Name, Needs};
use super::table::Table;
use crate::cluster::Cluster;
use crate::workspace::binary;
use crate::{images, lab, privilege, step};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum as _};
use std::fs;

/// The diagram that says most, for pages that show one: which bench's, of which quantity, and of whom.
const MAIN: (Name, &str) = (Name::Service, "connections of one client, connect, median");
const MAIN_OF: [&str; 6] = [
    "routed veths",
    "iptables, legacy",
    "iptables, nft",
    "nftables",
    "Sheave by socket",
    "Sheave by packet",
];

/// What to measure, and what to make of it.
#[derive(Args)]
pub(crate) struct Report {
    /// These alone are measured, like `dns,push`; of the others the JSON stays
    #[arg(long, value_delimiter = ',')]
    only: Vec<Name>,
    /// Nothing is measured: page and diagrams are made from the JSON that is there
    #[arg(long, conflicts_with = "only")]
    render_only: bool,
}

/// Measures, and writes the files. A bench that fails leaves its earlier figures, and the others go on.
pub(super) fn run(report: &Report, effort: &Effort) -> Result<()> {
    if report.render_only {
        return render();
    }
    privilege::become_root("measuring")?;
    refuse_beside_others()?;
    let chosen = |name: &&Name| report.only.is_empty() || report.only.contains(name);
    let names: Vec<Name> = Name::value_variants().iter().filter(chosen).copied().collect();
    let load_before = machine::load()?;
    // Now, and not between two benches: a machine that builds is not quiet.
    names.iter().try_for_each(|name| super::build(*name))?;
    let (in_cluster, alone): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| name.needs() == Needs::Cluster);
    let bench = |name: &Name| bench(*name, effort, load_before).err();
    let mut failed: Vec<anyhow::Error> = Vec::new();
    if !in_cluster.is_empty() {
        let cluster = BenchCluster::start()?;
        failed.extend(in_cluster.iter().filter_map(bench));
        cluster.remove()?;
    }
    failed.extend(alone.iter().filter_map(bench));
    render()?;
    if failed.is_empty() {
        return Ok(());
    }
    let said: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
    bail!("{}", said.join("\n"))
}

fn bench(name: Name, effort: &Effort, load_before: f64) -> Result<()> {
    println!("\n{}:", name.title());
    let machine = Machine::look(load_before)?;
    if !machine.is_quiet() {
        let percent = machine.busy_before * 100.0;
        println!("  the machine is busy ({percent:.0} %): the figures are noisy, and will say so");
    }
    let figures = super::measure(name, effort).with_context(|| format!("bench {}", name.word()));
    let figures = figures.inspect_err(|error| eprintln!("error: {error:#}"))?;
    print!("{}", Table(&figures));
    let Effort { rounds, seconds, choice, .. } = effort;
    let mut command =
        format!("cargo xtask bench {} --rounds {rounds} --seconds {seconds}", name.word());
    if matches!(name, Name::Service | Name::Programming) {
        let services: Vec<String> = choice.services().iter().map(u32::to_string).collect();
        command += &format!(" --services {}", services.join(","));
    }
    Results { command, machine, figures }.write(name)
}

/// Makes the page and the diagrams from the JSON.
fn render() -> Result<()> {
    let names = Name::value_variants().iter();
    let all = names.map(|name| Ok((*name, Results::read(*name)?))).collect::<Result<Vec<_>>>()?;
    fs::create_dir_all(directory())?;
    for (name, results) in &all {
        let Some(results) = results else { continue };
        draw(name.word(), &results.figures)?;
        let main = main_figures(*name, &results.figures);
        if !main.is_empty() {
            draw("main", &main)?;
        }
    }
    let path = directory().join("README.md");
    fs::write(&path, page::render(&all)).with_context(|| path.display().to_string())?;
    println!("\n{} and what it shows are made.", path.display());
    Ok(())
}

fn draw(word: &str, figures: &[Figure]) -> Result<()> {
    let path = directory().join(word).with_extension("svg");
    fs::write(&path, plot::draw(figures)?).with_context(|| path.display().to_string())
}

/// Those of [`MAIN`], of a bench's.
fn main_figures(name: Name, figures: &[Figure]) -> Vec<Figure> {
    let is_main = |figure: &&Figure| {
        name == MAIN.0 && figure.what == MAIN.1 && MAIN_OF.contains(&figure.of.as_str())
    };
    figures.iter().filter(is_main).cloned().collect()
}

fn refuse_beside_others() -> Result<()> {
    lab::refuse_beside_one()?;
    if Cluster::standard().exists() {
        bail!("a cluster is on this machine: run `cargo xtask down` first, a new one is measured");
    }
    if !binary("sheave").exists() || !images::archive_dir().exists() {
        bail!(
            "the programs or images are not built: run `cargo xtask build` and `cargo xtask images`"
        );
    }
    Ok(())
}

/// A cluster like that of `cargo xtask up`, without the demo.
struct BenchCluster(Cluster);

impl BenchCluster {
    fn start() -> Result<Self> {
        let started = Self(Cluster::standard());
        step::perform("start a cluster", || {
            let at = started.0.start()?;
            started.0.wait_api(Some(&at))?;
            started.0.wait_node_ready()?;
            Ok(String::new())
        })?;
        Ok(started)
    }

    fn remove(self) -> Result<()> {
        self.take_away()
    }

    fn take_away(&self) -> Result<()> {
        if !self.0.exists() {
            return Ok(());
        }
        step::perform("take the cluster away", || {
            self.0.stop()?;
            self.0.remove()?;
            Ok(String::new())
        })
        .map(drop)
    }
}

impl Drop for BenchCluster {
    fn drop(&mut self) {
        if let Err(error) = self.take_away() {
            eprintln!("a cluster is left: {error:#}; run `cargo xtask down`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::service::ways::Way;

    #[test]
    fn the_main_diagram_is_of_ways_that_there_are_and_of_one_quantity() {
        let ways = Way::value_variants();
        for of in MAIN_OF {
            assert!(ways.iter().any(|way| way.name() == of), "{of}");
        }
        let all = ways.iter().map(|way| Figure::of(MAIN.1, way.name(), "us", &[1.0]));
        let others = [Figure::of("datagrams received", MAIN_OF[0], "thousand/s", &[1.0])];
        let figures: Vec<Figure> = all.chain(others).collect();
        assert_eq!(main_figures(MAIN.0, &figures).len(), MAIN_OF.len());
        assert_eq!(main_figures(Name::Dns, &figures), []);
    }
}
