//! What may happen to the agent.

use std::time::{Duration, Instant};

use crate::traffic::Traffic;
use crate::{agent_program, scenario_length, served_lab, sleep_until};

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
