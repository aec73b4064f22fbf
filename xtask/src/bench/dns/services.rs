//! Services to ask for, in a namespace of their own, and files that say the same: their names for dnsmasq, and
//! questions for dnsperf. Taken away when dropped.

use crate::cluster::Cluster;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

const NAMESPACE: &str = "names";
const DOMAIN: &str = "svc.cluster.local";
/// How many.
pub(super) const COUNT: usize = 10_000;
/// From one that is asked for to the next: it has no divisor in common with their number, so that all have
/// their turn, and neighbours are far from each other.
const STRIDE: usize = 7919;

pub(super) struct Services<'a> {
    cluster: &'a Cluster,
    directory: PathBuf,
}

impl<'a> Services<'a> {
    pub(super) fn create(cluster: &'a Cluster) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("sheave-bench-{}", std::process::id()));
        std::fs::create_dir(&directory).with_context(|| format!("{}", directory.display()))?;
        let services = Self { cluster, directory };
        services.delete()?;
        cluster.kubectl(&["create", "namespace", NAMESPACE])?;
        let manifest = services.write("services.json", &list().to_string())?;
        let file = manifest.to_str().context("the temporary directory's path is not UTF-8")?;
        let create = ["create", "--validate=false", "--output=name", "--filename", file];
        cluster.kubectl(&create)?;
        services.write("hosts", &services.hosts_lines()?)?;
        services.write("questions", &questions())?;
        Ok(services)
    }

    /// An address and a name in each line.
    pub(super) fn hosts(&self) -> PathBuf {
        self.directory.join("hosts")
    }

    /// A name and a type in each line.
    pub(super) fn questions(&self) -> PathBuf {
        self.directory.join("questions")
    }

    /// Where files may be put.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn hosts_lines(&self) -> Result<String> {
        let path = r#"{range .items[*]}{.spec.clusterIP} {.metadata.name}{"\n"}{end}"#;
        let all = self.cluster.value(&["services", "--namespace", NAMESPACE], path)?;
        let mut lines = String::new();
        for line in all.lines() {
            let (address, name) = line.split_once(' ').context("an address and a name")?;
            let address: Ipv4Addr = address.parse()?;
            writeln!(lines, "{address} {name}.{NAMESPACE}.{DOMAIN}")?;
        }
        let count = lines.lines().count();
        ensure!(count == COUNT, "{count} Services are there, {COUNT} were made");
        Ok(lines)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
        Ok(path)
    }

    /// Also what a run left that was killed.
    fn delete(&self) -> Result<()> {
        let words = ["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s"];
        self.cluster.kubectl(&words).map(drop)
    }
}

impl Drop for Services<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.delete() {
            eprintln!("the namespace {NAMESPACE} is left: {error:#}");
        }
        // It holds nothing that anybody needs.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The name that is there once all are.
pub(super) fn last_name() -> String {
    name(COUNT - 1)
}

fn name(number: usize) -> String {
    format!("web-{number}.{NAMESPACE}.{DOMAIN}")
}

fn list() -> serde_json::Value {
    let service = |number| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": format!("web-{number}"), "namespace": NAMESPACE },
            "spec": { "ports": [{ "name": "http", "port": 80 }] },
        })
    };
    let items: Vec<_> = (0..COUNT).map(service).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

/// What a resolver asks when programs look up each Service once, for both families: every other one as `web-1`
/// in its own namespace, where the first domain of the search path is the right one, and as `web-1.names` in
/// the namespace `default`, where the second is.
fn questions() -> String {
    let mut lines = String::new();
    for turn in 0..COUNT {
        let number = turn * STRIDE % COUNT;
        let missed = format!("web-{number}.{NAMESPACE}.default.{DOMAIN}");
        let names = [Some(missed).filter(|_| turn % 2 == 1), Some(name(number))];
        for name in names.iter().flatten() {
            lines.push_str(&format!("{name} A\n{name} AAAA\n"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_name_is_asked_for_and_a_third_of_the_questions_miss() {
        let questions = questions();
        let names = questions.lines().filter_map(|line| line.strip_suffix(" A"));
        let (missed, there): (Vec<_>, Vec<_>) = names.partition(|name| name.contains("default"));
        assert_eq!(there.iter().collect::<HashSet<_>>().len(), COUNT);
        assert_eq!((there.len(), missed.len()), (COUNT, COUNT / 2));
    }
}
