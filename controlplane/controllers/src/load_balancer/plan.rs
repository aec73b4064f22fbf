//! Which addresses of the pool a Service should have. Pure.

use std::fmt;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use serde::Deserialize;
use serde_json::{Value, json};
use sheave_api::{AddressPool, ObjectKey};

/// Services of this class, or of none, get addresses of the pool.
const CLASS: &str = "sheave.io/pool";

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(super) fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Ipv4 { "IPv4" } else { "IPv6" })
    }
}

/// A Service, reduced to what its load balancer addresses depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Service")]
pub(super) struct ServiceFacts {
    pub(super) uid: String,
    /// Type LoadBalancer, of our class or of none, and not going away.
    pub(super) is_ours: bool,
    pub(super) families: Vec<Family>,
    /// `spec.loadBalancerIP`, or empty.
    pub(super) requested: String,
    /// Its status as it is now.
    pub(super) ingress: Vec<Ingress>,
}

/// One entry of `status.loadBalancer.ingress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ingress {
    /// `None` for a host name.
    pub(super) address: Option<IpAddr>,
    /// Nodes serve it themselves.
    pub(super) is_vip: bool,
}

impl From<Service> for ServiceFacts {
    fn from(service: Service) -> Self {
        let spec = service.spec.unwrap_or_default();
        let class = spec.load_balancer_class.unwrap_or_default();
        let is_balancer = spec.type_.as_deref() == Some("LoadBalancer");
        let families = spec.ip_families.unwrap_or_default();
        let balancer = service.status.and_then(|status| status.load_balancer);
        let ingress = balancer.and_then(|balancer| balancer.ingress).unwrap_or_default();
        Self {
            uid: service.metadata.uid.unwrap_or_default(),
            is_ours: is_balancer
                && (class.is_empty() || class == CLASS)
                && service.metadata.deletion_timestamp.is_none(),
            families: families
                .iter()
                .map(|family| if family == "IPv6" { Family::Ipv6 } else { Family::Ipv4 })
                .collect(),
            requested: spec.load_balancer_ip.unwrap_or_default(),
            ingress: ingress
                .into_iter()
                .map(|ingress| Ingress {
                    address: ingress.ip.and_then(|ip| ip.parse().ok()),
                    is_vip: ingress.ip_mode.as_deref() != Some("Proxy"),
                })
                .collect(),
        }
    }
}

impl ServiceFacts {
    /// Addresses in its status.
    pub(super) fn held(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.ingress.iter().filter_map(|ingress| ingress.address)
    }

    /// True if its status says exactly that nodes serve these.
    pub(super) fn shows(&self, addresses: &[IpAddr]) -> bool {
        let shown = self.ingress.iter().map(|ingress| (ingress.address, ingress.is_vip));
        shown.eq(addresses.iter().map(|address| (Some(*address), true)))
    }
}

/// Why a Service does not have an address that it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `spec.loadBalancerIP` is no address of a family that the Service has.
    NotOfTheService(String),
    /// The pool does not contain it.
    NotInPool(IpAddr),
    /// Somebody else has it.
    Taken(IpAddr, String),
    /// The pool has no address of this family, free or not.
    NoRange(Family),
    /// All are taken.
    Exhausted(Family),
}

impl Refusal {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NotOfTheService(_) | Self::NotInPool(_) => "AddressNotInPool",
            Self::Taken(..) => "AddressTaken",
            Self::NoRange(_) | Self::Exhausted(_) => "PoolExhausted",
        }
    }

    /// One sentence with the remedy.
    pub(super) fn message(&self, pool: &AddressPool) -> String {
        match self {
            Self::NotOfTheService(text) => format!(
                "spec.loadBalancerIP {text:?} is not an address of a family in spec.ipFamilies: correct \
                 it, or leave it out"
            ),
            Self::NotInPool(address) => format!(
                "spec.loadBalancerIP {address} is not in the load balancer pool ({pool}): choose one of \
                 these, or start the server with a larger --load-balancer-pool"
            ),
            Self::Taken(address, by) => format!(
                "spec.loadBalancerIP {address} is taken by {by}: choose another one, or leave it out"
            ),
            Self::NoRange(family) => format!(
                "the load balancer pool ({pool}) has no {family} addresses: start the server with a \
                 --load-balancer-pool of that family too"
            ),
            Self::Exhausted(family) => format!(
                "every {family} address of the load balancer pool ({pool}) is taken: delete Services of \
                 type LoadBalancer that are no longer used, or start the server with a larger \
                 --load-balancer-pool"
            ),
        }
    }
}

/// What a Service should have, and what it cannot.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// One a family, in the order of the Service's families.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) refusals: Vec<Refusal>,
}

/// Who has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder<'a> {
    Service(&'a ObjectKey),
    Node(&'a str),
}

impl fmt::Display for Holder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(key) => write!(f, "Service {key}"),
            Self::Node(name) => write!(f, "Node {name}"),
        }
    }
}

/// What is known of the addresses of a pool.
pub(super) struct Picture<'a> {
    pub(super) pool: &'a AddressPool,
    /// `None` for an address that is free.
    pub(super) holder: &'a dyn Fn(IpAddr) -> Option<Holder<'a>>,
    /// The addresses given out last, one a family.
    pub(super) last: &'a [IpAddr],
}

/// An address that the Service has stays, unless it asks for another one that it can have.
pub(super) fn decide(key: &ObjectKey, service: &ServiceFacts, picture: &Picture<'_>) -> Decision {
    let mut decision = Decision::default();
    let own = Holder::Service(key);
    let by_other = |address: IpAddr| (picture.holder)(address).filter(|holder| *holder != own);
    let requested = match service.requested.parse::<IpAddr>() {
        Ok(address) if service.families.contains(&Family::of(&address)) => Some(address),
        _ => None,
    };
    if requested.is_none() && !service.requested.is_empty() {
        decision.refusals.push(Refusal::NotOfTheService(service.requested.clone()));
    }
    for family in &service.families {
        let of_family = |address: &IpAddr| Family::of(address) == *family;
        let mut usable_here = service
            .held()
            .filter(|address| of_family(address) && picture.pool.contains(*address))
            .filter(|address| by_other(*address).is_none());
        let chosen = match requested.filter(of_family) {
            Some(wanted) if !picture.pool.contains(wanted) => Err(Refusal::NotInPool(wanted)),
            Some(wanted) => match by_other(wanted) {
                Some(holder) => Err(Refusal::Taken(wanted, holder.to_string())),
                None => Ok(wanted),
            },
            None => match usable_here.next() {
                Some(held) => Ok(held),
                None => free(*family, picture),
            },
        };
        match chosen {
            Ok(address) => decision.addresses.push(address),
            Err(refusal) => {
                decision.refusals.push(refusal);
                decision.addresses.extend(usable_here.next());
            }
        }
    }
    decision
}

fn free(family: Family, picture: &Picture<'_>) -> Result<IpAddr, Refusal> {
    let is_ipv4 = family == Family::Ipv4;
    if !picture.pool.has_family(is_ipv4) {
        return Err(Refusal::NoRange(family));
    }
    let last = picture.last.iter().find(|last| Family::of(last) == family).copied();
    let is_taken = |address| (picture.holder)(address).is_some();
    picture.pool.first_free(is_ipv4, last, is_taken).ok_or(Refusal::Exhausted(family))
}

/// The status as it should be.
pub(super) fn ingress(addresses: &[IpAddr]) -> Value {
    addresses.iter().map(|address| json!({ "ip": address.to_string(), "ipMode": "VIP" })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn facts(spec: Value, ingress: Value) -> ServiceFacts {
        let mut object = json!({ "spec": spec });
        object["spec"]["type"] = json!("LoadBalancer");
        object["status"] = json!({ "loadBalancer": { "ingress": ingress } });
        serde_json::from_value(object).unwrap()
    }

    fn decided(service: &ServiceFacts, taken: &[&str]) -> Decision {
        let ranges = ["192.0.2.1-192.0.2.3", "2001:db8::1-2001:db8::2"];
        let pool = ranges.iter().map(|range| range.parse().unwrap()).collect();
        let taken: Vec<_> = taken.iter().map(|text| at(text)).collect();
        let other = ObjectKey::new("default", "other");
        let holder = |address| taken.contains(&address).then_some(Holder::Service(&other));
        let picture = Picture { pool: &pool, holder: &holder, last: &[] };
        decide(&ObjectKey::new("default", "web"), service, &picture)
    }

    const V4: &[&str] = &["IPv4"];

    #[test]
    fn one_address_a_family() {
        let dual = facts(json!({ "ipFamilies": ["IPv6", "IPv4"] }), json!([]));
        let decision = decided(&dual, &["192.0.2.1"]);
        assert_eq!(decision.addresses, [at("2001:db8::1"), at("192.0.2.2")]);
        assert!(decision.refusals.is_empty());
    }

    #[test]
    fn what_it_has_stays_if_it_is_its_own_and_of_the_pool() {
        let has =
            |ip: &str| facts(json!({ "ipFamilies": V4 }), json!([{ "ip": ip, "ipMode": "VIP" }]));
        assert_eq!(decided(&has("192.0.2.3"), &[]).addresses, [at("192.0.2.3")]);
        assert_eq!(decided(&has("192.0.2.3"), &["192.0.2.3"]).addresses, [at("192.0.2.1")]);
        assert_eq!(decided(&has("198.51.100.1"), &[]).addresses, [at("192.0.2.1")]);
        assert!(has("192.0.2.3").shows(&[at("192.0.2.3")]));
        let proxied = facts(json!({}), json!([{ "ip": "192.0.2.3", "ipMode": "Proxy" }]));
        assert!(!proxied.shows(&[at("192.0.2.3")]));
    }

    #[test]
    fn a_wish_is_granted_or_refused_and_what_there_is_stays_meanwhile() {
        let wish = |ip: &str| {
            let spec = json!({ "ipFamilies": V4, "loadBalancerIP": ip });
            facts(spec, json!([{ "ip": "192.0.2.1", "ipMode": "VIP" }]))
        };
        assert_eq!(decided(&wish("192.0.2.3"), &[]).addresses, [at("192.0.2.3")]);
        for (ip, refusal) in [
            ("192.0.2.3", Refusal::Taken(at("192.0.2.3"), "Service default/other".into())),
            ("192.0.2.9", Refusal::NotInPool(at("192.0.2.9"))),
            ("2001:db8::1", Refusal::NotOfTheService("2001:db8::1".into())),
            ("x", Refusal::NotOfTheService("x".into())),
        ] {
            let decision = decided(&wish(ip), &["192.0.2.3"]);
            assert_eq!(
                (&decision.addresses[..], &decision.refusals[..]),
                (&[at("192.0.2.1")][..], &[refusal][..])
            );
        }
    }

    #[test]
    fn an_empty_pool_and_a_missing_family_are_told_apart() {
        let service = facts(json!({ "ipFamilies": V4 }), json!([]));
        let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        assert_eq!(decided(&service, &all).refusals, [Refusal::Exhausted(Family::Ipv4)]);
        let pool: AddressPool = ["2001:db8::/112".parse().unwrap()].into_iter().collect();
        let picture = Picture { pool: &pool, holder: &|_| None, last: &[] };
        let decision = decide(&ObjectKey::new("default", "web"), &service, &picture);
        assert_eq!(decision.refusals, [Refusal::NoRange(Family::Ipv4)]);
        let said = decision.refusals[0].message(&pool);
        assert!(said.contains("--load-balancer-pool of that family"), "{said}");
    }

    #[test]
    fn other_classes_and_types_are_not_ours() {
        let ours = |spec: Value| {
            serde_json::from_value::<ServiceFacts>(json!({ "spec": spec })).unwrap().is_ours
        };
        assert!(ours(json!({ "type": "LoadBalancer" })));
        assert!(ours(json!({ "type": "LoadBalancer", "loadBalancerClass": "sheave.io/pool" })));
        assert!(!ours(json!({ "type": "LoadBalancer", "loadBalancerClass": "example.com/x" })));
        assert!(!ours(json!({ "type": "NodePort" })));
    }
}
