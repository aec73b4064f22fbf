//! How long a change of endpoints takes until names lead by it: seen from outside, and by the agent's figures.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::{dns, http, wait};

const CHANGES: u8 = 100;
/// For the whole way: the API server, the agent, and a machine that has other things to do now and then.
const P50_MAX: Duration = Duration::from_millis(20);
const P99_MAX: Duration = Duration::from_millis(250);
/// Where the agent tells its own figures.
const AGENT: ([u8; 4], u16) = ([127, 0, 0, 1], 10256);
const LIMIT: Duration = Duration::from_secs(60);
const NAME: &str = "by-hand.default.svc.cluster.local";
const SLICE: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/by-hand-4";

const BY_HAND: &str = "
apiVersion: v1
kind: Service
metadata: {name: by-hand}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: by-hand-4, labels: {kubernetes.io/service-name: by-hand}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.99.200]}]
";

/// The API by plain HTTP: a kubectl for each change would take longer than the change.
struct Proxy {
    address: SocketAddr,
    process: Child,
}

impl Proxy {
    fn start(cluster: &Cluster) -> Self {
        let mut command = cluster.kubectl_command();
        command.args(["proxy", "--port=0"]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("kubectl is there");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().rsplit(' ').next().and_then(|address| address.parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("it serves nowhere: {line:?}")), process }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Changes that have arrived at the agent, and those of them that were in the answers within 20 ms.
fn told() -> [f64; 2] {
    let text = http::get(AGENT.into(), "/metrics").expect("the agent runs");
    ["_count ", "_bucket{le=\"0.02\"} "].map(|part| {
        let name = format!("sheave_dns_update_duration_seconds{part}");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
    })
}

#[test]
fn a_change_of_endpoints_is_in_the_next_answers() {
    let cluster = Cluster::start();
    cluster.apply(BY_HAND);
    let proxy = Proxy::start(&cluster);
    let leads_to = |id, address: [u8; 4]| dns::resolve(id, NAME) == Ok(Ipv4Addr::from(address));
    wait::until_true("the name to lead there", LIMIT, || leads_to(0, [10, 244, 99, 200]));

    let before = told();
    let (mut since_sent, mut since_stored) = (Vec::new(), Vec::new());
    for last in 1..=CHANGES {
        let patch = format!(r#"{{"endpoints": [{{"addresses": ["10.244.99.{last}"]}}]}}"#);
        let sent = Instant::now();
        http::patch(proxy.address, SLICE, &patch).expect("the server takes it");
        let stored = Instant::now();
        while !leads_to(last.into(), [10, 244, 99, last]) {
            assert!(stored.elapsed() < LIMIT, "change {last} is in no answer");
            std::thread::sleep(Duration::from_micros(500));
        }
        since_sent.push(sent.elapsed());
        since_stored.push(stored.elapsed());
    }
    for (what, times) in [("was sent", &mut since_sent), ("was stored", &mut since_stored)] {
        times.sort_unstable();
        let [p50, p99, max] = [49, 98, 99].map(|index| times[index]);
        println!("in the answers after it {what}: p50 {p50:?}, p99 {p99:?}, max {max:?}");
    }
    assert!(since_sent[49] < P50_MAX && since_sent[98] < P99_MAX, "{since_sent:?}");

    let [changes, soon] = [0, 1].map(|part| told()[part] - before[part]);
    println!(
        "by the agent's own figures {soon} of {changes} changes within 20 ms of their arrival"
    );
    // The others are those during which the machine did something else.
    assert!(changes >= f64::from(CHANGES) && soon >= changes * 0.9, "{soon} of {changes}");
}
