//! Objects that have every kind of name, and what each name leads to.

use std::collections::BTreeSet;
use std::net::IpAddr;

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;

/// Names of the default namespace.
pub(crate) const HERE: &str = "default.svc.cluster.local";
/// Addresses of the Service without a selector whose slice has too many for a datagram.
pub(crate) const MANY: u8 = 200;

/// Services of all kinds, and pods: `first` and `plain` are ready, `second` never is.
const MANIFEST: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: other}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 10.96.7.1
  clusterIPs: [10.96.7.1, 'fd00:96::701']
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: RequireDualStack
  ports:
  - {name: http, port: 80}
  - {name: dns, protocol: UDP, port: 53}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: other}
spec: {clusterIP: 10.96.7.2, ipFamilies: [IPv4], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: six}
spec: {clusterIP: 'fd00:96::703', ipFamilies: [IPv6], ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  ipFamilyPolicy: RequireDualStack
  selector: {app: db}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: early}
spec:
  clusterIP: None
  ipFamilyPolicy: RequireDualStack
  publishNotReadyAddresses: true
  selector: {app: db}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {clusterIP: None, selector: {app: nobody}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: by-hand}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: by-hand-6, labels: {kubernetes.io/service-name: by-hand}}
addressType: IPv6
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: ['2001:db8::61'], hostname: one}
- {addresses: ['2001:db8::62'], conditions: {ready: false}}
---
apiVersion: v1
kind: Service
metadata: {name: many}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: web.default.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: alias-of-none}
spec: {type: ExternalName, externalName: no.default.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: www.outside.test}
---
apiVersion: v1
kind: Pod
metadata: {name: first, labels: {app: db}}
spec:
  hostname: first
  subdomain: db
  containers: [{name: db, image: 'sheave.local/hello:1'}]
---
apiVersion: v1
kind: Pod
metadata: {name: second, labels: {app: db}}
spec:
  hostname: second
  subdomain: early
  containers:
  - {name: db, image: 'sheave.local/hello:1', readinessProbe: {exec: {command: ['false']}}}
---
apiVersion: v1
kind: Pod
metadata: {name: plain, labels: {app: db}}
spec:
  containers: [{name: db, image: 'sheave.local/hello:1'}]
";

const WEB: [&str; 2] = ["10.96.7.1", "fd00:96::701"];

/// What the API knows after [`apply`].
pub(crate) struct Addresses {
    web: Vec<IpAddr>,
    first: Vec<IpAddr>,
    second: Vec<IpAddr>,
    plain: Vec<IpAddr>,
    kubernetes: Vec<IpAddr>,
    dns: Vec<IpAddr>,
}

/// Makes the objects, and waits until they are what the tables say.
pub(crate) fn apply(cluster: &Cluster) -> Addresses {
    cluster.apply(MANIFEST);
    cluster.apply(&many());
    for pod in ["first", "plain"] {
        cluster.wait_pod_ready(pod);
    }
    cluster.wait_value(&["pod", "second"], "{.status.phase}", "Running");
    let service = |words: &[&str]| {
        parse(&cluster.value(&[&["service"], words].concat(), "{.spec.clusterIPs[*]}"))
    };
    let pod = |name| parse(&cluster.value(&["pod", name], "{.status.podIPs[*].ip}"));
    Addresses {
        web: parse(&WEB.join(" ")),
        first: pod("first"),
        second: pod("second"),
        plain: pod("plain"),
        kubernetes: service(&["kubernetes"]),
        dns: service(&["kube-dns", "--namespace=kube-system"]),
    }
}

fn parse(addresses: &str) -> Vec<IpAddr> {
    addresses.split(' ').map(|address| address.parse().expect("an address")).collect()
}

/// A slice that nothing but a connection has room for.
fn many() -> String {
    let endpoints = (1..=MANY).map(|last| format!("- {{addresses: [10.244.99.{last}]}}\n"));
    let endpoints: String = endpoints.collect();
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: many-4, labels: {{kubernetes.io/service-name: many}}}}\n\
         addressType: IPv4\nports: [{{name: http, port: 8080}}]\nendpoints:\n{endpoints}"
    )
}

/// A label such as `10-244-0-5` or `fd00-244--5`.
fn dashed(address: IpAddr) -> String {
    address.to_string().replace(['.', ':'], "-")
}

fn v4(addresses: &[IpAddr]) -> IpAddr {
    *addresses.iter().find(|address| address.is_ipv4()).expect("the cluster has both families")
}

fn v6(addresses: &[IpAddr]) -> IpAddr {
    *addresses.iter().find(|address| address.is_ipv6()).expect("the cluster has both families")
}

impl Addresses {
    /// Names and the addresses they lead to, maybe none; nothing for a name that is not there.
    pub(crate) fn of_names(&self) -> Vec<(String, Option<Vec<IpAddr>>)> {
        let Self { web, first, second, plain, kubernetes, dns } = self;
        let outside = || parse("192.0.2.7 2001:db8::7");
        let row = |name: &str, addresses: &[IpAddr]| (name.to_owned(), Some(addresses.to_vec()));
        let none = |name: String| (name, None);
        let here = |name: &str| format!("{name}.{HERE}");
        vec![
            row(&here("kubernetes"), kubernetes),
            row(&here("web"), web),
            row("web.other.svc.cluster.local", &parse("10.96.7.2")),
            row(&here("six"), &parse("fd00:96::703")),
            // Headless: who is ready, or all where that is wanted.
            row(&here("db"), &[&first[..], plain].concat()),
            row(&here("early"), &[&first[..], second, plain].concat()),
            none(here("nobody")),
            row(&here("by-hand"), &parse("2001:db8::61")),
            // Endpoints: by their hostname, and by their address when they have none.
            row(&here("first.db"), first),
            // A pod has a hostname in the Service that is its subdomain.
            none(here("first.early")),
            row(&here(&format!("{}.early", dashed(v4(first)))), &[v4(first)]),
            row(&here("second.early"), second),
            none(here("second.db")),
            row(&here(&format!("{}.db", dashed(v4(plain)))), &[v4(plain)]),
            row(&here(&format!("{}.db", dashed(v6(plain)))), &[v6(plain)]),
            none(here(&format!("{}.db", dashed(v4(first))))),
            row(&here("one.by-hand"), &parse("2001:db8::61")),
            // Names that lead to names.
            row(&here("alias"), web),
            none(here("alias-of-none")),
            row(&here("outside"), &outside()),
            row("www.outside.test", &outside()),
            none("no.outside.test".into()),
            // Pods.
            row(&format!("{}.default.pod.cluster.local", dashed(v4(first))), &[v4(first)]),
            row(&format!("{}.default.pod.cluster.local", dashed(v6(first))), &[v6(first)]),
            none("192-0-2-1.default.pod.cluster.local".into()),
            // The server itself, names on the way to others, and none.
            row("ns.dns.cluster.local", dns),
            row(HERE, &[]),
            row("svc.cluster.local", &[]),
            row("cluster.local", &[]),
            none(here("no")),
            none(here("no.web")),
            none("web.no.svc.cluster.local".into()),
        ]
    }

    /// Questions of other types, as dig is asked them, and the answers in short.
    pub(crate) fn of_records(&self) -> Vec<(String, String)> {
        let Self { first, second, plain, .. } = self;
        let [web_v4, web_v6] = WEB;
        let hosts = |hosts: &[&str]| -> String {
            let to = |host: &&str| format!("SRV 0 1 8080 {host}.{HERE}.");
            hosts.iter().map(to).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
        };
        let of_plain = [v4(plain), v6(plain)].map(|address| format!("{}.db", dashed(address)));
        let reverse = |hosts: [&str; 2]| hosts.map(|host| format!("PTR {host}.{HERE}.")).join(", ");
        let reverse_first = |address| reverse([&format!("{}.early", dashed(address)), "first.db"]);
        let to_web = format!("PTR web.{HERE}.");
        let row = |question: String, answer: &str| (question, answer.to_owned());
        vec![
            row(format!("_http._tcp.web.{HERE} SRV"), &format!("SRV 0 1 80 web.{HERE}.")),
            row(format!("_dns._udp.web.{HERE} SRV"), &format!("SRV 0 1 53 web.{HERE}.")),
            row(format!("_dns._tcp.web.{HERE} SRV"), "no such name"),
            row(format!("_http._tcp.web.{HERE} A"), "nothing"),
            row(format!("_tcp.web.{HERE} SRV"), "nothing"),
            row(
                format!("_http._tcp.db.{HERE} SRV"),
                &hosts(&["first.db", &of_plain[0], &of_plain[1]]),
            ),
            row(format!("_http._tcp.by-hand.{HERE} SRV"), &hosts(&["one.by-hand"])),
            row(format!("_http._tcp.nobody.{HERE} SRV"), "no such name"),
            row(format!("-x {web_v4}"), &to_web),
            row(format!("-x {web_v6}"), &to_web),
            row(format!("-x {}", v4(first)), &reverse_first(v4(first))),
            row(format!("-x {}", v6(first)), &reverse_first(v6(first))),
            row(format!("-x {}", v4(second)), &format!("PTR second.early.{HERE}.")),
            row(
                format!("-x {}", v6(plain)),
                &reverse([&of_plain[1], &of_plain[1].replace(".db", ".early")]),
            ),
            row("-x 2001:db8::61".into(), &format!("PTR one.by-hand.{HERE}.")),
            row("-x 10.96.7.77".into(), "no such name"),
            row("-x fd00:96::777".into(), "no such name"),
            row(format!("alias.{HERE} CNAME"), &format!("CNAME web.{HERE}.")),
            row(format!("outside.{HERE} CNAME"), "CNAME www.outside.test."),
            row("www.outside.test TXT".into(), "TXT \"somewhere\""),
            row("dns-version.cluster.local TXT".into(), "TXT \"1.1.0\""),
            row("cluster.local NS".into(), "NS ns.dns.cluster.local."),
            row(format!("web.{HERE} MX"), "nothing"),
            row(format!("web.{HERE} SOA"), "nothing"),
            row(format!("no.{HERE} MX"), "no such name"),
            // RFC 8482.
            row(format!("web.{HERE} ANY"), "HINFO \"RFC8482\" \"\""),
        ]
    }

    /// What a response to a question for SRV brings along.
    pub(crate) fn of_targets(&self) -> Vec<(String, Vec<String>)> {
        let records = |addresses: &[IpAddr]| {
            let record = |a: &IpAddr| format!("{} {a}", if a.is_ipv4() { "A" } else { "AAAA" });
            addresses.iter().map(record).collect::<BTreeSet<_>>().into_iter().collect()
        };
        vec![
            (format!("_http._tcp.web.{HERE} SRV"), records(&self.web)),
            (
                format!("_http._tcp.db.{HERE} SRV"),
                records(&[&self.first[..], &self.plain].concat()),
            ),
        ]
    }

    /// Addresses that have one name.
    pub(crate) fn named(&self) -> Vec<(IpAddr, String)> {
        let web = self.web.iter().map(|address| (*address, format!("web.{HERE}")));
        let second = self.second.iter().map(|address| (*address, format!("second.early.{HERE}")));
        web.chain(second).collect()
    }
}
