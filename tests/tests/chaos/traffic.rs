//! The traffic under which everything happens, from each kind of client, and what must have become of it.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sheave_tests::connections::{Failure, Job, Report, Tally};
use sheave_tests::iperf::{self, Outcome, Streams};
use sheave_tests::lab::{Lab, Sockets};
use sheave_tests::netns::Netns;

use crate::services::{PACKET_CLIENT, SOCKET_CLIENT, SOMETIMES_CLIENT, STREAM_SERVER};

/// New connections a second to each of the nine targets: two thousand in all.
const RATE: u32 = 223;
/// Attempts a second, from each kind of client, to a service without endpoints.
const RATE_OF_REFUSED: u32 = 5;
/// Likewise, to one that has endpoints at times, by each protocol.
const RATE_OF_SOMETIMES: u32 = 50;
/// Nothing takes as long as this but what hangs.
const PATIENCE_MS: u64 = 3000;
/// "At once": a refusal that takes longer was a wait for the user.
const REFUSED_WITHIN_MS: u64 = 900;
/// Until all of it runs.
const WARM_UP: Duration = Duration::from_secs(1);

/// Traffic that runs.
pub(crate) struct Traffic {
    clients: Vec<Client>,
    streams: Vec<Streams>,
    servers: Vec<Child>,
    began: Instant,
}

/// What became of it.
pub(crate) struct Outcomes {
    reports: Vec<(String, Expected, Report)>,
    streams: Vec<Outcome>,
    seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    /// There is a live backend at any time.
    Served,
    /// There is none, ever.
    Refused,
    /// Either, from one moment to the next.
    Sometimes,
}

struct Client {
    name: String,
    expected: Expected,
    process: Child,
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Traffic {
    /// Starts all of it, and returns when it has been running for a moment. The long streams last
    /// `length`.
    pub(crate) fn start(lab: &Lab, length: Duration) -> Self {
        let mut traffic =
            Self { clients: vec![], streams: vec![], servers: vec![], began: Instant::now() };
        traffic.start_streams(lab, length + 2 * WARM_UP);
        let (by_sockets, by_packets) = (&lab.pods[&SOCKET_CLIENT], &lab.pods[&PACKET_CLIENT]);
        let inside = |unconnected: bool| Job {
            tcp: vec![address("10.96.0.1:80")],
            udp: vec![address("10.96.0.1:53")],
            udp_unconnected: unconnected.then(|| address("10.96.0.1:53")).into_iter().collect(),
            held: vec![address("10.96.0.1:7")],
            ..job()
        };
        let outside = Job {
            tcp: vec![address("192.0.2.1:30080")],
            udp: vec![address("192.0.2.1:30053")],
            held: vec![address("192.0.2.1:30007")],
            from: Lab::outside_addresses(),
            ..job()
        };
        let none_inside = address("10.96.0.9:80");
        let none_outside = address("192.0.2.1:30099");
        for (name, netns, sockets, job, none) in [
            ("pod, sockets", by_sockets, Sockets::Translated, inside(true), none_inside),
            ("pod, packets", by_packets, Sockets::Untouched, inside(false), none_inside),
            ("host, sockets", &lab.node, Sockets::Translated, inside(false), none_inside),
            ("outside", &lab.outside, Sockets::Untouched, outside, none_outside),
        ] {
            let refused = Job { rate: RATE_OF_REFUSED, tcp: vec![none], ..Job::default() };
            let refused = Job { patience_ms: PATIENCE_MS, ..refused };
            traffic.start_client(lab, name, Expected::Served, netns, sockets, &job);
            traffic.start_client(lab, name, Expected::Refused, netns, sockets, &refused);
        }
        std::thread::sleep(WARM_UP);
        traffic
    }

    /// Also asks the service that has a backend at times only.
    pub(crate) fn ask_sometimes(&mut self, lab: &Lab) {
        let job = |tcp: &str, udp: &str| Job {
            rate: RATE_OF_SOMETIMES,
            tcp: vec![address(tcp)],
            udp: vec![address(udp)],
            patience_ms: PATIENCE_MS,
            ..Job::default()
        };
        let inside = job("10.96.0.8:80", "10.96.0.8:53");
        let outside = job("192.0.2.1:30098", "192.0.2.1:30098");
        let (by_sockets, by_packets) = (&lab.pods[&SOMETIMES_CLIENT], &lab.pods[&PACKET_CLIENT]);
        for (name, netns, sockets, job) in [
            ("pod, sockets", by_sockets, Sockets::Translated, &inside),
            ("pod, packets", by_packets, Sockets::Untouched, &inside),
            ("host, sockets", &lab.node, Sockets::Translated, &inside),
            ("outside", &lab.outside, Sockets::Untouched, &outside),
        ] {
            self.start_client(lab, name, Expected::Sometimes, netns, sockets, job);
        }
    }

    /// Also holds connections on which nothing is said for a long time.
    pub(crate) fn hold_quietly(&mut self, lab: &Lab, interval: Duration) {
        let job = |held: &str| Job {
            held: vec![address(held)],
            held_count: 50,
            held_interval_ms: interval.as_millis() as u64,
            patience_ms: PATIENCE_MS,
            ..Job::default()
        };
        let (inside, outside) = (job("10.96.0.1:7"), job("192.0.2.1:30007"));
        let pod = &lab.pods[&PACKET_CLIENT];
        for (name, netns, job) in
            [("pod, packets, quiet", pod, inside), ("outside, quiet", &lab.outside, outside)]
        {
            self.start_client(lab, name, Expected::Served, netns, Sockets::Untouched, &job);
        }
    }

    fn start_client(
        &mut self,
        lab: &Lab,
        name: &str,
        expected: Expected,
        netns: &Netns,
        sockets: Sockets,
        job: &Job,
    ) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_load-client"));
        command.arg(serde_json::to_string(job).unwrap());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let process = lab.spawn(netns, sockets, command);
        self.clients.push(Client { name: name.into(), expected, process });
    }

    /// Ten: four by sockets, three by packets, three from outside.
    fn start_streams(&mut self, lab: &Lab, length: Duration) {
        let server = &lab.pods[&STREAM_SERVER];
        for port in 5201..=5203 {
            self.servers.push(lab.spawn(server, Sockets::Untouched, iperf::server(port)));
        }
        std::thread::sleep(Duration::from_millis(200));
        let pods = (&lab.pods[&SOCKET_CLIENT], &lab.pods[&PACKET_CLIENT]);
        for (name, netns, sockets, address, port, count) in [
            ("pod, sockets", pods.0, Sockets::Translated, "10.96.0.11", 5201, 4),
            ("pod, packets", pods.1, Sockets::Untouched, "10.96.0.12", 5201, 3),
            ("outside", &lab.outside, Sockets::Untouched, "192.0.2.1", 30203, 3),
        ] {
            let command = iperf::client(address, port, count, length.as_secs());
            self.streams.push(Streams::new(name, lab.spawn(netns, sockets, command), count));
        }
    }

    /// Ends it, and says what became of it.
    pub(crate) fn finish(mut self) -> Outcomes {
        let seconds = self.began.elapsed().as_secs_f64();
        for client in &mut self.clients {
            drop(client.process.stdin.take());
        }
        let clients = self.clients.iter_mut().map(|client| {
            let mut text = String::new();
            client.process.stdout.take().unwrap().read_to_string(&mut text).unwrap();
            let report = serde_json::from_str(&text).unwrap();
            (client.name.clone(), client.expected, report)
        });
        let reports = clients.collect();
        let streams = self.streams.drain(..).map(Streams::finish).collect();
        Outcomes { reports, streams, seconds }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn job() -> Job {
    Job {
        rate: RATE,
        held_count: 10,
        held_interval_ms: 100,
        patience_ms: PATIENCE_MS,
        ..Job::default()
    }
}

impl Outcomes {
    /// Prints what came of it and asserts: with a live backend nothing was lost, and nothing was sent
    /// twice; without one, an error came at once.
    pub(crate) fn assert_nothing_lost(&self, scenario: &str) {
        let mut wrong = Vec::new();
        let (mut asked, mut refused) = (0, 0);
        println!("{scenario}: {:.0} s", self.seconds);
        for (name, expected, report) in &self.reports {
            for (target, tally) in &report.targets {
                let name = format!("{name}, {target}");
                print_tally(&name, tally);
                match expected {
                    Expected::Served => {
                        asked += tally.asked;
                        wrong.extend(faults_of_served(&name, tally, self.seconds));
                    }
                    Expected::Refused => {
                        refused += tally.asked;
                        wrong.extend(faults_of_refused(&name, tally));
                        if tally.answered != 0 {
                            wrong.push(format!("{name}: {} answered, by whom?", tally.answered));
                        }
                    }
                    Expected::Sometimes => {
                        refused += tally.failed;
                        wrong.extend(faults_of_refused(&name, tally));
                        if tally.answered == 0 {
                            wrong.push(format!("{name}: never answered"));
                        }
                    }
                }
            }
        }
        for streams in &self.streams {
            print_streams(streams);
            if streams.error.is_some() || !streams.silent.is_empty() {
                wrong.push(format!("streams from {}: {streams:?}", streams.name));
            }
        }
        println!("  {asked} exchanges with a live backend, {refused} attempts without one");
        assert!(wrong.is_empty(), "{scenario}:\n{}", wrong.join("\n"));
    }
}

fn print_tally(name: &str, tally: &Tally) {
    let Tally { asked, answered, failed, resent, slowest_us, .. } = tally;
    let (p50, p99) = (tally.quantile_us(0.5), tally.quantile_us(0.99));
    println!(
        "  {name:<44} {asked:>7} asked {answered:>7} answered {failed:>4} failed {resent:>4} resent, \
         p50 <= {p50} us, p99 <= {p99} us, slowest {slowest_us} us"
    );
}

fn print_streams(streams: &Outcome) {
    let Outcome { name, bytes, resent, .. } = streams;
    let megabytes = bytes.iter().sum::<u64>() as f64 / 1e6;
    println!(
        "  {:<44} {:>7} streams, {megabytes:.0} MB, sent again: {resent:?}",
        format!("{name}, long"),
        bytes.len()
    );
}

fn faults_of_served(name: &str, tally: &Tally, seconds: f64) -> Vec<String> {
    let mut faults = Vec::new();
    if tally.failed != 0 || tally.resent != 0 {
        let first: Vec<_> = tally.failures.iter().take(10).collect();
        let (failed, resent) = (tally.failed, tally.resent);
        faults.push(format!(
            "{name}: {failed} failed, {resent} with a segment sent again: {first:#?}"
        ));
    }
    let expected = if name.contains("held") { 0.0 } else { f64::from(RATE) * seconds * 0.8 };
    if (tally.asked as f64) < expected {
        faults.push(format!("{name}: {} is too few for {seconds:.1} s", tally.asked));
    }
    faults
}

fn faults_of_refused(name: &str, tally: &Tally) -> Vec<String> {
    let mut faults = Vec::new();
    if tally.failed == 0 {
        faults.push(format!("{name}: never refused, of {} times", tally.asked));
    }
    let not_at_once =
        |f: &&Failure| f.errno != libc::ECONNREFUSED || f.after_ms > REFUSED_WITHIN_MS;
    let waited: Vec<_> = tally.failures.iter().filter(not_at_once).take(10).collect();
    if !waited.is_empty() {
        faults.push(format!("{name}: not refused at once: {waited:#?}"));
    }
    faults
}
