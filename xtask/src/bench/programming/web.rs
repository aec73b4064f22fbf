//! The Service that is changed: its only endpoint is a listener of this process on the node's address, which becomes
//! ready and ceases to be. And the others, which nobody dials.

use super::services;
use crate::bench::proxy::Proxy;
use crate::bench::slice::{endpoint, endpoint_slice};
use crate::bench::time::now_micros;
use crate::cluster::{Cluster, wait_for};
use crate::traffic::Ask;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const NAME: &str = "changed";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const JSON: &str = "application/json";

/// From one attempt to connect to the next: what the time of a connection may be wrong by, and little enough that
/// trying takes no processor away.
const BETWEEN: Duration = Duration::from_micros(200);
/// Of an attempt whose packets are lost.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(50);
const LIMIT: Duration = Duration::from_secs(30);
/// From one change to the next.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Web {
    /// Where its endpoint listens.
    node: Ipv4Addr,
    /// Of the Service.
    address: SocketAddr,
}

/// What became of a write at the API, in microseconds since 1970.
pub(super) struct Change {
    /// Before the request was sent.
    pub(super) sent_us: f64,
    /// After the first connection.
    pub(super) connected_us: f64,
}

impl Web {
    /// Its endpoint is not ready. The listener takes connections for as long as this process runs.
    pub(super) fn create(cluster: &Cluster, proxy: &Proxy) -> Result<Self> {
        let path = r#"{.items[0].status.addresses[?(@.type=="InternalIP")].address}"#;
        let node: Ipv4Addr =
            cluster.value(&["nodes"], path)?.parse().context("the node's address")?;
        let listener = TcpListener::bind((node, 0)).context("listen on the node's address")?;
        let port = listener.local_addr()?.port();
        std::thread::spawn(move || listener.incoming().for_each(drop));
        post(proxy, SLICES, &endpoint_slice(NAME, port, &[endpoint(node, false)]))?;
        let spec = json!({ "ports": [{ "name": "http", "port": 80, "targetPort": port }] });
        let made = post(proxy, SERVICES, &json!({ "metadata": { "name": NAME }, "spec": spec }))?;
        let address: Ipv4Addr =
            made["spec"]["clusterIP"].as_str().context("the Service has no ClusterIP")?.parse()?;
        Ok(Self { node, address: (address, 80).into() })
    }

    /// The endpoint becomes ready. Before, it was not.
    pub(super) fn change(&self, proxy: &Proxy) -> Result<Change> {
        self.set_ready(proxy, false)?;
        wait_for("the endpoint to be left out", LIMIT, || {
            Ok(self.connect().is_err().then_some(()))
        })?;
        std::thread::sleep(PAUSE);
        std::thread::scope(|scope| {
            let client = scope.spawn(|| self.wait_connection());
            // It tries when the request is sent.
            std::thread::sleep(PAUSE);
            let sent_us = now_micros()?;
            let sent = self.set_ready(proxy, true);
            let connected_us = client.join().expect("it does not panic")?;
            sent?;
            Ok(Change { sent_us, connected_us })
        })
    }

    fn set_ready(&self, proxy: &Proxy, ready: bool) -> Result<()> {
        let patch = json!({ "endpoints": [endpoint(self.node, ready)] }).to_string();
        let path = format!("{SLICES}/{NAME}");
        let body = Some(("application/merge-patch+json", patch.as_str()));
        proxy.ask(&Ask { method: "PATCH", path: &path, body }).map(drop)
    }

    /// When the first connection succeeds.
    fn wait_connection(&self) -> Result<f64> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if self.connect().is_ok() {
                return now_micros();
            }
            std::thread::sleep(BETWEEN);
        }
        bail!("waited {} s for a connection to {}", LIMIT.as_secs(), self.address)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect_timeout(&self.address, ATTEMPT_LIMIT)
    }
}

/// Makes one that nobody dials, by its number.
pub(super) fn make_other(proxy: &Proxy, number: u32) -> Result<()> {
    post(proxy, SLICES, &services::slice(number))?;
    post(proxy, SERVICES, &services::service(number)).map(drop)
}

fn post(proxy: &Proxy, path: &str, object: &Value) -> Result<Value> {
    let body = object.to_string();
    let made = proxy.ask(&Ask { method: "POST", path, body: Some((JSON, &body)) });
    made.with_context(|| format!("create {}", object["metadata"]["name"]))
}
