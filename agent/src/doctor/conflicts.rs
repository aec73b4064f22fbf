//! What on this machine works against Sheave, read from what the machine's own tools say: pure functions of
//! their output.

use serde_json::Value;

use super::Finding;

/// A map that is fuller than this is worth saying so.
const PRESSURE_MAX_PERCENT: usize = 70;

/// From `iptables-save` (or `ip6tables-save`): rules of others that see the same packets.
pub(super) fn in_iptables(save: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if save.lines().any(|line| line.starts_with(":KUBE-SERVICES")) {
        found.push(Finding::conflict(
            "kube-proxy's rules in iptables",
            "packets that reach the host's stack are translated a second time, by rules that nobody keeps",
            "stop kube-proxy and remove its rules with `kube-proxy --cleanup`",
        ));
    }
    if save.lines().any(|line| line.starts_with(":FORWARD DROP")) {
        let who = if save.contains("DOCKER") { " (Docker sets it)" } else { "" };
        found.push(Finding::conflict(
            format!("iptables drops what is forwarded{who}"),
            "packets between pods and the outside that pass the host's stack are dropped",
            "run `iptables -P FORWARD ACCEPT`, or accept the pods' addresses in the FORWARD chain",
        ));
    }
    if save.contains("ufw-before-forward") {
        found.push(Finding::conflict(
            "ufw is active",
            "it may drop what pods send outside and what comes for NodePorts",
            "allow both in ufw: `ufw default allow routed`, and `ufw allow` for the ports",
        ));
    }
    found
}

/// From `nft list tables`.
pub(super) fn in_nftables(tables: &str) -> Vec<Finding> {
    let has = |name: &str| tables.lines().any(|line| line.trim_end().ends_with(name));
    let mut found = Vec::new();
    if has(" kube-proxy") {
        found.push(Finding::conflict(
            "kube-proxy's table in nftables",
            "packets that reach the host's stack are translated a second time, by rules that nobody keeps",
            "stop kube-proxy and run `nft delete table ip kube-proxy` (and ip6)",
        ));
    }
    if has(" firewalld") {
        found.push(Finding::conflict(
            "firewalld is active",
            "it may drop what pods send outside and what comes for NodePorts",
            "put the uplink and the pods' addresses into the zone `trusted`",
        ));
    }
    found
}

/// From `ip -json -details link show` and `ip -json route show`: interfaces that do not fit, and XDP programs
/// of others. `uplinks` are those our programs are at, `pods` the indexes of the host's ends of pods' veths.
pub(super) fn at_links(
    links: &Value,
    routes: &[Value],
    uplinks: &[String],
    pods: &[u32],
) -> Vec<Finding> {
    let links = links.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |link: &Value| link["ifname"].as_str().unwrap_or_default().to_owned();
    let mtu = |link: &Value| link["mtu"].as_u64().unwrap_or(0);
    let mut found = Vec::new();
    if links.iter().any(|link| name(link) == "kube-ipvs0") {
        found.push(Finding::conflict(
            "kube-proxy's interface kube-ipvs0",
            "service addresses are the machine's own, so packets to them do not meet Sheave",
            "stop kube-proxy and run `ip link delete kube-ipvs0` and `ipvsadm --clear`",
        ));
    }
    let ours = links.iter().filter(|link| uplinks.contains(&name(link)));
    let narrowest = ours.clone().map(mtu).min();
    for link in ours.filter(|link| link["xdp"]["prog"].is_object()) {
        let (id, program) = (&link["xdp"]["prog"]["id"], link["xdp"]["prog"]["name"].as_str());
        let program = program.unwrap_or("without a name");
        if !program.starts_with("uplink_") {
            found.push(Finding::conflict(
                format!("XDP program {program} (id {id}) of others at {}", name(link)),
                "it sees packets before Sheave does, and may drop or send them elsewhere",
                "see that it passes on what is for Services and pods",
            ));
        }
    }
    let is_pods = |link: &&Value| {
        link["ifindex"]
            .as_u64()
            .is_some_and(|index| pods.iter().any(|pod| u64::from(*pod) == index))
    };
    // The route to a pod has the MTU of the pod's way out of the node; the interface has that of the node.
    let mtu_outside = |link: &Value| {
        let to_pod = routes.iter().filter(|route| route["dev"] == link["ifname"]);
        to_pod.filter_map(|route| route["metrics"][0]["mtu"].as_u64()).max().unwrap_or(mtu(link))
    };
    let widest = links.iter().filter(is_pods).map(mtu_outside).max();
    if let (Some(narrowest), Some(widest)) = (narrowest, widest)
        && widest > narrowest
    {
        found.push(Finding::conflict(
            format!("pods send packets of {widest} bytes, the uplink carries {narrowest}"),
            "large packets that leave the node are cut up or refused: transfers are slow or hang",
            format!("start the agent with --pod-mtu {narrowest}, and pods anew"),
        ));
    }
    found
}

/// Programs of others that run at a hook of ours, with all that run there in their order.
pub(super) fn at_hook(place: &str, names: &[(String, u32)], ours: &[&str]) -> Option<Finding> {
    let is_ours = |name: &str| ours.contains(&name);
    if !names.iter().any(|(name, _)| is_ours(name)) || names.iter().all(|(name, _)| is_ours(name)) {
        return None;
    }
    let order: Vec<String> = names
        .iter()
        .map(|(name, id)| match is_ours(name) {
            true => format!("{name} (Sheave's)"),
            false => format!("{name} (id {id})"),
        })
        .collect();
    Some(Finding::conflict(
        format!("programs of others at {place}, in this order: {}", order.join(", ")),
        "those before Sheave's may keep packets from it; those after see what it has left",
        "see that they pass on what is for Services and pods; --program-order says where Sheave's stand",
    ))
}

/// Settings of the kernel, by their place below /proc/sys.
pub(super) fn in_settings(read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut found = Vec::new();
    if read("net/core/bpf_jit_enable").as_deref() == Some("0") {
        found.push(Finding::conflict(
            "BPF programs are interpreted",
            "every packet and every connection costs several times as much",
            "run `sysctl -w net.core.bpf_jit_enable=1`",
        ));
    }
    if read("net/ipv4/conf/all/rp_filter").as_deref() == Some("1") {
        found.push(Finding::conflict(
            "strict reverse path filtering (net.ipv4.conf.all.rp_filter is 1)",
            "packets that come in by another interface than their answers leave by are dropped unseen",
            "run `sysctl -w net.ipv4.conf.all.rp_filter=2`",
        ));
    }
    found
}

/// Maps that fill up.
pub(super) fn in_maps(occupancy: &[(&'static str, usize, u32)]) -> Vec<Finding> {
    let full = occupancy.iter().filter_map(|(map, entries, max)| {
        let percent = entries.checked_mul(100)? / (*max).max(1) as usize;
        (percent > PRESSURE_MAX_PERCENT).then(|| {
            Finding::conflict(
                format!("map {map} is {percent} % full: {entries} of {max} entries"),
                match *map {
                    "FLOWS" | "OPENING" | "SOCKETS" | "AFFINITY" => {
                        "once it is full, the entries that were used least recently make room"
                    }
                    _ => "once it is full, what does not fit is not served",
                },
                "use a node with more memory, by which maps are sized, or fewer Services a node",
            )
        })
    });
    full.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(found: &[Finding]) -> Vec<&str> {
        found.iter().map(|finding| finding.name.as_str()).collect()
    }

    #[test]
    fn rules_of_others_are_named() {
        let save = "*nat\n:KUBE-SERVICES - [0:0]\n*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n";
        let expected =
            ["kube-proxy's rules in iptables", "iptables drops what is forwarded (Docker sets it)"];
        assert_eq!(names(&in_iptables(save)), expected);
        assert_eq!(names(&in_iptables("*filter\n:FORWARD ACCEPT [0:0]\n")), Vec::<&str>::new());
        let tables = "table inet firewalld\ntable ip kube-proxy\n";
        let expected = ["kube-proxy's table in nftables", "firewalld is active"];
        assert_eq!(names(&in_nftables(tables)), expected);
    }

    #[test]
    fn pods_that_send_more_than_the_uplink_carries_are_told() {
        let links = json!([
            { "ifindex": 2, "ifname": "eth0", "mtu": 1450, "xdp": { "prog": { "id": 7, "name": "meter" } } },
            { "ifindex": 9, "ifname": "shv1", "mtu": 65520 },
            { "ifindex": 10, "ifname": "other", "mtu": 9000, "xdp": { "prog": { "id": 8, "name": "x" } } },
        ]);
        let route = |dev: &str, mtu: u32| json!({ "dst": "10.244.0.2", "dev": dev, "metrics": [{ "mtu": mtu }] });
        let uplinks = ["eth0".to_owned()];
        let found = at_links(&links, &[route("shv1", 1500), route("x", 9000)], &uplinks, &[9]);
        assert_eq!(
            names(&found),
            [
                "XDP program meter (id 7) of others at eth0",
                "pods send packets of 1500 bytes, the uplink carries 1450"
            ]
        );
        assert!(found[1].remedy.contains("--pod-mtu 1450"));
        assert_eq!(at_links(&links, &[route("shv1", 1450)], &uplinks, &[9]).len(), 1);
        // A pod whose route says nothing sends what its interface takes.
        assert_eq!(at_links(&links, &[], &uplinks, &[9]).len(), 2);
        assert_eq!(names(&at_links(&links, &[], &["shv1".into()], &[2])), Vec::<&str>::new());
    }

    #[test]
    fn programs_at_our_hooks_are_told_in_their_order() {
        let of = |names: &[&str]| -> Vec<(String, u32)> {
            names.iter().zip(1..).map(|(name, id)| ((*name).to_owned(), id)).collect()
        };
        let ours = ["uplink_ingress"];
        let found = at_hook("eth0 ingress", &of(&["meter", "uplink_ingress"]), &ours).unwrap();
        assert!(found.name.ends_with("meter (id 1), uplink_ingress (Sheave's)"), "{}", found.name);
        assert!(at_hook("eth0 ingress", &of(&["uplink_ingress"]), &ours).is_none());
        assert!(at_hook("lo ingress", &of(&["meter"]), &ours).is_none(), "no hook of ours");
    }

    #[test]
    fn settings_and_maps_speak_only_when_something_is_wrong() {
        let off = |name: &str| Some(if name.ends_with("rp_filter") { "1" } else { "0" }.to_owned());
        assert_eq!(in_settings(off).len(), 2);
        assert_eq!(in_settings(|_| Some("2".into())).len(), 0);
        assert_eq!(in_settings(|_| None).len(), 0);
        let found = in_maps(&[("FLOWS", 71, 100), ("SOCKETS", 70, 100), ("EMPTY", 0, 0)]);
        assert_eq!(names(&found), ["map FLOWS is 71 % full: 71 of 100 entries"]);
    }
}
