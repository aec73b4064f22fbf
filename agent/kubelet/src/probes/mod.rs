//! Probes: asking containers again and again how they are. One task a probe; it tells the pod's worker
//! only what changes, after the thresholds.

mod grpc;
pub(crate) mod http;
mod threshold;
mod tls;

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::context::Shared;
use crate::pod::spec::{Check, Probe};
use crate::recorder::About;
use threshold::{Threshold, Verdict};

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Startup,
    Readiness,
    Liveness,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// A change that a probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) container: String,
    pub(crate) run_id: String,
    pub(crate) kind: Kind,
    pub(crate) passed: bool,
}

/// What a probe asks.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) container: String,
    pub(crate) run_id: String,
    pub(crate) pod_ip: Option<IpAddr>,
    pub(crate) about: About,
    /// What was last reported, so that an adopted container is not reported again.
    pub(crate) passed_before: Option<bool>,
    /// How long the container has been running.
    pub(crate) running_for: Duration,
}

/// Ends with its handle: a probe never outlives the run it asks about.
#[derive(Debug)]
pub(crate) struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins to probe.
pub(crate) fn start(
    context: Shared,
    kind: Kind,
    probe: Probe,
    target: Target,
    outcomes: mpsc::UnboundedSender<Outcome>,
) -> Running {
    Running(tokio::spawn(run(context, kind, probe, target, outcomes)))
}

async fn run(
    context: Shared,
    kind: Kind,
    probe: Probe,
    target: Target,
    outcomes: mpsc::UnboundedSender<Outcome>,
) {
    let delay =
        Duration::from_secs(probe.initial_delay_s.into()).saturating_sub(target.running_for);
    tokio::time::sleep(delay).await;
    let period = Duration::from_secs(probe.period_s.into());
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut threshold = Threshold::new(&probe, target.passed_before);
    loop {
        ticks.tick().await;
        let asked = ask(&context, &probe, &target).await;
        if let Err(output) = &asked {
            let message = format!("{} probe failed: {output}", kind.as_str());
            context.recorder.warning(&target.about, "Unhealthy", message);
        }
        let Some(verdict) = threshold.note(asked.is_ok()) else { continue };
        let outcome = Outcome {
            container: target.container.clone(),
            run_id: target.run_id.clone(),
            kind,
            passed: verdict == Verdict::Passed,
        };
        // Startup is over with its first verdict; a container that is not alive is stopped.
        let last = kind == Kind::Startup || kind == Kind::Liveness && !outcome.passed;
        if outcomes.send(outcome).is_err() || last {
            return;
        }
    }
}

/// Asks once; the error is what a user reads.
async fn ask(context: &Shared, probe: &Probe, target: &Target) -> Result<(), String> {
    let timeout = Duration::from_secs(probe.timeout_s.into());
    match &probe.check {
        Check::Exec(command) => {
            let answer = context.cri().exec_sync(&target.run_id, command, timeout).await;
            match answer {
                Err(status) if status.code() == tonic::Code::DeadlineExceeded => Err(format!(
                    "command timed out: {:?} timed out after {}s",
                    command.join(" "),
                    probe.timeout_s
                )),
                Err(status) => Err(status.message().to_owned()),
                Ok(answer) if answer.exit_code == 0 => Ok(()),
                Ok(answer) => {
                    let mut output = answer.stdout;
                    output.extend_from_slice(&answer.stderr);
                    output.truncate(http::BODY_SHOWN_MAX);
                    Err(String::from_utf8_lossy(&output).trim_end().to_owned())
                }
            }
        }
        Check::Http(check) => http::get(check, target.pod_ip, timeout).await.map(drop),
        Check::Tcp { host, port } => tcp(host.as_deref(), *port, target.pod_ip, timeout).await,
        Check::Grpc { port, service } => grpc::check(target.pod_ip, *port, service, timeout).await,
    }
}

/// Whether somebody accepts connections.
pub(crate) async fn tcp(
    host: Option<&str>,
    port: u16,
    pod_ip: Option<IpAddr>,
    timeout: Duration,
) -> Result<(), String> {
    connect(host, port, pod_ip, timeout).await.map(drop)
}

/// To the named host, or else to the pod.
async fn connect(
    host: Option<&str>,
    port: u16,
    pod_ip: Option<IpAddr>,
    timeout: Duration,
) -> Result<TcpStream, String> {
    let (shown, connecting) = match (host, pod_ip) {
        (Some(host), _) => {
            let shown = format!("{host}:{port}");
            (shown, TcpStream::connect((host.to_owned(), port)).await)
        }
        (None, None) => return Err("the pod has no address".into()),
        (None, Some(ip)) => {
            let shown = std::net::SocketAddr::new(ip, port).to_string();
            match tokio::time::timeout(timeout, TcpStream::connect((ip, port))).await {
                Ok(connected) => (shown, connected),
                Err(_) => return Err(format!("dial tcp {shown}: i/o timeout")),
            }
        }
    };
    connecting.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            format!("dial tcp {shown}: connect: connection refused")
        }
        _ => format!("dial tcp {shown}: connect: {error}"),
    })
}
