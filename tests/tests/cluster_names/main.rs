//! Names in a cluster of both families, asked by the resolvers that programs bring along: glibc's, musl's,
//! busybox's, and dig. They run in pods, with the resolv.conf that pods have.

mod lookups;
mod policies;
mod records;
mod resolvers;
mod upstream;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use records::{Addresses, HERE, MANY};
use resolvers::{Answer, Resolver, Response, dig};
use sheave_tests::cluster::{Cluster, Settings};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::wait;
use upstream::Upstream;

const LIMIT: Duration = Duration::from_secs(60);

/// With glibc and musl, and with busybox.
const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: libc}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: libc, image: 'sheave.local/resolvers:1'}]
---
apiVersion: v1
kind: Pod
metadata: {name: box}
spec: {containers: [{name: box, image: 'sheave.local/hello:1'}]}
";

/// The family that Services have by default, and so the DNS server.
#[derive(Clone, Copy, Debug)]
enum Family {
    V4,
    V6,
}

/// A cluster of both families, with pods that ask.
fn start(first: Family, upstream: &Upstream) -> Cluster {
    let (services, pods) = match first {
        Family::V4 => ("10.96.0.0/16,fd00:96::/112", "10.244.0.0/16,fd00:244::/56"),
        Family::V6 => ("fd00:96::/112,10.96.0.0/16", "fd00:244::/56,10.244.0.0/16"),
    };
    let node_ip = |address| format!("--node-ip={address}");
    let node_ips = [own_address(Family::V4), own_address(Family::V6)];
    let arguments =
        upstream.arguments().into_iter().chain(node_ips.into_iter().flatten().map(node_ip));
    let cluster = Cluster::start_with(Settings {
        variables: vec![("SHEAVE_SERVICE_CIDR", services), ("SHEAVE_POD_CIDR", pods)],
        arguments: arguments.collect(),
        images: "names",
    });
    cluster.apply(PODS);
    cluster.wait_pod_ready("libc");
    cluster.wait_pod_ready("box");
    cluster
}

/// This machine's, towards others; nothing is sent.
fn own_address(family: Family) -> Option<IpAddr> {
    // Reserved for documentation (RFC 5737, RFC 3849): only the default route leads there.
    let (any, outside) = match family {
        Family::V4 => ("0.0.0.0:0", "192.0.2.1:9"),
        Family::V6 => ("[::]:0", "[2001:db8::1]:9"),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(outside).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Asks until nothing is amiss any more: what is applied takes a moment to arrive.
fn all_right(what: &str, amiss: impl FnMut() -> Vec<String>) {
    wait::until(&format!("{what} to be right"), LIMIT, amiss, Vec::is_empty);
}

/// What differs, a line each.
fn difference<T: PartialEq + Debug>(question: &str, seen: &T, expected: &T) -> Option<String> {
    (seen != expected).then(|| format!("{question}: {seen:?}, and not {expected:?}"))
}

#[test]
fn every_name_is_answered_to_every_resolver() {
    let upstream = Upstream::start();
    let cluster = start(Family::V4, &upstream);
    check(&cluster, &records::apply(&cluster));
    too_many_for_a_datagram(&cluster);
    policies::check(&cluster);
    lookups::check(&cluster);
}

#[test]
fn every_name_is_answered_over_ipv6() {
    if own_address(Family::V6).is_none() {
        println!(
            "SKIPPED: questions over IPv6: this machine has no address of IPv6 that leads out"
        );
        return;
    }
    let upstream = Upstream::start();
    let cluster = start(Family::V6, &upstream);
    let servers = policies::servers(&resolvers::run(&cluster, "libc", "cat /etc/resolv.conf").text);
    assert_eq!(servers, ["fd00:96::a", "10.96.0.10"]);
    check(&cluster, &records::apply(&cluster));
    too_many_for_a_datagram(&cluster);
}

fn check(cluster: &Cluster, addresses: &Addresses) {
    let names = addresses.of_names();
    for resolver in Resolver::ALL {
        let pod = if matches!(resolver, Resolver::Busybox) { "box" } else { "libc" };
        let commands: Vec<String> = names.iter().map(|(name, _)| resolver.command(name)).collect();
        all_right(&format!("{resolver:?}"), || {
            let printed = resolvers::run_all(cluster, pod, &commands);
            let rows = names.iter().zip(&printed);
            let differ = rows.filter_map(|((name, leads_to), printed)| {
                let expected = resolver.expected(leads_to.as_deref());
                difference(name, &resolver.read(printed), &expected)
            });
            differ.collect()
        });
    }
    dig_asks_for_addresses(cluster, &names);
    dig_asks_for_records(cluster, addresses);
    addresses_are_named(cluster, addresses);
}

/// dig tells a name without an address from one that is not there, and sees who says so.
fn dig_asks_for_addresses(cluster: &Cluster, names: &[(String, Option<Vec<IpAddr>>)]) {
    let questions: Vec<(String, &Option<Vec<IpAddr>>, bool)> = names
        .iter()
        .flat_map(|(name, leads_to)| {
            [("A", true), ("AAAA", false)]
                .map(|(word, is_v4)| (format!("{name} {word}"), leads_to, is_v4))
        })
        .collect();
    let commands: Vec<String> = questions.iter().map(|(words, ..)| dig(words)).collect();
    all_right("what dig is told of addresses", || {
        let printed = resolvers::run_all(cluster, "libc", &commands);
        let rows = questions.iter().zip(&printed);
        let differ = rows.filter_map(|((words, leads_to, is_v4), printed)| {
            let mut response = Response::read(printed);
            response.answers.retain(|record| !record.starts_with("CNAME"));
            let word = if *is_v4 { "A" } else { "AAAA" };
            let records = |addresses: &Vec<IpAddr>| {
                let of_family = addresses.iter().filter(|address| address.is_ipv4() == *is_v4);
                of_family.map(|address| format!("{word} {address}")).collect::<BTreeSet<_>>()
            };
            let expected = match leads_to.as_ref().map(records) {
                None => "no such name".to_owned(),
                Some(records) if records.is_empty() => "nothing".to_owned(),
                Some(records) => records.into_iter().collect::<Vec<_>>().join(", "),
            };
            let differs = difference(words, &response.in_short(), &expected);
            differs.or_else(|| flaw(words, &response, printed))
        });
        differ.collect()
    });
}

/// What is wrong with a response whatever it says.
fn flaw(words: &str, response: &Response, printed: &resolvers::Printed) -> Option<String> {
    let is_ours = words.contains("cluster.local") || words.starts_with("-x");
    let leads_out = words.starts_with("outside.");
    let has_soa = response.authorities.iter().any(|record| record.starts_with("SOA"));
    let is_sound = response.warnings.is_empty()
        && (!is_ours || leads_out || response.is_authoritative)
        // By it resolvers remember that there is nothing (RFC 2308).
        && (!is_ours || leads_out || has_soa == response.answers.is_empty());
    (!is_sound).then(|| format!("{words}: {}", printed.text))
}

fn dig_asks_for_records(cluster: &Cluster, addresses: &Addresses) {
    let rows = addresses.of_records();
    let commands: Vec<String> = rows.iter().map(|(words, _)| dig(words)).collect();
    all_right("what dig is told of records", || {
        let printed = resolvers::run_all(cluster, "libc", &commands);
        let differ = rows.iter().zip(&printed).filter_map(|((words, expected), printed)| {
            let response = Response::read(printed);
            let differs = difference(words, &response.in_short(), expected);
            differs.or_else(|| flaw(words, &response, printed))
        });
        differ.collect()
    });
    for (words, expected) in addresses.of_targets() {
        let response = Response::read(&resolvers::run(cluster, "libc", &dig(&words)));
        assert_eq!(response.additionals, expected, "{words}");
    }
    let response = Response::read(&resolvers::run(cluster, "libc", &dig("cluster.local SOA")));
    let [soa] = response.answers.as_slice() else { panic!("{response:?}") };
    let begins = "SOA ns.dns.cluster.local. hostmaster.cluster.local. ";
    assert!(soa.starts_with(begins) && soa.ends_with(" 7200 1800 86400 5"), "{soa}");
}

/// Addresses lead back to names, asked for by gethostbyaddr and getnameinfo.
fn addresses_are_named(cluster: &Cluster, addresses: &Addresses) {
    for (address, name) in addresses.named() {
        let glibc = resolvers::run(cluster, "libc", &format!("getent hosts {address}"));
        assert!(glibc.text.trim_end().ends_with(&format!(" {name}")), "{address}: {glibc:?}");
        let musl = resolvers::run(cluster, "libc", &format!("musl-resolve name {address}"));
        assert_eq!(musl.text.trim(), name, "{address}");
        let busybox = resolvers::run(cluster, "box", &format!("nslookup {address}"));
        assert!(busybox.text.contains(&format!("name = {name}")), "{address}: {busybox:?}");
    }
    let names = [
        (format!("-type=srv _http._tcp.web.{HERE}"), format!("0 1 80 web.{HERE}")),
        ("-type=txt dns-version.cluster.local".into(), "1.1.0".into()),
        ("-type=ns cluster.local".into(), "ns.dns.cluster.local".into()),
        ("-type=soa cluster.local".into(), "hostmaster.cluster.local".into()),
        (format!("-type=cname alias.{HERE}"), format!("web.{HERE}")),
    ];
    for (words, expected) in names {
        let busybox = resolvers::run(cluster, "box", &format!("nslookup {words}"));
        assert!(busybox.text.contains(&expected), "{words}: {busybox:?}");
    }
}

/// glibc and dig ask again by TCP. musl does so from 1.2.4 on, and keeps 48 addresses at most; busybox takes
/// what has come.
fn too_many_for_a_datagram(cluster: &Cluster) {
    let name = format!("many.{HERE}");
    let count = |resolver: Resolver| {
        let pod = if matches!(resolver, Resolver::Busybox) { "box" } else { "libc" };
        match resolver.read(&resolvers::run(cluster, pod, &resolver.command(&name))) {
            Answer::Addresses(addresses) => addresses.len(),
            other => panic!("{resolver:?}: {other:?}"),
        }
    };
    for resolver in [Resolver::GlibcV4, Resolver::Glibc] {
        assert_eq!(count(resolver), usize::from(MANY), "{resolver:?}");
    }
    for resolver in [Resolver::MuslV4, Resolver::Musl, Resolver::Busybox] {
        let seen = count(resolver);
        assert!((20..=usize::from(MANY)).contains(&seen), "{resolver:?}: {seen}");
    }
    let all = Response::read(&resolvers::run(cluster, "libc", &dig(&name)));
    assert_eq!(all.answers.len(), usize::from(MANY));
    let some = Response::read(&resolvers::run(cluster, "libc", &dig(&format!("+ignore {name}"))));
    assert!((20..usize::from(MANY)).contains(&some.answers.len()), "{}", some.answers.len());
}
