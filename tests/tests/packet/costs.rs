//! What each kind of packet costs, by the kernel's own clock. As a test: each row goes the way that it is named for.
//! With `SHEAVE_COSTS`, a file, and `SHEAVE_COSTS_ROUNDS` each is also timed, for `cargo xtask bench packets`.
//!
//! Frames are run one at a time: a program changes its frame, and the kernel, told to repeat, would run it on what
//! became of it, which is another kind of packet.

use std::time::{Duration, Instant};

use sheave_abi::event::Event::{self, *};
use sheave_tests::node::DetachedNode;

use crate::frame::*;
use crate::net::Net;
use crate::routed::{PORT, machine, network_there, node_there};
use crate::{DROP, PASS, REDIRECT};

/// As XDP has them.
const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;
const XDP_TX: i32 = 3;

/// How long a row is run in a round.
const TIMED: Duration = Duration::from_millis(150);
/// Flows that are opened until all are forgotten: none is evicted for another.
const OPENED: u16 = 500;
/// Ports for those who are shown as the node: enough for [`OPENED`] at once.
const PORTS: std::ops::RangeInclusive<u16> = PORT..=65535;

/// One kind of packet.
struct Row {
    name: &'static str,
    program: &'static str,
    /// Run before, through the program named.
    before: Vec<(&'static str, Frame)>,
    /// One that is run again and again, or one for each of [`OPENED`] flows.
    frames: Vec<Vec<u8>>,
    verdict: i32,
    /// What counts for each.
    counted: &'static [Event],
}

fn row(
    name: &'static str,
    program: &'static str,
    frame: Frame,
    verdict: i32,
    counted: &'static [Event],
) -> Row {
    Row { name, program, before: vec![], frames: vec![frame.bytes()], verdict, counted }
}

/// A frame for each of many flows, by the client's port.
fn first(
    name: &'static str,
    program: &'static str,
    frame: impl Fn(u16) -> Frame,
    counted: &'static [Event],
) -> Row {
    let frames = (0..OPENED).map(|number| frame(20_000 + number).bytes()).collect();
    Row { name, program, before: vec![], frames, verdict: REDIRECT, counted }
}

impl Row {
    fn after<const N: usize>(mut self, before: [(&'static str, &Frame); N]) -> Self {
        self.before = before.map(|(program, frame)| (program, frame.clone())).to_vec();
        self
    }

    /// Leaves the state that its packets find.
    fn prepare(&self, node: &mut DetachedNode) {
        node.dataplane().forget_traffic().unwrap();
        // With one port to give, everybody knows which is given.
        let ports = if self.frames.len() > 1 { PORTS } else { PORT..=PORT };
        node.dataplane().set_network(&network_there(ports)).unwrap();
        for (program, frame) in &self.before {
            node.programs.run(program, &frame.bytes()).unwrap();
        }
    }

    /// One frame goes the way that it is meant for.
    fn check(&self, node: &mut DetachedNode, net: Net) {
        let Self { name, program, .. } = self;
        self.prepare(node);
        let before = node.dataplane().counters().unwrap();
        let (verdict, _) = node.programs.run(program, &self.frames[0]).unwrap();
        let after = node.dataplane().counters().unwrap();
        let moved =
            before.into_iter().zip(after).filter(|((_, before), (_, after))| before != after);
        let moved: Vec<Event> = moved.map(|((event, _), _)| event).collect();
        assert_eq!(
            (verdict, &moved[..]),
            (self.verdict, self.counted),
            "{net:?}: {program}: {name}"
        );
    }

    /// Nanoseconds of a run: the mean of the middle half of as many as [`TIMED`] allows.
    fn time(&self, node: &mut DetachedNode) -> f64 {
        let (began, mut runs_ns) = (Instant::now(), Vec::new());
        while began.elapsed() < TIMED {
            self.prepare(node);
            // A single frame needs no other state, so it is run until time is over.
            for frame in self.frames.iter().cycle().take(usize::from(OPENED)) {
                let (verdict, took) = node.programs.run_timed(self.program, frame, 1).unwrap();
                assert_eq!(verdict, self.verdict, "{}: {}", self.program, self.name);
                runs_ns.push(took.as_nanos() as f64);
            }
        }
        middle(runs_ns)
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let quarter = values.len() / 4;
    let middle = &values[quarter..values.len() - quarter];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// Those of docs/hot-path.md, as far as a packet program shows them on a frame alone: what wraps a packet in the
/// tunnel cannot be given with it.
fn rows(net: Net) -> Vec<Row> {
    [pods(net), outside(net), leaving(net), driver(net)].into_iter().flatten().collect()
}

fn pods(net: Net) -> Vec<Row> {
    const PROGRAM: &str = "pod_ingress";
    let (s1, s6) = (net.service(1), net.service(6));
    let syn = from_pod2(s1, tcp((40000, 80), SYN));
    let data = from_pod2(s1, tcp((40000, 80), ACK));
    let accept = from_pod3(net.pod(2), tcp((8080, 40000), SYN | ACK));
    let answer = from_pod3(net.pod(2), tcp((8080, 40000), ACK));
    let other = from_pod3(net.pod(2), tcp((9000, 40001), ACK));
    let plain = from_pod2(net.pod(3), tcp((40000, 8080), ACK));
    let established = [(PROGRAM, &syn), (PROGRAM, &accept), (PROGRAM, &data)];
    let dial = |port| from_pod2(s1, tcp((port, 80), SYN));
    // Its address is no pod's, so that no backend is the client itself.
    let dial_with_affinity = |port| from_outside(net.client(), s6, tcp((port, 80), SYN));
    let opened = &[FlowOpened, Delivered];
    vec![
        row("pod to a pod of this node", PROGRAM, plain, REDIRECT, &[Delivered]),
        row("pod that answers flows, to a pod", PROGRAM, other, REDIRECT, &[Delivered])
            .after(established),
        row("answer of a translated flow", PROGRAM, answer, REDIRECT, &[Delivered])
            .after(established),
        row("client to a Service, known flow", PROGRAM, data.clone(), REDIRECT, &[Delivered])
            .after(established),
        first("client to a Service, first packet", PROGRAM, dial, opened),
        first("Service with affinity, first packet", PROGRAM, dial_with_affinity, opened),
        row(
            "client to a Service without endpoints",
            PROGRAM,
            from_pod2(net.service(2), tcp((40000, 80), SYN)),
            REDIRECT,
            &[Refused],
        ),
        row(
            "echo request to a Service",
            PROGRAM,
            from_pod2(s1, net.echo(1, b"0123456789")),
            REDIRECT,
            &[EchoAnswered],
        ),
        row(
            "pod to outside the cluster",
            PROGRAM,
            from_pod2(net.client(), tcp((40000, 443), ACK)),
            PASS,
            &[],
        ),
    ]
}

fn outside(net: Net) -> Vec<Row> {
    const PROGRAM: &str = "uplink_ingress";
    let (client, node, there) = (net.client(), net.node(), net.pod_elsewhere());
    let to = |dst, port, flags| from_outside(client, dst, tcp((50000, port), flags));
    let (syn, data) = (to(node, 30080, SYN), to(node, 30080, ACK));
    let answer = from_pod3(client, tcp((8080, 50000), SYN | ACK));
    let here = [(PROGRAM, &syn), ("pod_ingress", &answer), (PROGRAM, &data)];
    let (far_syn, far_data) = (to(node, 30084, SYN), to(node, 30084, ACK));
    let far_answer = from_outside(there, node, tcp((8080, PORT), SYN | ACK));
    let far = [(PROGRAM, &far_syn), (PROGRAM, &far_answer), (PROGRAM, &far_data)];
    let dial = |port| move |client_port| from_outside(client, node, tcp((client_port, port), SYN));
    vec![
        row("to a pod of this node", PROGRAM, to(net.pod(2), 80, ACK), REDIRECT, &[Delivered]),
        row(
            "NodePort, pod of this node, known flow",
            PROGRAM,
            data.clone(),
            REDIRECT,
            &[Delivered],
        )
        .after(here),
        first(
            "NodePort, pod of this node, first packet",
            PROGRAM,
            dial(30080),
            &[FlowOpened, Delivered],
        ),
        row(
            "NodePort, answer of a pod of this node",
            "pod_ingress",
            from_pod3(client, tcp((8080, 50000), ACK)),
            REDIRECT,
            &[RepliedOutside],
        )
        .after(here),
        row("NodePort, pod elsewhere, known flow", PROGRAM, far_data.clone(), REDIRECT, &[])
            .after(far),
        first("NodePort, pod elsewhere, first packet", PROGRAM, dial(30084), &[FlowOpened]),
        row(
            "NodePort, answer of a pod elsewhere",
            PROGRAM,
            from_outside(there, node, tcp((8080, PORT), ACK)),
            REDIRECT,
            &[RepliedOutside],
        )
        .after(far),
        row("to the node's own ports", PROGRAM, to(node, 22, ACK), PASS, &[]),
        row(
            "ClusterIP from outside, dropped",
            PROGRAM,
            to(net.service(1), 80, SYN),
            DROP,
            &[InsideOnly],
        ),
    ]
}

fn leaving(net: Net) -> Vec<Row> {
    const PROGRAM: &str = "uplink_egress";
    let client = net.client();
    let by_pod =
        |port, flags| Frame { src: net.pod(2), ..from_node(client, tcp((port, 443), flags)) };
    let syn = by_pod(40000, SYN);
    let answer = from_outside(client, net.node(), tcp((443, PORT), SYN | ACK));
    let data = by_pod(40000, ACK);
    let established = [(PROGRAM, &syn), ("uplink_ingress", &answer), (PROGRAM, &data)];
    let mut opened = first(
        "pod that leaves the cluster, first packet",
        PROGRAM,
        |port| by_pod(port, SYN),
        &[Masqueraded],
    );
    opened.verdict = PASS;
    vec![
        row("of the node itself", PROGRAM, from_node(client, tcp((40000, 443), ACK)), PASS, &[]),
        row("pod that leaves the cluster, known flow", PROGRAM, data.clone(), PASS, &[])
            .after(established),
        opened,
        row(
            "answer to a pod that left the cluster",
            "uplink_ingress",
            from_outside(client, net.node(), tcp((443, PORT), ACK)),
            REDIRECT,
            &[Delivered],
        )
        .after(established),
    ]
}

fn driver(net: Net) -> Vec<Row> {
    const PROGRAM: &str = "uplink_xdp";
    let (client, node, there) = (net.client(), net.node(), net.pod_elsewhere());
    let to = |dst, port, flags| from_outside(client, dst, tcp((50000, port), flags));
    let (syn, data) = (to(node, 30080, SYN), to(node, 30080, ACK));
    let answer = from_pod3(client, tcp((8080, 50000), SYN | ACK));
    let (far_syn, far_data) = (to(node, 30084, SYN), to(node, 30084, ACK));
    let far_answer = from_outside(there, node, tcp((8080, PORT), SYN | ACK));
    vec![
        row("to a pod of this node", PROGRAM, to(net.pod(2), 80, ACK), XDP_PASS, &[]),
        row("NodePort, pod of this node, known flow", PROGRAM, data.clone(), XDP_PASS, &[])
            .after([("uplink_ingress", &syn), ("pod_ingress", &answer), ("uplink_ingress", &data)]),
        row("NodePort, pod elsewhere, by another uplink", PROGRAM, far_data.clone(), XDP_PASS, &[])
            .after([
                ("uplink_ingress", &far_syn),
                ("uplink_ingress", &far_answer),
                ("uplink_ingress", &far_data),
            ]),
        row("NodePort without endpoints", PROGRAM, to(node, 30081, SYN), XDP_TX, &[Refused]),
        row(
            "ClusterIP from outside, dropped",
            PROGRAM,
            to(net.service(1), 80, SYN),
            XDP_DROP,
            &[InsideOnly],
        ),
        row("anything else", PROGRAM, to(node, 22, ACK), XDP_PASS, &[]),
    ]
}

#[test]
fn every_kind_of_packet_goes_the_way_that_is_timed() {
    machine().run(|| {
        let mut node = node_there(PORTS);
        let rows: Vec<(Net, Row)> = Net::BOTH
            .into_iter()
            .flat_map(|net| rows(net).into_iter().map(move |row| (net, row)))
            .collect();
        rows.iter().for_each(|(net, row)| row.check(&mut node, *net));
        if let Ok(file) = std::env::var("SHEAVE_COSTS") {
            let rounds = std::env::var("SHEAVE_COSTS_ROUNDS").unwrap().parse().unwrap();
            let costs = costs(&mut node, &rows, rounds);
            std::fs::write(file, costs.to_string()).unwrap();
        }
    });
}

/// What `cargo xtask bench packets` reads.
fn costs(node: &mut DetachedNode, rows: &[(Net, Row)], rounds: usize) -> serde_json::Value {
    let (mut rows_ns, mut clock_ns) = (vec![Vec::new(); rows.len()], Vec::new());
    for round in 0..rounds {
        for offset in 0..rows.len() {
            // None is always the first after a pause.
            let index = (round + offset) % rows.len();
            rows_ns[index].push(rows[index].1.time(node));
        }
        clock_ns.push(clock(node));
    }
    let rows = rows.iter().zip(rows_ns).map(|((net, row), ns)| {
        let family = if *net == Net::V4 { "IPv4" } else { "IPv6" };
        serde_json::json!({ "program": row.program, "family": family, "packet": row.name, "ns": ns })
    });
    let programs = node.programs.figures().unwrap().into_iter().map(|figures| {
        serde_json::json!({
            "program": figures.program,
            "instructions": figures.instructions,
            "verified": figures.verified_instructions,
        })
    });
    serde_json::json!({
        "rows": rows.collect::<Vec<_>>(),
        "clockNs": clock_ns,
        "programs": programs.collect::<Vec<_>>(),
    })
}

/// What a single run takes more than one of many: the kernel reads its clock before and after. Of a frame that
/// stays as it came, however often it is run.
fn clock(node: &mut DetachedNode) -> f64 {
    const MANY: u32 = 10_000;
    const SERIES: usize = 20;
    let frame = from_outside(Net::V4.client(), Net::V4.node(), tcp((50000, 22), ACK)).bytes();
    let mut timed = |repeat| {
        node.programs.run_timed("uplink_ingress", &frame, repeat).unwrap().1.as_nanos() as f64
    };
    let single = middle((0..OPENED).map(|_| timed(1)).collect());
    let one_of_many = middle((0..SERIES).map(|_| timed(MANY)).collect());
    single - one_of_many
}
