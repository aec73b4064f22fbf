//! Kernel settings that pods and Services need, and their way back.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context, Result};

use crate::footprint::Footprint;

const ROOT: &str = "/proc/sys";
const IP_FORWARD: &str = "net/ipv4/ip_forward";
/// Set by the kernel as a side effect of `ip_forward` (`inet_forward_change`).
const ACCEPT_REDIRECTS: &str = "net/ipv4/conf/all/accept_redirects";
const FORWARDING_V6: &str = "net/ipv6/conf/all/forwarding";
const LOCAL_PORTS: &str = "net/ipv4/ip_local_port_range";
const RESERVED_PORTS: &str = "net/ipv4/ip_local_reserved_ports";

/// Lets the node pass packets between pods and the outside.
pub(crate) fn enable_forwarding(footprint: &mut Footprint, with_v6: bool) -> Result<()> {
    if read(IP_FORWARD)? != "1" {
        footprint.remember_sysctl(ACCEPT_REDIRECTS, &read(ACCEPT_REDIRECTS)?)?;
        change(footprint, IP_FORWARD, "1")?;
    }
    if with_v6 {
        change(footprint, FORWARDING_V6, "1")?;
    }
    Ok(())
}

/// Keeps ports of the NodePort range from being given to outgoing connections, where the two overlap.
pub(crate) fn reserve_ports(footprint: &mut Footprint, ports: RangeInclusive<u16>) -> Result<()> {
    let local = read(LOCAL_PORTS)?;
    let reserved = read(RESERVED_PORTS)?;
    match with_reserved(&local, &reserved, ports) {
        Some(reserved) => change(footprint, RESERVED_PORTS, &reserved),
        None => Ok(()),
    }
}

/// The new list of reserved ports; `None` when nothing need change.
fn with_reserved(local: &str, reserved: &str, ports: RangeInclusive<u16>) -> Option<String> {
    let mut bounds = local.split_whitespace().filter_map(|bound| bound.parse::<u16>().ok());
    let (first, last) = (bounds.next()?, bounds.next()?);
    let ours = format!("{}-{}", ports.start(), ports.end());
    let overlaps = first <= *ports.end() && last >= *ports.start();
    if !overlaps || reserved.split(',').any(|range| range == ours) {
        return None;
    }
    Some(if reserved.is_empty() { ours } else { format!("{reserved},{ours}") })
}

/// Puts one setting back.
pub(crate) fn restore(name: &str, before: &str) -> Result<()> {
    if read(name)? == before {
        return Ok(());
    }
    write(name, before)
}

/// Settings in the order in which they are put back: side effects after their causes.
pub(crate) fn restore_order(footprint: &Footprint) -> Vec<(&str, &str)> {
    let mut all: Vec<_> =
        footprint.sysctls().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.sort_by_key(|(name, _)| *name == ACCEPT_REDIRECTS);
    all
}

fn change(footprint: &mut Footprint, name: &str, value: &str) -> Result<()> {
    let before = read(name)?;
    if before == value {
        return Ok(());
    }
    footprint.remember_sysctl(name, &before)?;
    write(name, value)?;
    tracing::info!(setting = name, before, now = value, "kernel setting changed");
    Ok(())
}

fn read(name: &str) -> Result<String> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(name));
    Ok(text.with_context(|| format!("cannot read the kernel setting {name}"))?.trim().to_owned())
}

fn write(name: &str, value: &str) -> Result<()> {
    std::fs::write(Path::new(ROOT).join(name), value)
        .with_context(|| format!("cannot set the kernel setting {name} to {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_reserved_only_where_they_would_be_given_away() {
        let ours = 30000..=32767;
        assert_eq!(with_reserved("32768\t60999", "", ours.clone()), None);
        assert_eq!(with_reserved("1024\t65000", "", ours.clone()).unwrap(), "30000-32767");
        let with = with_reserved("1024\t65000", "8080", ours.clone()).unwrap();
        assert_eq!(with, "8080,30000-32767");
        assert_eq!(with_reserved("1024\t65000", &with, ours), None);
    }

    #[test]
    fn side_effects_are_undone_last() {
        let dir = tempfile::tempdir().unwrap();
        let mut footprint = Footprint::open(dir.path().join("f")).unwrap();
        footprint.remember_sysctl(ACCEPT_REDIRECTS, "0").unwrap();
        footprint.remember_sysctl(IP_FORWARD, "0").unwrap();
        footprint.remember_sysctl(RESERVED_PORTS, "").unwrap();
        let order: Vec<_> = restore_order(&footprint).iter().map(|(name, _)| *name).collect();
        assert_eq!(order, [IP_FORWARD, RESERVED_PORTS, ACCEPT_REDIRECTS]);
    }
}
