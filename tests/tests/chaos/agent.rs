//! What may happen to the agent.

use std::time::{Duration, Instant};

use crate::broken::copy_with_a_refused_program;
use crate::services::{BACKENDS, manifests};
use crate::traffic::Traffic;
use crate::{agent_program, scenario_length, served_lab, sleep_until, wait_until_web_has};

#[test]
fn an_agent_that_is_killed_every_two_seconds_costs_no_connection() {
    let mut lab = served_lab("killed");
    let traffic = Traffic::start(&lab, scenario_length());
    let end = Instant::now() + scenario_length();
    let mut kills = 0;
    while Instant::now() < end {
        let next = Instant::now() + Duration::from_secs(2);
        lab.kill_agent();
        kills += 1;
        lab.start_agent(&agent_program());
        sleep_until(next.min(end));
    }
    let outcomes = traffic.finish();
    outcomes.assert_nothing_lost(&format!("agent killed {kills} times"));
    // The last one serves as the first did.
    let status = lab.wait_for_agent();
    assert_eq!(status["services"]["mapWrites"], 0, "nothing was new: {status}");
}

#[test]
fn ten_upgrades_replace_every_program_under_the_traffic() {
    const UPGRADES: u32 = 10;
    let mut lab = served_lab("upgraded");
    let traffic = Traffic::start(&lab, scenario_length());
    let begun = Instant::now();
    for upgrade in 1..=UPGRADES {
        let program = lab.dir().join(format!("sheave-agent-{upgrade}"));
        std::fs::copy(agent_program(), &program).unwrap();
        let before = lab.attached();
        lab.end_agent();
        lab.start_agent(&program);
        let status = lab.wait_for_agent();
        assert_eq!(status["programs"]["version"], "this", "{status}");
        let after = lab.attached();
        assert_eq!(before.len(), after.len(), "none is gone, none stands beside another");
        let same: Vec<_> = after.iter().filter(|program| before.contains(program)).collect();
        assert!(same.is_empty(), "upgrade {upgrade} left {same:?}");
        sleep_until(begun + scenario_length() * upgrade / UPGRADES);
    }
    traffic.finish().assert_nothing_lost(&format!("agent upgraded {UPGRADES} times"));
}

#[test]
fn programs_that_do_not_load_leave_the_old_ones_to_the_traffic() {
    let mut lab = served_lab("refused");
    let broken = lab.dir().join("sheave-agent-broken");
    copy_with_a_refused_program(&agent_program(), &broken);
    let before = lab.attached();
    let traffic = Traffic::start(&lab, scenario_length());
    let end = Instant::now() + scenario_length();
    let mut refusals = 0;
    while Instant::now() < end {
        let next = Instant::now() + Duration::from_secs(2);
        lab.end_agent();
        lab.start_agent(&broken);
        refusals += 1;
        let status = lab.wait_for_agent();
        assert_eq!(status["programs"]["version"], "before", "{status}");
        let why = status["programs"]["refused"].as_str().unwrap();
        assert!(why.contains("pod_ingress"), "{why}");
        assert_eq!(lab.attached(), before, "all of the old, and nothing of the new");
        // The old programs follow what the new agent says.
        let backends = if refusals % 2 == 1 { &BACKENDS[..1] } else { &BACKENDS[..] };
        lab.serve(&manifests(backends));
        wait_until_web_has(&lab, backends.len());
        sleep_until(next.min(end));
    }
    traffic.finish().assert_nothing_lost(&format!("new programs refused {refusals} times"));
}
