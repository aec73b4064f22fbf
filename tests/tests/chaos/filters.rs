//! What may happen to the machine's packet filters.

use std::time::Instant;

use sheave_tests::lab::Lab;

use crate::traffic::Traffic;
use crate::{scenario_length, served_lab, sleep_until};

/// All rules of both, without the comments, which hold the time.
fn rules(lab: &Lab) -> String {
    let mut all = lab.node.command("nft", "list ruleset");
    for save in ["iptables-save", "iptables-legacy-save"] {
        let saved = lab.node.command(save, "");
        all.extend(saved.lines().filter(|l| !l.starts_with('#')).map(|line| format!("{line}\n")));
    }
    all
}

#[test]
fn flushing_the_packet_filters_changes_nothing_and_none_of_the_rules_was_ours() {
    let lab = served_lab("filters");
    assert_eq!(rules(&lab), "", "the agent has made no rule");
    let traffic = Traffic::start(&lab, scenario_length());
    let begun = Instant::now();
    // Another's rules, of the kind that machines have: they go, and the traffic does not notice either.
    lab.node.command("iptables", "-t nat -A POSTROUTING -s 10.244.0.0/16 -o up0 -j MASQUERADE");
    lab.node.command("iptables", "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
    sleep_until(begun + scenario_length() / 3);
    lab.node.command("nft", "flush ruleset");
    lab.node.command("iptables", "-F");
    lab.node.command("iptables", "-t nat -F");
    sleep_until(begun + scenario_length());
    traffic.finish().assert_nothing_lost("packet filters flushed");
    let left = rules(&lab);
    let is_rule = |line: &&str| line.contains(" -A ") || line.starts_with("-A ");
    assert_eq!(left.lines().filter(is_rule).count(), 0, "{left}");
}
