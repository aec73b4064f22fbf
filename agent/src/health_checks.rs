//! `healthCheckNodePort`: tells load balancers whether this node has endpoints of a Service whose traffic
//! from outside stays on its node.
//!
//! The listeners follow the Services. Answers are kube-proxy's: 200 while there are ready endpoints here,
//! 503 otherwise, whatever the path; nothing here waits for the maps.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Serialize;
use sheave_core::model::ObjectKey;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::health::Health;

/// How long until a port that was taken is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// What is answered on one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) service: ObjectKey,
    pub(crate) port: NonZeroU16,
    /// Ready ones on this node.
    pub(crate) local_endpoints: usize,
}

/// A port that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "Service {}/{}: cannot listen on {at} for health checks (`ss -ltnp 'sport = :{port}'` names who does): \
     stop it, or delete the Service and choose another healthCheckNodePort; tried again every 5 s",
    service.namespace, service.name, port = at.port()
)]
pub(crate) struct PortTaken {
    service: ObjectKey,
    at: SocketAddr,
    #[source]
    source: io::Error,
}

impl PortTaken {
    /// The system's word.
    pub(crate) fn cause(&self) -> &io::Error {
        &self.source
    }
}

/// Says to people what is wrong.
pub(crate) type Complain = Box<dyn Fn(&PortTaken) + Send>;

/// The server of all health check ports; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct HealthChecks(watch::Sender<Vec<Check>>);

impl HealthChecks {
    /// Listens on these addresses, for nothing yet.
    pub(crate) fn start(addresses: Vec<IpAddr>, health: Arc<Health>, complain: Complain) -> Self {
        let (checks, mut wanted) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut open = Open::new(addresses, health, complain);
            loop {
                let checks = wanted.borrow_and_update().clone();
                let is_complete = open.follow(&checks);
                tokio::select! {
                    changed = wanted.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(RETRY_PAUSE), if !is_complete => {}
                }
            }
        });
        Self(checks)
    }

    /// All there are now, in place of those before.
    pub(crate) fn follow(&self, checks: Vec<Check>) {
        self.0.send_if_modified(|known| {
            let changed = *known != checks;
            *known = checks;
            changed
        });
    }
}

/// What is listened on.
struct Open {
    addresses: Vec<IpAddr>,
    health: Arc<Health>,
    complain: Complain,
    listening: HashMap<SocketAddr, Listening>,
    /// Complained about already.
    taken: BTreeMap<SocketAddr, ObjectKey>,
}

struct Listening {
    check: Arc<Mutex<Check>>,
    /// Dropped: no more connections are accepted.
    _stop: oneshot::Sender<()>,
}

impl Open {
    fn new(addresses: Vec<IpAddr>, health: Arc<Health>, complain: Complain) -> Self {
        let (listening, taken) = (HashMap::new(), BTreeMap::new());
        Self { addresses, health, complain, listening, taken }
    }

    /// Closes what is not wanted, opens what is missing. False when something could not be opened.
    fn follow(&mut self, checks: &[Check]) -> bool {
        let mut wanted = BTreeMap::new();
        for check in checks {
            for address in &self.addresses {
                // The registry gives a port to one Service; of manifests, the first one has it.
                wanted.entry(SocketAddr::new(*address, check.port.get())).or_insert(check);
            }
        }
        self.listening.retain(|at, _| wanted.contains_key(at));
        self.taken.retain(|at, service| wanted.get(at).is_some_and(|c| c.service == *service));
        let mut is_complete = true;
        for (at, check) in wanted {
            match self.listening.get(&at) {
                Some(listening) => listening.check.lock().clone_from(check),
                None => is_complete &= self.open(at, check),
            }
        }
        is_complete
    }

    fn open(&mut self, at: SocketAddr, check: &Check) -> bool {
        match listen(at, check, &self.health) {
            Ok(listening) => {
                self.taken.remove(&at);
                self.listening.insert(at, listening);
                true
            }
            Err(source) => {
                let service = check.service.clone();
                if self.taken.insert(at, service.clone()).is_none() {
                    (self.complain)(&PortTaken { service, at, source });
                }
                false
            }
        }
    }
}

fn listen(at: SocketAddr, check: &Check, health: &Arc<Health>) -> io::Result<Listening> {
    let listener = std::net::TcpListener::bind(at)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let check = Arc::new(Mutex::new(check.clone()));
    let (state, health) = (Arc::clone(&check), Arc::clone(health));
    let app = Router::new().fallback(async move || answer(&state.lock(), health.is_programming()));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = axum::serve(listener, app).with_graceful_shutdown(async {
        // It is only ever dropped.
        let _ = stopped.await;
    });
    tokio::spawn(async move { serving.await });
    Ok(Listening { check, _stop: stop })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    service: Name<'a>,
    local_endpoints: usize,
    service_proxy_healthy: bool,
}

#[derive(Serialize)]
struct Name<'a> {
    namespace: &'a str,
    name: &'a str,
}

fn answer(check: &Check, is_healthy: bool) -> Response {
    let ObjectKey { namespace, name } = &check.service;
    let body = Body {
        service: Name { namespace, name },
        local_endpoints: check.local_endpoints,
        service_proxy_healthy: is_healthy,
    };
    let status = match check.local_endpoints > 0 && is_healthy {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let headers = [
        ("x-content-type-options", "nosniff".to_owned()),
        ("x-load-balancing-endpoint-weight", check.local_endpoints.to_string()),
        // The next question goes to whoever listens then.
        (CONNECTION.as_str(), "close".to_owned()),
    ];
    (status, headers, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::mpsc;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn loopback() -> Vec<IpAddr> {
        vec![[127, 0, 0, 1].into()]
    }

    /// A port that nobody has: bound once and given back.
    fn free_port() -> NonZeroU16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().try_into().unwrap()
    }

    fn check(name: &str, port: NonZeroU16, local_endpoints: usize) -> Check {
        let service = ObjectKey { namespace: "default".into(), name: name.into() };
        Check { service, port, local_endpoints }
    }

    async fn ask(port: NonZeroU16) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port.get())).await?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: n\r\n\r\n").await?;
        let mut text = String::new();
        // Ends because the server closes.
        tokio::time::timeout(LIMIT, stream.read_to_string(&mut text)).await.unwrap()?;
        Ok(text)
    }

    async fn until(port: NonZeroU16, is_so: impl Fn(&io::Result<String>) -> bool) -> String {
        let asking = async {
            loop {
                let answer = ask(port).await;
                if is_so(&answer) {
                    return answer.unwrap_or_default();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, asking).await.expect("within 10 s")
    }

    fn has(text: &str) -> impl Fn(&io::Result<String>) -> bool {
        move |answer| answer.as_ref().is_ok_and(|answer| answer.contains(text))
    }

    fn started() -> (HealthChecks, Arc<Health>, mpsc::UnboundedReceiver<String>) {
        let (complaints, said) = mpsc::unbounded_channel();
        let complain = move |taken: &PortTaken| complaints.send(taken.to_string()).unwrap();
        let health = Health::new();
        health.in_effect();
        let checks = HealthChecks::start(loopback(), Arc::clone(&health), Box::new(complain));
        (checks, health, said)
    }

    #[tokio::test]
    async fn answers_as_kube_proxy_does_and_follows_services() {
        let (checks, health, _said) = started();
        let port = free_port();
        checks.follow(vec![check("web", port, 2)]);
        let answer = until(port, has("200 OK")).await;
        assert!(answer.contains("x-load-balancing-endpoint-weight: 2\r\n"), "{answer}");
        let body = r#"{"service":{"namespace":"default","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true}"#;
        assert!(answer.ends_with(body), "{answer}");

        checks.follow(vec![check("web", port, 0)]);
        let answer = until(port, has("503 Service Unavailable")).await;
        assert!(answer.contains(r#""localEndpoints":0,"serviceProxyHealthy":true"#), "{answer}");
        // A node that leaves still serves what it has: that it wants no more is said elsewhere.
        health.leaving(true);
        checks.follow(vec![check("other", port, 1)]);
        until(port, has(r#""name":"other""#)).await;
        assert!(ask(port).await.unwrap().contains("200 OK"));
        checks.follow(vec![]);
        until(port, Result::is_err).await;
    }

    #[test]
    fn a_proxy_that_is_not_well_has_no_endpoints_to_offer() {
        let answer = answer(&check("web", free_port(), 3), false);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["x-load-balancing-endpoint-weight"], "3");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_complained_about_once_and_taken_when_it_is_free() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().try_into().unwrap();
        let (complaints, mut said) = mpsc::unbounded_channel();
        let complain = move |taken: &PortTaken| complaints.send(taken.to_string()).unwrap();
        let mut open = Open::new(loopback(), Health::new(), Box::new(complain));
        let checks = [check("web", port, 1)];
        assert!(!open.follow(&checks) && !open.follow(&checks));
        let complaint = said.recv().await.unwrap();
        let expected =
            format!("Service default/web: cannot listen on 127.0.0.1:{port} for health checks");
        assert!(complaint.starts_with(&expected), "{complaint}");
        assert!(said.try_recv().is_err(), "said twice");
        drop(taken);
        assert!(open.follow(&checks));
        until(port, has("200 OK")).await;
    }
}
