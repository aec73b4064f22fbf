//! Which names a resolver asks for when somebody gives it one: the search list of resolv.conf(5). Pure.

use std::str::FromStr;

use hickory_proto::ProtoError;
use hickory_proto::rr::Name;

/// Without an `ndots` option.
const NDOTS_DEFAULT: usize = 1;
/// More means this (resolv.conf(5)).
const NDOTS_MAX: usize = 15;

/// The value of the last `ndots:N` among the options of resolv.conf.
pub fn ndots(options: &[String]) -> usize {
    let mut values =
        options.iter().filter_map(|option| option.strip_prefix("ndots:")?.parse().ok());
    values.next_back().map_or(NDOTS_DEFAULT, |value: usize| value.min(NDOTS_MAX))
}

/// In the order in which they are asked for, until one has an answer. A name with a dot at its end is asked
/// for as it is, one with at least `ndots` dots first of all, one with fewer last of all.
///
/// # Errors
/// When it cannot be a name. A search domain with which it is too long is left out, as resolvers do.
pub fn candidates(name: &str, searches: &[String], ndots: usize) -> Result<Vec<Name>, ProtoError> {
    let mut own = Name::from_str(name)?;
    let is_complete = own.is_fqdn();
    own.set_fqdn(true);
    if is_complete {
        return Ok(vec![own]);
    }
    let is_below = |search: &String| own.clone().append_domain(&Name::from_str(search).ok()?).ok();
    let mut candidates: Vec<Name> = searches.iter().filter_map(is_below).collect();
    candidates.iter_mut().for_each(|candidate| candidate.set_fqdn(true));
    let dots = name.matches('.').count();
    candidates.insert(if dots >= ndots { 0 } else { candidates.len() }, own);
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, ndots: usize) -> String {
        let searches = ["shop.svc.cluster.local", "svc.cluster.local."].map(str::to_owned);
        let candidates = candidates(name, &searches, ndots).unwrap();
        candidates.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn short_names_are_looked_for_below_the_search_domains_first() {
        assert_eq!(asked("web", 5), "web.shop.svc.cluster.local. web.svc.cluster.local. web.");
        assert_eq!(
            asked("www.example.org", 2),
            "www.example.org. www.example.org.shop.svc.cluster.local. \
             www.example.org.svc.cluster.local."
        );
        assert_eq!(asked("web.", 5), "web.");
    }

    #[test]
    fn names_that_are_too_long_are_none() {
        let long = [["a"; 31].join("."), ["b"; 31].join("."), ["c"; 60].join(".")].join(".");
        assert_eq!(asked(&long, 5).split(' ').count(), 1, "but for itself");
        assert!(candidates(&"x".repeat(64), &[], 1).is_err());
        assert!(candidates("a..b", &[], 1).is_err());
    }

    #[test]
    fn the_last_ndots_counts() {
        let options = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(ndots(&options("edns0 ndots:5 ndots:2")), 2);
        assert_eq!(
            (ndots(&options("ndots:99")), ndots(&options("ndots:x")), ndots(&[])),
            (15, 1, 1)
        );
    }
}
