//! The rules of kube-proxy's nftables mode: one lookup in a map of verdicts finds a Service (`service-ips`,
//! `service-nodeports`), a chain for each Service chooses an endpoint by a random number, and one for each endpoint
//! translates. Needs the kernel's `vmap` by concatenated keys, and nft 1.0.1.

use super::{MASQUERADE_MARK, Protocol, ServicePort, Surroundings};
use std::fmt::Write as _;

/// Elements that are added by one command.
const TOGETHER: usize = 500;

/// The table without Services; replaces one that is there in the same transaction. The maps of Services without
/// endpoints and of source ranges are there and empty, and are looked up in.
const BASE: &str = "\
add table ip kube-proxy
delete table ip kube-proxy
add table ip kube-proxy
add set ip kube-proxy cluster-ips { type ipv4_addr ; }
add set ip kube-proxy nodeport-ips { type ipv4_addr ; }
add map ip kube-proxy firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict ; }
add map ip kube-proxy no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict ; }
add map ip kube-proxy no-endpoint-nodeports { type inet_proto . inet_service : verdict ; }
add map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; }
add map ip kube-proxy service-nodeports { type inet_proto . inet_service : verdict ; }
add chain ip kube-proxy filter-prerouting-pre-dnat { type filter hook prerouting priority -110 ; }
add chain ip kube-proxy filter-output-pre-dnat { type filter hook output priority -110 ; }
add chain ip kube-proxy filter-input { type filter hook input priority 0 ; }
add chain ip kube-proxy filter-forward { type filter hook forward priority 0 ; }
add chain ip kube-proxy filter-output { type filter hook output priority 0 ; }
add chain ip kube-proxy nat-prerouting { type nat hook prerouting priority -100 ; }
add chain ip kube-proxy nat-output { type nat hook output priority -100 ; }
add chain ip kube-proxy nat-postrouting { type nat hook postrouting priority 100 ; }
add chain ip kube-proxy cluster-ips-check
add chain ip kube-proxy firewall-check
add chain ip kube-proxy mark-for-masquerade
add chain ip kube-proxy masquerading
add chain ip kube-proxy nodeport-endpoints-check
add chain ip kube-proxy service-endpoints-check
add chain ip kube-proxy services
add rule ip kube-proxy filter-prerouting-pre-dnat ct state new jump firewall-check
add rule ip kube-proxy filter-output-pre-dnat ct state new jump firewall-check
add rule ip kube-proxy filter-input ct state new jump nodeport-endpoints-check
add rule ip kube-proxy filter-input ct state new jump service-endpoints-check
add rule ip kube-proxy filter-forward ct state new jump service-endpoints-check
add rule ip kube-proxy filter-forward ct state new jump cluster-ips-check
add rule ip kube-proxy filter-output ct state new jump service-endpoints-check
add rule ip kube-proxy filter-output ct state new jump cluster-ips-check
add rule ip kube-proxy firewall-check ip daddr . meta l4proto . th dport vmap @firewall-ips
add rule ip kube-proxy service-endpoints-check ip daddr . meta l4proto . th dport vmap @no-endpoint-services
add rule ip kube-proxy nodeport-endpoints-check ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
add rule ip kube-proxy nat-prerouting jump services
add rule ip kube-proxy nat-output jump services
add rule ip kube-proxy nat-postrouting jump masquerading
add rule ip kube-proxy services ip daddr . meta l4proto . th dport vmap @service-ips
add rule ip kube-proxy services ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
add rule ip kube-proxy cluster-ips-check ip daddr @cluster-ips reject
";

/// What `nft --file` takes.
pub(in super::super) fn write(surroundings: &Surroundings, ports: &[ServicePort]) -> String {
    let Surroundings { services, node, .. } = surroundings;
    let mark = format!("{MASQUERADE_MARK:#x}");
    let mut text = String::from(BASE);
    rule(&mut text, "cluster-ips-check", &format!("ip daddr {{ {services} }} drop"));
    rule(&mut text, "mark-for-masquerade", &format!("mark set mark or {mark}"));
    rule(&mut text, "masquerading", &format!("mark and {mark} == 0 return"));
    rule(&mut text, "masquerading", &format!("mark set mark xor {mark}"));
    rule(&mut text, "masquerading", "masquerade fully-random");
    for (number, port) in ports.iter().enumerate() {
        chains(&mut text, surroundings, number, port);
    }
    let addresses = ports.iter().map(|port| port.cluster_ip.to_string());
    let mut addresses: Vec<String> = addresses.collect();
    addresses.dedup();
    elements(&mut text, "cluster-ips", &addresses);
    elements(&mut text, "nodeport-ips", &[node.to_string()]);
    let all = || ports.iter().enumerate();
    let by_address = all().map(|(number, port)| {
        let ServicePort { protocol, cluster_ip, port: dport, .. } = port;
        format!("{cluster_ip} . {protocol} . {dport} : goto {}", service(number, port))
    });
    elements(&mut text, "service-ips", &by_address.collect::<Vec<_>>());
    let by_node_port = all().filter_map(|(number, port)| {
        let node_port = port.node_port?;
        Some(format!("{} . {node_port} : goto {}", port.protocol, external(number, port)))
    });
    elements(&mut text, "service-nodeports", &by_node_port.collect::<Vec<_>>());
    text
}

fn chains(text: &mut String, surroundings: &Surroundings, number: usize, port: &ServicePort) {
    let service = service(number, port);
    let all = || port.endpoints.iter().enumerate();
    for (index, address) in all() {
        let chain = endpoint(number, index, port);
        self::chain(text, &chain);
        rule(text, &chain, &format!("ip saddr {} jump mark-for-masquerade", address.ip()));
        rule(text, &chain, &format!("meta l4proto {} dnat to {address}", port.protocol));
    }
    chain(text, &service);
    let ServicePort { cluster_ip, .. } = port;
    let from_elsewhere = format!("ip daddr {cluster_ip} ip saddr != {}", surroundings.pods);
    rule(text, &service, &format!("{from_elsewhere} jump mark-for-masquerade"));
    let choices =
        all().map(|(index, _)| format!("{index} : goto {}", endpoint(number, index, port)));
    let choices = choices.collect::<Vec<_>>().join(" , ");
    let count = port.endpoints.len();
    rule(text, &service, &format!("numgen random mod {count} vmap {{ {choices} }}"));
    if port.node_port.is_some() {
        let external = external(number, port);
        chain(text, &external);
        rule(text, &external, "jump mark-for-masquerade");
        rule(text, &external, &format!("goto {service}"));
    }
}

fn service(number: usize, port: &ServicePort) -> String {
    format!("service-{number:08X}-{}", place(port))
}

fn external(number: usize, port: &ServicePort) -> String {
    format!("external-{number:08X}-{}", place(port))
}

fn endpoint(number: usize, index: usize, port: &ServicePort) -> String {
    let address = port.endpoints[index];
    format!("endpoint-{number:04X}{index:04X}-{}__{}/{}", place(port), address.ip(), address.port())
}

/// `namespace/service/protocol/port`, as chains are named.
fn place(port: &ServicePort) -> String {
    let protocol: Protocol = port.protocol;
    match port.name.split_once(':') {
        Some((service, name)) => format!("{service}/{protocol}/{name}"),
        None => format!("{}/{protocol}/", port.name),
    }
}

fn chain(text: &mut String, name: &str) {
    writeln!(text, "add chain ip kube-proxy {name}").expect("a string takes everything");
}

fn rule(text: &mut String, chain: &str, words: &str) {
    writeln!(text, "add rule ip kube-proxy {chain} {words}").expect("a string takes everything");
}

fn elements(text: &mut String, set: &str, elements: &[String]) {
    for some in elements.chunks(TOGETHER) {
        let some = some.join(", ");
        writeln!(text, "add element ip kube-proxy {set} {{ {some} }}")
            .expect("a string takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{SURROUNDINGS, ports};
    use super::*;

    fn rules_of(chain: &str) -> Vec<String> {
        let text = write(&SURROUNDINGS, &ports());
        let start = format!("add rule ip kube-proxy {chain} ");
        text.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    }

    #[test]
    fn one_lookup_finds_a_service_however_many_there_are() {
        let services = rules_of("services");
        assert_eq!(services.len(), 2);
        let text = write(&SURROUNDINGS, &ports());
        let element = "add element ip kube-proxy service-ips { \
                       10.96.0.7 . tcp . 80 : goto service-00000000-default/web/tcp/http, \
                       10.96.0.8 . udp . 53 : goto service-00000001-default/dns/udp/udp }";
        assert!(text.lines().any(|line| line == element), "{text}");
        assert_eq!(
            rules_of("service-00000000-default/web/tcp/http"),
            [
                "ip daddr 10.96.0.7 ip saddr != 198.19.0.0/16 jump mark-for-masquerade",
                "numgen random mod 2 vmap { 0 : goto endpoint-00000000-default/web/tcp/http__10.1.0.1/8080 , \
                 1 : goto endpoint-00000001-default/web/tcp/http__10.1.0.2/8080 }",
            ]
        );
    }

    #[test]
    fn an_endpoint_translates_and_masquerades_what_it_sends_itself() {
        assert_eq!(
            rules_of("endpoint-00010000-default/dns/udp/udp__10.1.0.3/5353"),
            [
                "ip saddr 10.1.0.3 jump mark-for-masquerade",
                "meta l4proto udp dnat to 10.1.0.3:5353"
            ]
        );
    }

    #[test]
    fn node_ports_are_of_the_nodes_address_and_masquerade() {
        let text = write(&SURROUNDINGS, &ports());
        for line in [
            "add element ip kube-proxy nodeport-ips { 198.18.0.62 }",
            "add element ip kube-proxy service-nodeports { udp . 30053 : goto \
             external-00000001-default/dns/udp/udp }",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}");
        }
        assert_eq!(
            rules_of("external-00000001-default/dns/udp/udp"),
            ["jump mark-for-masquerade", "goto service-00000001-default/dns/udp/udp"]
        );
    }

    #[test]
    fn what_is_led_to_is_there_before_it_is_named() {
        let text = write(&SURROUNDINGS, &ports());
        let mut there = Vec::new();
        for line in text.lines() {
            if let Some(chain) = line.strip_prefix("add chain ip kube-proxy ") {
                there.push(chain.split(' ').next().unwrap());
            }
            let words: Vec<&str> = line.split([' ', ',']).collect();
            let named = words.windows(2).filter(|pair| ["goto", "jump"].contains(&pair[0]));
            for pair in named {
                assert!(there.contains(&pair[1]), "{line}");
            }
        }
    }
}
