//! Sheave's Services beside their peers: the same client and the same server as two pods of one node, over plain
//! routed veths, a bridge, kube-proxy's rules and Sheave, and from outside by a `NodePort`, with few Services and with
//! many. docs/benchmarks/service.md says how, and which traps there are.

mod load;
mod measure;
mod peers;
mod results;
pub(super) mod rules;
mod server;
pub(super) mod services;
mod sheave;
mod site;
pub(super) mod ways;

use self::measure::LOADS;
use self::results::Results;
use self::site::{Route, Site};
use self::ways::{Place, Way};
use super::report::Figure;
use super::rounds::Plan;
use super::table::Table;
use crate::{privilege, step};
use anyhow::{Context, Result};
use clap::Args;
use std::time::Duration;

pub(super) use self::load::{Load, run as load};

/// Until what new rules and Services have set off has come to rest.
const SETTLING: Duration = Duration::from_secs(3);

/// What is compared.
#[derive(Args, Clone, Debug)]
pub(super) struct Choice {
    /// For `service` and `programming`: how many Services there are, one after the other
    #[arg(long, global = true, value_delimiter = ',', default_values_t = [1, 1_000, 10_000, 30_000],
          value_parser = clap::value_parser!(u32).range(1..=i64::from(services::MOST)))]
    services: Vec<u32>,
    /// For `service`: these ways alone, and what they are compared with; all without it
    #[arg(long, global = true, value_delimiter = ',')]
    ways: Vec<Way>,
}

impl Choice {
    /// The numbers of Services.
    pub(super) fn services(&self) -> &[u32] {
        &self.services
    }
}

/// Measures in a lab of its own, and takes it away.
pub(super) fn run(choice: &Choice, plan: Plan<'_>) -> Result<Vec<Figure>> {
    privilege::become_root("a lab")?;
    let ways = Way::chosen(&choice.ways);
    let mut counts = choice.services.clone();
    counts.sort_unstable();
    counts.dedup();
    let mut site = None;
    step::perform("start a lab with Sheave and its peers", || {
        site = Some(Site::start(&ways)?);
        Ok(String::new())
    })?;
    let mut site = site.context("the step above succeeded")?;
    let mut results = Results::default();
    for services in counts {
        let measured = measure(&mut site, &ways, services, plan, &mut results);
        // What was measured before is not lost.
        measured.inspect_err(|_| print!("{}", Table(&results.figures())))?;
    }
    Ok(results.figures())
}

/// All rounds with so many Services.
fn measure(
    site: &mut Site,
    ways: &[Way],
    services: u32,
    plan: Plan<'_>,
    results: &mut Results,
) -> Result<()> {
    let absent = fill(site, services)?;
    let ways = ways.iter().filter(|way| !absent.contains(&way.place()));
    let routes = ways.map(|way| site.route(*way)).collect::<Result<Vec<Route>>>()?;
    routes.iter().try_for_each(measure::check)?;
    std::thread::sleep(SETTLING);
    let names: Vec<&str> = routes.iter().map(|route| route.way.name()).collect();
    println!("{}, {} rounds: {}", counted(services), plan.rounds, names.join("; "));
    for round in 1..=plan.rounds {
        step::perform(&format!("{}, round {round}", counted(services)), || {
            for load in LOADS {
                // None is always the first after a pause.
                for offset in 0..routes.len() {
                    let route = &routes[(round as usize + offset) % routes.len()];
                    let values = measure::measure(route, load, plan).or_else(|error| {
                        // Once in hours is no reason to lose them, and none to be silent.
                        println!("    once more, since {error:#}");
                        measure::measure(route, load, plan)
                    });
                    results.add(services, route.way, values?);
                }
            }
            Ok(format!("Gbit/s: {}", results.last(services, "one TCP stream")))
        })?;
    }
    Ok(())
}

/// Makes so many Services everywhere. Returns the peers that cannot have them, after saying why.
fn fill(site: &mut Site, services: u32) -> Result<Vec<Place>> {
    step::perform(
        &format!("{} at the API server, and in the nodes' kernels", counted(services)),
        || {
            site.sheave.fill(services)?;
            Ok(String::new())
        },
    )?;
    let mut absent = Vec::new();
    for peer in site.peers.iter().filter(|peer| peer.has_rules()) {
        let name = peer.place.name();
        let load = || peer.load_rules(services).map(|()| String::new());
        if let Err(error) = step::perform(&format!("{} as rules, {name}", counted(services)), load)
        {
            println!("  {name} is left out with {}: {error:#}", counted(services));
            absent.push(peer.place);
        }
    }
    Ok(absent)
}

fn counted(services: u32) -> String {
    match services {
        1 => "1 Service".to_owned(),
        _ => format!("{services} Services"),
    }
}
