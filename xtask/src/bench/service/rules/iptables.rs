//! The rules of kube-proxy's iptables mode, for either backend of iptables: a chain that is gone through from one
//! Service to the next (`KUBE-SERVICES`), one for each Service that chooses an endpoint by chance (`KUBE-SVC-`), one
//! for each endpoint that translates (`KUBE-SEP-`), and the masquerading of what has the mark.
//!
//! As kube-proxy does for more than a thousand endpoints, chains of Services and endpoints have no comments.

use super::{MASQUERADE_MARK, ServicePort, Surroundings};
use std::fmt::Write as _;

/// Chains of table `filter`, and what leads to them. `KUBE-SERVICES` is empty there: it refuses for Services without
/// endpoints, and all have some.
const FILTER: &str = "\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
-A INPUT -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL
-A INPUT -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES
-A FORWARD -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL
-A FORWARD -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -j KUBE-SERVICES
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
";

const NAT: &str = "\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
";

const NAT_HOOKS: &str = "\
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
";

/// What `iptables-restore` takes. A packet that begins a flow meets the Services in the order that is given here; of
/// kube-proxy's, nothing is known.
pub(in super::super) fn write(surroundings: &Surroundings, ports: &[ServicePort]) -> String {
    let mut text = String::from(FILTER);
    let mark = format!("{MASQUERADE_MARK:#x}");
    line(&mut text, format_args!("-A KUBE-FORWARD -m mark --mark {mark}/{mark} -j ACCEPT"));
    text.push_str("-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n");
    text.push_str(NAT);
    for (number, port) in ports.iter().enumerate() {
        declare(&mut text, number, port);
    }
    text.push_str(NAT_HOOKS);
    line(&mut text, format_args!("-A KUBE-MARK-MASQ -j MARK --or-mark {mark}"));
    line(&mut text, format_args!("-A KUBE-POSTROUTING -m mark ! --mark {mark}/{mark} -j RETURN"));
    line(&mut text, format_args!("-A KUBE-POSTROUTING -j MARK --xor-mark {mark}"));
    text.push_str("-A KUBE-POSTROUTING -j MASQUERADE --random-fully\n");
    for (number, port) in ports.iter().enumerate() {
        rules(&mut text, surroundings, number, port);
    }
    // The last, so that it is met by what is for no Service.
    text.push_str("-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\nCOMMIT\n");
    text
}

fn declare(text: &mut String, number: usize, port: &ServicePort) {
    line(text, format_args!(":{} - [0:0]", service(number)));
    if port.node_port.is_some() {
        line(text, format_args!(":{} - [0:0]", external(number)));
    }
    for endpoint in 0..port.endpoints.len() {
        line(text, format_args!(":{} - [0:0]", self::endpoint(number, endpoint)));
    }
}

fn rules(text: &mut String, surroundings: &Surroundings, number: usize, port: &ServicePort) {
    let ServicePort { name, protocol, cluster_ip, port: dport, node_port, endpoints } = port;
    let (service, pods) = (service(number), surroundings.pods);
    let to_service = format!("-m {protocol} -p {protocol} -d {cluster_ip} --dport {dport}");
    let comment = format!("-m comment --comment \"{name} cluster IP\"");
    line(text, format_args!("-A KUBE-SERVICES {comment} {to_service} -j {service}"));
    if let Some(node_port) = node_port {
        let external = external(number);
        let to_node = format!("-m {protocol} -p {protocol} --dport {node_port}");
        line(text, format_args!("-A KUBE-NODEPORTS {to_node} -j {external}"));
        line(text, format_args!("-A {external} -j KUBE-MARK-MASQ"));
        line(text, format_args!("-A {external} -j {service}"));
    }
    line(text, format_args!("-A {service} {to_service} ! -s {pods} -j KUBE-MARK-MASQ"));
    for (index, address) in endpoints.iter().enumerate() {
        let chain = endpoint(number, index);
        // Of those that are left, each is as likely as the other; the last is certain.
        let left = endpoints.len() - index;
        let chance = match left {
            1 => String::new(),
            _ => format!("-m statistic --mode random --probability {:.10} ", 1.0 / left as f64),
        };
        line(text, format_args!("-A {service} {chance}-j {chain}"));
        line(text, format_args!("-A {chain} -s {} -j KUBE-MARK-MASQ", address.ip()));
        let translate = format!("-m {protocol} -p {protocol} -j DNAT --to-destination {address}");
        line(text, format_args!("-A {chain} {translate}"));
    }
}

fn service(number: usize) -> String {
    format!("KUBE-SVC-{number:016X}")
}

fn external(number: usize) -> String {
    format!("KUBE-EXT-{number:016X}")
}

fn endpoint(number: usize, endpoint: usize) -> String {
    format!("KUBE-SEP-{number:012X}{endpoint:04X}")
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::super::examples::{SURROUNDINGS, ports};
    use super::*;

    fn nat() -> Vec<String> {
        let text = write(&SURROUNDINGS, &ports());
        let (_, nat) = text.split_once("*nat\n").unwrap();
        nat.lines().map(str::to_owned).collect()
    }

    #[test]
    fn services_are_met_one_after_the_other_and_node_ports_last() {
        let nat = nat();
        let rules = nat.iter().filter(|line| line.starts_with("-A KUBE-SERVICES "));
        assert_eq!(
            rules.collect::<Vec<_>>(),
            [
                "-A KUBE-SERVICES -m comment --comment \"default/web:http cluster IP\" -m tcp -p tcp \
                 -d 10.96.0.7 --dport 80 -j KUBE-SVC-0000000000000000",
                "-A KUBE-SERVICES -m comment --comment \"default/dns:udp cluster IP\" -m udp -p udp \
                 -d 10.96.0.8 --dport 53 -j KUBE-SVC-0000000000000001",
                "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
            ]
        );
    }

    #[test]
    fn endpoints_are_equally_likely_and_each_translates() {
        let nat = nat();
        let of = |chain: &str| {
            let start = format!("-A {chain} ");
            let rules = nat.iter().filter_map(|line| line.strip_prefix(&start).map(str::to_owned));
            rules.collect::<Vec<_>>()
        };
        assert_eq!(
            of("KUBE-SVC-0000000000000000"),
            [
                "-m tcp -p tcp -d 10.96.0.7 --dport 80 ! -s 198.19.0.0/16 -j KUBE-MARK-MASQ",
                "-m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-0000000000000000",
                "-j KUBE-SEP-0000000000000001",
            ]
        );
        assert_eq!(
            of("KUBE-SEP-0000000000000001"),
            [
                "-s 10.1.0.2 -j KUBE-MARK-MASQ",
                "-m tcp -p tcp -j DNAT --to-destination 10.1.0.2:8080"
            ]
        );
    }

    #[test]
    fn what_comes_by_a_node_port_is_masqueraded() {
        let nat = nat();
        for line in [
            "-A KUBE-NODEPORTS -m udp -p udp --dport 30053 -j KUBE-EXT-0000000000000001",
            "-A KUBE-EXT-0000000000000001 -j KUBE-MARK-MASQ",
            "-A KUBE-EXT-0000000000000001 -j KUBE-SVC-0000000000000001",
            "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
            "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
            "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
        ] {
            assert!(nat.iter().any(|rule| rule == line), "{line}");
        }
    }

    #[test]
    fn every_chain_that_is_named_is_declared_and_short_enough() {
        let text = write(&SURROUNDINGS, &ports());
        for table in text.split("COMMIT\n") {
            let declared = table.lines().filter_map(|line| line.strip_prefix(':'));
            let declared: Vec<&str> = declared.filter_map(|line| line.split(' ').next()).collect();
            let named = table.lines().filter_map(|line| line.split_once("-j KUBE-"));
            for (_, rest) in named {
                let chain = format!("KUBE-{rest}");
                // The kernel's limit is 28.
                assert!(declared.contains(&chain.as_str()) && chain.len() <= 28, "{chain}");
            }
        }
    }
}
