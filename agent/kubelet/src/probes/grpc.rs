//! The gRPC health check, as probes ask it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tonic::transport::Endpoint;

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
mod v1 {
    tonic::include_proto!("grpc.health.v1");
}

/// Well is SERVING.
pub(super) async fn check(
    pod_ip: Option<IpAddr>,
    port: u16,
    service: &str,
    timeout: Duration,
) -> Result<(), String> {
    let ip = pod_ip.ok_or("the pod has no address")?;
    let address = format!("http://{}", SocketAddr::new(ip, port));
    let endpoint = Endpoint::from_shared(address).map_err(|error| error.to_string())?;
    let asked = async {
        let channel = endpoint.connect_timeout(timeout).connect().await;
        let channel =
            channel.map_err(|error| format!("timeout: failed to connect service: {error}"))?;
        let mut client = v1::health_client::HealthClient::new(channel);
        let request = v1::HealthCheckRequest { service: service.to_owned() };
        let answer = client.check(request).await.map_err(|status| status.message().to_owned())?;
        match answer.into_inner().status() {
            v1::health_check_response::ServingStatus::Serving => Ok(()),
            other => Err(format!("service unhealthy (responded with {:?})", other.as_str_name())),
        }
    };
    let answer = tokio::time::timeout(timeout, asked).await;
    answer.unwrap_or_else(|_| Err(format!("timeout: no answer within {}s", timeout.as_secs())))
}
