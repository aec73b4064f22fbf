//! Which part of the pod ranges a node gets. Pure, and without a look at all nodes for each one that comes.
//!
//! What is given stands in Node objects, and this is a picture of them: it is read once, then follows what
//! changes. A part is reserved before it is written, for the uid of the Node, and stays reserved whatever
//! becomes of the write, until that very object is gone: no order of restarts, lost answers and deletions
//! gives one part to two nodes. Parts are given in turn, so that one that has come free is not at once
//! another's, while its packets may still be under way; who comes back by the same name finds it again.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

/// The parts of one range.
#[derive(Debug)]
struct Parts {
    range: IpNet,
    prefix_len: u8,
    /// By their number.
    used: BTreeSet<u128>,
    /// Where to look first.
    next: u128,
}

/// All ranges, at most one a family.
#[derive(Debug, Default)]
pub(crate) struct PodCidrs {
    ranges: Vec<Parts>,
    /// By the uid of a Node.
    nodes: BTreeMap<String, Holder>,
    /// What Nodes had that are gone, by their names.
    former: BTreeMap<String, Vec<IpNet>>,
    /// What nodes have that is no part of ours, from before the ranges were changed.
    odd: Vec<IpNet>,
}

#[derive(Debug)]
struct Holder {
    name: String,
    cidrs: Vec<IpNet>,
}

/// Names that are remembered; with more of them some come back to other parts.
const FORMER_MAX: usize = 4096;

/// No part is left.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no /{prefix_len} is left in the pod range {range}: every one belongs to a node; delete nodes that are \
     gone or start the server with a larger range"
)]
pub(crate) struct Exhausted {
    range: IpNet,
    prefix_len: u8,
}

impl PodCidrs {
    /// Of these ranges; what is no range, or has no part of this size, has no parts.
    pub(crate) fn new(ranges: &[String], prefix_len_v4: u8, prefix_len_v6: u8) -> Self {
        let ranges = ranges.iter().filter_map(|range| {
            let range: IpNet = range.parse().ok()?;
            let prefix_len = if range.addr().is_ipv4() { prefix_len_v4 } else { prefix_len_v6 };
            Some(Parts { range: range.trunc(), prefix_len, used: BTreeSet::new(), next: 0 })
        });
        Self { ranges: ranges.collect(), ..Self::default() }
    }

    /// A Node object has these ranges. One without any keeps what is reserved for it.
    pub(crate) fn node_has(&mut self, uid: &str, name: &str, cidrs: &[String]) {
        let cidrs: Vec<IpNet> = cidrs.iter().filter_map(|cidr| cidr.parse().ok()).collect();
        if cidrs.is_empty() || self.nodes.get(uid).is_some_and(|holder| holder.cidrs == cidrs) {
            return;
        }
        self.node_gone(uid);
        cidrs.iter().for_each(|cidr| self.mark(cidr));
        self.nodes.insert(uid.to_owned(), Holder { name: name.to_owned(), cidrs });
    }

    /// A Node object is gone.
    pub(crate) fn node_gone(&mut self, uid: &str) {
        let Some(Holder { name, cidrs }) = self.nodes.remove(uid) else { return };
        for cidr in &cidrs {
            // By hand two nodes may have been given the same.
            if self.nodes.values().flat_map(|holder| &holder.cidrs).any(|other| other == cidr) {
                continue;
            }
            match self.part(cidr) {
                Some((range, number)) => drop(self.ranges[range].used.remove(&number)),
                None => self.odd.retain(|odd| odd != cidr),
            }
        }
        if self.former.len() >= FORMER_MAX {
            self.former.pop_first();
        }
        self.former.insert(name, cidrs);
    }

    /// The node's ranges: those that it has, or had, or new ones.
    pub(crate) fn of_node(&mut self, uid: &str, name: &str) -> Result<Vec<String>, Exhausted> {
        if !self.nodes.contains_key(uid) {
            let cidrs = match self.former.remove(name).filter(|cidrs| self.are_free(cidrs)) {
                Some(cidrs) => {
                    cidrs.iter().for_each(|cidr| self.mark(cidr));
                    cidrs
                }
                None => self.next()?,
            };
            self.nodes.insert(uid.to_owned(), Holder { name: name.to_owned(), cidrs });
        }
        Ok(self.nodes[uid].cidrs.iter().map(ToString::to_string).collect())
    }

    fn next(&mut self) -> Result<Vec<IpNet>, Exhausted> {
        let chosen: Vec<(u128, IpNet)> =
            self.ranges.iter().map(|range| range.choose(&self.odd)).collect::<Result<_, _>>()?;
        for (parts, (number, _)) in self.ranges.iter_mut().zip(&chosen) {
            parts.used.insert(*number);
            parts.next = number + 1;
        }
        Ok(chosen.into_iter().map(|(_, cidr)| cidr).collect())
    }

    /// True when these are one free part of each range.
    fn are_free(&self, cidrs: &[IpNet]) -> bool {
        let is_free = |(index, cidr): (usize, &IpNet)| {
            let part = self.part(cidr).filter(|(range, _)| *range == index);
            part.is_some_and(|(range, number)| self.ranges[range].free(number, &self.odd).is_ok())
        };
        cidrs.len() == self.ranges.len() && cidrs.iter().enumerate().all(is_free)
    }

    fn mark(&mut self, cidr: &IpNet) {
        match self.part(cidr) {
            Some((range, number)) => {
                let parts = &mut self.ranges[range];
                parts.used.insert(number);
                parts.next = parts.next.max(number + 1);
            }
            None => self.odd.push(*cidr),
        }
    }

    /// The index of the range, and the number of the part in it.
    fn part(&self, cidr: &IpNet) -> Option<(usize, u128)> {
        self.ranges.iter().enumerate().find_map(|(index, parts)| {
            let is_part = cidr.prefix_len() == parts.prefix_len && parts.range.contains(cidr);
            is_part.then(|| (index, parts.number(cidr)))
        })
    }
}

impl Parts {
    fn count(&self) -> u128 {
        let bits = self.prefix_len.saturating_sub(self.range.prefix_len());
        if self.prefix_len < self.range.prefix_len() {
            0
        } else {
            1_u128.checked_shl(bits.into()).unwrap_or(u128::MAX)
        }
    }

    /// Bits of an address behind the number of its part.
    fn shift(&self) -> u32 {
        u32::from(self.range.max_prefix_len() - self.prefix_len)
    }

    fn number(&self, cidr: &IpNet) -> u128 {
        (bits(cidr) - bits(&self.range)).checked_shr(self.shift()).unwrap_or(0)
    }

    fn cidr(&self, number: u128) -> Option<IpNet> {
        let address = bits(&self.range) + number.checked_shl(self.shift())?;
        let address = match self.range {
            IpNet::V4(_) => std::net::Ipv4Addr::from_bits(u32::try_from(address).ok()?).into(),
            IpNet::V6(_) => std::net::Ipv6Addr::from_bits(address).into(),
        };
        IpNet::new(address, self.prefix_len).ok()
    }

    /// The part of this number; if it is somebody's, the number behind what is known to be theirs.
    fn free(&self, number: u128, odd: &[IpNet]) -> Result<IpNet, u128> {
        let cidr = self.cidr(number).filter(|_| !self.used.contains(&number)).ok_or(number + 1)?;
        match odd.iter().find(|odd| odd.contains(&cidr) || cidr.contains(*odd)) {
            None => Ok(cidr),
            Some(odd) => {
                let last = last_bits(odd).min(last_bits(&self.range)) - bits(&self.range);
                Err(last.checked_shr(self.shift()).unwrap_or(0) + 1)
            }
        }
    }

    /// The first free part in turn: what is somebody's is passed in one step each, however wide.
    fn choose(&self, odd: &[IpNet]) -> Result<(u128, IpNet), Exhausted> {
        let count = self.count();
        let start = if self.next < count { self.next } else { 0 };
        let first_of = |mut number: u128, end: u128| {
            while number < end {
                match self.free(number, odd) {
                    Ok(cidr) => return Some((number, cidr)),
                    Err(behind) => number = behind,
                }
            }
            None
        };
        let found = first_of(start, count).or_else(|| first_of(0, start));
        found.ok_or(Exhausted { range: self.range, prefix_len: self.prefix_len })
    }
}

fn bits(net: &IpNet) -> u128 {
    match net {
        IpNet::V4(net) => net.network().to_bits().into(),
        IpNet::V6(net) => net.network().to_bits(),
    }
}

fn last_bits(net: &IpNet) -> u128 {
    match net {
        IpNet::V4(net) => net.broadcast().to_bits().into(),
        IpNet::V6(net) => net.broadcast().to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &[&str], v4: u8, v6: u8) -> PodCidrs {
        let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
        PodCidrs::new(&ranges, v4, v6)
    }

    fn given(cidrs: &mut PodCidrs, uid: &str) -> String {
        cidrs.of_node(uid, uid).map_or_else(|error| error.to_string(), |cidrs| cidrs.join(" "))
    }

    #[test]
    fn parts_are_given_in_turn_and_run_out() {
        let mut cidrs = of(&["10.244.0.0/23"], 25, 64);
        for (uid, expected) in [
            ("a", "10.244.0.0/25"),
            ("b", "10.244.0.128/25"),
            ("a", "10.244.0.0/25"),
            ("c", "10.244.1.0/25"),
        ] {
            assert_eq!(given(&mut cidrs, uid), expected);
        }
        cidrs.node_gone("b");
        assert_eq!(given(&mut cidrs, "d"), "10.244.1.128/25", "not at once what came free");
        assert_eq!(given(&mut cidrs, "e"), "10.244.0.128/25");
        let said = given(&mut cidrs, "f");
        assert!(said.starts_with("no /25 is left in the pod range 10.244.0.0/23:"), "{said}");
        cidrs.node_gone("a");
        assert_eq!(given(&mut cidrs, "f"), "10.244.0.0/25");
    }

    #[test]
    fn both_families_or_none() {
        let mut cidrs = of(&["fd00:244::/56", "10.244.0.0/24"], 25, 64);
        assert_eq!(given(&mut cidrs, "a"), "fd00:244::/64 10.244.0.0/25");
        assert_eq!(given(&mut cidrs, "b"), "fd00:244:0:1::/64 10.244.0.128/25");
        assert!(given(&mut cidrs, "c").contains("no /25 is left"));
        cidrs.node_gone("b");
        let third = given(&mut cidrs, "c");
        assert_eq!(third, "fd00:244:0:2::/64 10.244.0.128/25", "nothing was kept for the refused");
    }

    #[test]
    fn what_nodes_have_is_never_given_again() {
        let mut cidrs = of(&["10.244.0.0/22"], 24, 64);
        let text = |cidr: &str| [cidr.to_owned()];
        cidrs.node_has("old", "old", &text("10.244.1.0/24"));
        // From before the ranges were changed: one that is larger than a part, and one that is elsewhere.
        cidrs.node_has("wide", "wide", &text("10.244.2.0/23"));
        cidrs.node_has("elsewhere", "elsewhere", &text("10.1.0.0/24"));
        assert_eq!(given(&mut cidrs, "a"), "10.244.0.0/24");
        assert!(given(&mut cidrs, "b").contains("no /24 is left"));
        cidrs.node_gone("wide");
        assert_eq!(given(&mut cidrs, "b"), "10.244.2.0/24");
        assert_eq!(given(&mut cidrs, "elsewhere"), "10.1.0.0/24", "it keeps what it has");
    }

    #[test]
    fn a_reservation_outlives_a_write_that_failed_and_ends_with_its_object_alone() {
        let mut cidrs = of(&["10.244.0.0/23"], 24, 64);
        assert_eq!(given(&mut cidrs, "first"), "10.244.0.0/24");
        // The object is seen before the range is in it.
        cidrs.node_has("first", "first", &[]);
        assert_eq!(given(&mut cidrs, "second"), "10.244.1.0/24");
        // Another object of the same name: that the old one is gone is heard late.
        cidrs.node_gone("first");
        assert_eq!(given(&mut cidrs, "third"), "10.244.0.0/24");
        cidrs.node_gone("first");
        assert!(given(&mut cidrs, "fourth").contains("no /24 is left"));
    }

    #[test]
    fn who_comes_back_finds_what_it_had_unless_that_is_taken() {
        let mut cidrs = of(&["fd00:244::/56", "10.244.0.0/23"], 25, 64);
        let named = |cidrs: &mut PodCidrs, uid: &str, name: &str| {
            cidrs.of_node(uid, name).map_or_else(|error| error.to_string(), |cidrs| cidrs.join(" "))
        };
        let first = named(&mut cidrs, "1", "a");
        cidrs.node_gone("1");
        assert_ne!(named(&mut cidrs, "2", "b"), first);
        assert_eq!(named(&mut cidrs, "3", "a"), first);
        cidrs.node_gone("3");
        for uid in ["4", "5", "6"] {
            named(&mut cidrs, uid, uid);
        }
        let said = named(&mut cidrs, "7", "a");
        assert!(said.contains("no /25 is left"), "somebody else has it: {said}");
    }

    #[test]
    fn ranges_of_any_size_are_counted() {
        assert_eq!(
            given(&mut of(&["10.244.0.0/26"], 24, 64), "a").split(':').next().unwrap(),
            "no /24 is left in the pod range 10.244.0.0/26"
        );
        assert_eq!(given(&mut of(&["10.244.0.0/24"], 24, 64), "a"), "10.244.0.0/24");
        let mut wide = of(&["fd00::/16"], 24, 112);
        assert_eq!(given(&mut wide, "a"), "fd00::/112");
        wide.node_has("b", "b", &["fd00:ffff:ffff:ffff:ffff:ffff:ffff:0/112".to_owned()]);
        assert_eq!(given(&mut wide, "c"), "fd00::1:0/112", "it begins anew at the end");
    }

    #[test]
    fn a_range_that_is_somebodys_is_passed_in_one_step_however_wide() {
        let mut cidrs = of(&["fd00:0:8000::/33"], 24, 96);
        let text = |cidr: &str| [cidr.to_owned()];
        // From before the ranges were changed: the lower half, a bit of the next part, and all and more.
        cidrs.node_has("half", "half", &text("fd00:0:8000::/34"));
        cidrs.node_has("bit", "bit", &text("fd00:0:c000::5/128"));
        assert_eq!(given(&mut cidrs, "a"), "fd00:0:c000::1:0:0/96");
        assert_eq!(given(&mut cidrs, "b"), "fd00:0:c000::2:0:0/96");
        cidrs.node_has("all", "all", &text("fd00::/16"));
        assert!(given(&mut cidrs, "c").contains("no /96 is left"));
        cidrs.node_gone("all");
        cidrs.node_gone("half");
        assert_eq!(given(&mut cidrs, "c"), "fd00:0:c000::3:0:0/96");
    }

    #[test]
    fn thousands_of_nodes_cost_little() {
        let mut cidrs = of(&["10.0.0.0/8"], 24, 64);
        let began = std::time::Instant::now();
        for node in 0..20_000 {
            cidrs.of_node(&node.to_string(), &node.to_string()).unwrap();
        }
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
        let all: BTreeSet<_> = cidrs.nodes.values().flat_map(|holder| &holder.cidrs).collect();
        assert_eq!(all.len(), 20_000);
    }
}
