//! An agent that starts while its source can only remember: what it recalls is older than the maps.

use proptest::prelude::*;
use sheave_abi::service::BACKEND_LIVE;

use super::churn::{LIMITS, any_update, meant};
use super::kernel::Machine;
use super::objects::*;
use crate::engine::Engine;
use crate::model::*;
use crate::plan::plan;

/// All that a source remembers.
fn recall(engine: &mut Engine, model: &Model) {
    engine.note(Update::Init);
    engine.note(Update::Node(model.node.clone()));
    for service in model.services.values() {
        engine.note(Update::Service(service.clone()));
    }
    for slice in model.slices.values() {
        engine.note(Update::EndpointSlice(slice.clone()));
    }
    engine.note(Update::Recalled);
}

fn model(services: &[Service], slices: &[EndpointSlice]) -> Model {
    Model {
        node: node(),
        services: services.iter().map(|s| (s.key.clone(), s.clone())).collect(),
        slices: slices.iter().map(|s| (s.key.clone(), s.clone())).collect(),
        ..Model::default()
    }
}

/// A machine whose maps hold `held`, and whose agent has started again and recalls `recalled`.
fn started_again(held: &Model, recalled: &Model) -> Machine {
    let mut machine = Machine::new(LIMITS);
    machine.hear(held);
    machine.settle().unwrap();
    machine.engine = Engine::new(machine.kernel.held());
    recall(&mut machine.engine, recalled);
    machine
}

fn slices(last: u8) -> [EndpointSlice; 1] {
    [slice(0, "x", vec![endpoint(last, true)])]
}

#[test]
fn what_is_recalled_takes_nothing_away_until_a_complete_state_says_so() {
    let newest = model(&[node_port_service(0), service(1)], &slices(1));
    let host_ports = vec![host_port(1, 8080)];
    let held = Model { host_ports: host_ports.clone(), ..newest.clone() };
    let mut machine = started_again(&held, &Model { node: node(), ..Model::default() });
    assert_eq!(machine.settle().unwrap(), 0, "nothing is known to be gone");
    machine.engine.note(Update::SomeHostPorts(vec![]));
    assert_eq!(machine.settle().unwrap(), 0, "nor is a port of a pod that is not known yet");

    let left = Model { host_ports, ..model(&[service(1)], &[]) };
    machine.hear(&left);
    machine.settle().unwrap();
    assert_eq!(machine.kernel.seen(), meant(&plan(&left)), "now it is");
}

#[test]
fn an_endpoint_that_came_last_stays_and_one_that_went_does_not_come_back() {
    let (newest, older) = (model(&[service(0)], &slices(2)), model(&[service(0)], &slices(1)));
    let mut machine = started_again(&newest, &older);
    let before = machine.kernel.seen();
    assert_eq!(machine.settle().unwrap(), 0, "the maps know better");
    // The same agent reads its maps again.
    machine.fail(usize::MAX).unwrap();
    assert_eq!(machine.settle().unwrap(), 0);

    machine.hear(&newest);
    assert_eq!(machine.settle().unwrap(), 0, "as was said before the start");
    assert_eq!(machine.kernel.seen(), before);
    machine.hear(&older);
    machine.settle().unwrap();
    assert_eq!(machine.kernel.seen(), meant(&plan(&older)), "what the source says now counts");
}

#[test]
fn what_the_maps_do_not_hold_is_served_as_it_is_recalled() {
    // As after a reboot, then with a Service that the maps have forgotten.
    let all = model(&[service(0), node_port_service(1)], &slices(1));
    let nothing = Model { node: node(), ..Model::default() };
    for held in [&nothing, &model(&[node_port_service(1)], &[])] {
        let mut machine = started_again(held, &all);
        assert!(machine.settle().unwrap() > 0);
        assert_eq!(machine.kernel.seen(), meant(&plan(&all)));
        // It is followed as ever.
        machine.engine.note(Update::SomeHostPorts(vec![host_port(1, 8080)]));
        machine.fail(1).unwrap();
        machine.settle().unwrap();
        let all = Model { host_ports: vec![host_port(1, 8080)], ..all.clone() };
        assert_eq!(machine.kernel.seen(), meant(&plan(&all)), "also after a write that failed");
        machine.hear(&all);
        assert_eq!(machine.settle().unwrap(), 0);
    }
}

fn any_model(updates: usize) -> impl Strategy<Value = Model> {
    prop::collection::vec(any_update(), updates).prop_map(|updates| {
        let mut engine = Engine::new(Default::default());
        updates.into_iter().for_each(|update| engine.note(update));
        Model { node: node(), host_ports: vec![], ..engine.model().clone() }
    })
}

proptest! {
    #[test]
    fn whatever_is_recalled_the_maps_keep_what_they_hold_and_follow_the_source_in_the_end(
        held in any_model(20), recalled in any_model(20), said in any_model(20),
    ) {
        let mut machine = started_again(&held, &recalled);
        let before = machine.kernel.seen();
        let live = machine.kernel.in_state(BACKEND_LIVE);
        machine.settle()?;
        let seen = machine.kernel.seen();
        prop_assert!(before.iter().all(|(key, held)| seen.get(key) == Some(held)));
        let after = machine.kernel.in_state(BACKEND_LIVE);
        prop_assert!(live.iter().all(|backend| after.contains(backend)));
        machine.hear(&said);
        machine.settle()?;
        prop_assert_eq!(machine.kernel.seen(), meant(&plan(&said)));
        let mut fresh = Machine::new(LIMITS);
        fresh.hear(&said);
        fresh.settle()?;
        prop_assert_eq!(
            machine.kernel.in_state(BACKEND_LIVE), fresh.kernel.in_state(BACKEND_LIVE)
        );
    }
}
