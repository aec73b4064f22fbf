//! What names lead elsewhere after a change, and which of them have to wait for the maps. Pure.
//!
//! A name that leads to an address which the maps do not hold yet is worse than none: the first packet is
//! dropped, and the client sends the next a second later. So the maps come first for a Service with an
//! address that they serve. A headless Service's addresses are those of pods, which no map has a part in;
//! nor has it in the name of another cluster's server, nor in an address that somebody else serves: these
//! wait for nothing. And a Service that is gone loses its name before its address.
//!
//! With Services that were only recalled all names count as known: else no pod would find a name outside of the
//! cluster, which resolvers ask for below its domain first. A Service that came last has no name until the
//! server speaks.

use sheave_core::engine::Engine;
use sheave_core::model::{Knowledge, ObjectKey};
use sheave_dns::records::Records;

/// What the names of a Service lead to; nothing when it is gone.
pub(crate) type Change = (ObjectKey, Option<Records>);

/// Services whose names may lead elsewhere than before.
#[derive(Debug, Default)]
pub(crate) struct NameChanges {
    /// They have addresses that the maps must hold first.
    pub(crate) served: Vec<Change>,
    /// They have none, or not any more.
    pub(crate) others: Vec<Change>,
    /// With these, all names are known that are going to be.
    pub(crate) is_complete: bool,
}

impl NameChanges {
    /// Since this was last asked.
    pub(crate) fn take(engine: &mut Engine) -> Self {
        let changed = engine.take_names();
        let model = engine.model();
        let is_complete = engine.knowledge() != Knowledge::Nothing;
        let mut changes = Self { is_complete, ..Self::default() };
        for key in changed {
            if let Some(service) = model.services.get(&key) {
                changes.served.push((key, Some(Records::of_served(service))));
                continue;
            }
            let named = model.named_services.get(&key);
            let records = named.and_then(|named| Records::of_named(named, &engine.slices(&key)));
            changes.others.push((key, records));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use sheave_core::held::Held;
    use sheave_core::model::{LeadsTo, NamedService, Service, ServiceType, TrafficPolicy, Update};

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "default".into(), name: name.into() }
    }

    fn served(name: &str) -> Update {
        Update::Service(Service {
            key: key(name),
            service_type: ServiceType::ClusterIp,
            cluster_ips: vec!["10.96.0.7".parse().unwrap()],
            external_ips: vec![],
            load_balancer_ips: vec![],
            ports: vec![],
            internal_traffic_policy: TrafficPolicy::Cluster,
            external_traffic_policy: TrafficPolicy::Cluster,
            affinity_timeout_s: None,
            source_ranges: vec![],
            health_check_node_port: None,
        })
    }

    fn named(name: &str, leads_to: LeadsTo) -> Update {
        Update::NamedService(NamedService { key: key(name), leads_to, ports: vec![] })
    }

    /// Names of those that wait for the maps, and of those that do not; `-` is before those that are gone.
    fn taken(engine: &mut Engine) -> [String; 2] {
        let NameChanges { served, others, .. } = NameChanges::take(engine);
        [served, others].map(|changes| {
            let names = changes.iter().map(|(key, records)| match records {
                Some(_) => key.name.clone(),
                None => format!("-{}", key.name),
            });
            names.collect::<Vec<_>>().join(" ")
        })
    }

    #[test]
    fn names_of_addresses_in_the_maps_wait_for_them_and_others_do_not() {
        let mut engine = Engine::new(Held::default());
        engine.note(served("web"));
        engine.note(named("db", LeadsTo::Endpoints { publish_not_ready: false }));
        engine.note(named("alias", LeadsTo::Name("example.org".into())));
        engine.note(named("proxied", LeadsTo::Addresses(vec!["10.96.0.8".parse().unwrap()])));
        assert_eq!(taken(&mut engine), ["web", "alias db proxied"]);
        assert_eq!(taken(&mut engine), ["", ""]);
        engine.note(Update::ServiceGone(key("web")));
        assert_eq!(taken(&mut engine), ["", "-web"], "its name is gone before its address");
        engine.note(served("db"));
        assert_eq!(taken(&mut engine), ["db", ""]);
    }

    #[test]
    fn all_names_are_known_with_those_of_the_first_complete_state() {
        let mut engine = Engine::new(Held::default());
        engine.note(Update::Init);
        engine.note(served("web"));
        assert!(!NameChanges::take(&mut engine).is_complete);
        engine.note(Update::Recalled);
        assert!(NameChanges::take(&mut engine).is_complete, "nobody can say more");
        engine.note(Update::Init);
        engine.note(Update::InitDone);
        assert!(NameChanges::take(&mut engine).is_complete);
    }
}
