//! Cluster IPs: one for each family of the Service, out of that family's range.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde_json::{Value, json};
use sheave_api::field::Path;
use sheave_api::kinds::service as rules;
use sheave_api::{Status, meta};

use super::{Assignment, Claim, families, full, rotated};

/// Addresses at the start of the range that are given out last, so that they can be asked for by
/// name: between 16 and 256, a sixteenth of the range (KEP-3070).
const STATIC_BAND_MIN: u64 = 16;
const STATIC_BAND_MAX: u64 = 256;

impl Assignment<'_> {
    /// What is named is checked, what is missing is chosen; families are complete.
    pub(super) fn cluster_ips(&mut self, spec: &mut Value) -> Result<(), Status> {
        let mut addresses: Vec<String> = meta::list(&spec["clusterIPs"])
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        if addresses.first().is_some_and(|first| first == "None") {
            return Ok(());
        }
        for wanted in &addresses {
            self.check_address(wanted, &addresses);
        }
        let families: Vec<_> = families::of(spec).collect();
        for family in families.iter().skip(addresses.len()) {
            let ranges = &self.ranges.service_cidrs;
            let range =
                ranges.iter().copied().find(|range| families::name(&range.addr()) == *family);
            let Some(range) = range else { continue };
            addresses.push(self.free_address(range)?.to_string());
        }
        rules::with_cluster_ips(spec, &addresses);
        Ok(())
    }

    fn check_address(&mut self, wanted: &str, all: &[String]) {
        // What is no address at all is refused by the kind's own rules.
        let Ok(address) = wanted.parse::<IpAddr>() else { return };
        let mut ranges = self.ranges.service_cidrs.iter();
        let range = ranges.find(|range| range.addr().is_ipv4() == address.is_ipv4());
        let why = match range {
            // Which families there are is checked elsewhere.
            None => return,
            // It was allocated when the range was another one: it stays.
            Some(_) if self.held.contains(&Claim::ClusterIp(address)) => return,
            Some(range) if !Offsets::of(*range).are_usable(address) => format!(
                "the provided IP ({address}) is not in the valid range. The range of valid IPs is {range}"
            ),
            Some(_) if self.is_free(Claim::ClusterIp(address)) => return,
            Some(_) => "provided IP is already allocated".to_owned(),
        };
        let why = format!("failed to allocate IP {address}: {why}");
        self.errors.invalid(&Path::root("spec").child("clusterIPs"), json!(all), why);
    }

    /// Any free address, from the upper band first; never the first of the range, which is the API
    /// server's.
    fn free_address(&mut self, range: IpNet) -> Result<IpAddr, Status> {
        let offsets = Offsets::of(range);
        let size = offsets.last;
        let band = (size / 16).clamp(STATIC_BAND_MIN, STATIC_BAND_MAX).min(size);
        let upper = rotated(1 + band..=size, self.random);
        let lower = rotated(2..=band, self.random);
        let candidates = upper.chain(lower).map(|offset| Claim::ClusterIp(offsets.address(offset)));
        match self.claims.first_free(candidates) {
            Some(Claim::ClusterIp(address)) => Ok(address),
            _ => Err(full("serviceIP", &range.to_string())),
        }
    }
}

/// The usable addresses of a range by number, from 1 to the last.
struct Offsets {
    range: IpNet,
    last: u64,
}

impl Offsets {
    /// Neither the network's own address nor, in IPv4, broadcast. Of a large IPv6 range, the first 2^32
    /// are as many as anybody needs.
    fn of(range: IpNet) -> Self {
        let bits = u32::from(range.max_prefix_len() - range.prefix_len()).min(32);
        let size = 1u64 << bits;
        let unusable = if range.addr().is_ipv4() { 2 } else { 1 };
        Self { range, last: size.saturating_sub(unusable) }
    }

    fn address(&self, offset: u64) -> IpAddr {
        match self.range.network() {
            IpAddr::V4(base) => {
                let offset =
                    u32::try_from(offset).expect("an IPv4 range has 2^32 addresses at most");
                Ipv4Addr::from(u32::from(base) + offset).into()
            }
            IpAddr::V6(base) => Ipv6Addr::from(u128::from(base) + u128::from(offset)).into(),
        }
    }

    fn are_usable(&self, address: IpAddr) -> bool {
        let is_edge = address == self.range.network()
            || (address.is_ipv4() && address == self.range.broadcast());
        self.range.contains(&address) && !is_edge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_addresses_are_those_between_the_edges() {
        let v4 = Offsets::of("10.1.0.0/28".parse().unwrap());
        assert_eq!((v4.last, v4.address(1)), (14, IpAddr::from([10, 1, 0, 1])));
        assert!(v4.are_usable(v4.address(14)) && !v4.are_usable(IpAddr::from([10, 1, 0, 15])));
        let v6 = Offsets::of("fd00::/112".parse().unwrap());
        assert_eq!(v6.address(v6.last), "fd00::ffff".parse::<IpAddr>().unwrap());
        assert!(v6.are_usable(v6.address(v6.last)));
        assert!(!v6.are_usable("fd00::".parse().unwrap()));
        let wide = Offsets::of("fd00::/48".parse().unwrap());
        assert_eq!(wide.address(wide.last), "fd00::ffff:ffff".parse::<IpAddr>().unwrap());
    }
}
