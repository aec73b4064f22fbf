//! Lifecycle hooks: what a container does right after its start and right before its stop.

use std::net::IpAddr;
use std::time::Duration;

use crate::cri::Cri;
use crate::pod::spec::Hook;
use crate::probes::http;

/// For hooks that name no end of their own.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a hook to its end; the error says why it failed.
pub(crate) async fn run(
    cri: &Cri,
    hook: &Hook,
    container_id: &str,
    pod_ip: Option<IpAddr>,
    timeout: Duration,
) -> Result<(), String> {
    match hook {
        Hook::Sleep { seconds } => {
            tokio::time::sleep(Duration::from_secs((*seconds).into()).min(timeout)).await;
            Ok(())
        }
        Hook::Exec(command) => {
            let answer = cri.exec_sync(container_id, command, timeout).await;
            let answer = answer.map_err(|status| status.message().to_owned())?;
            if answer.exit_code == 0 {
                return Ok(());
            }
            let output = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            Err(format!(
                "command {:?} exited with {}: {output}",
                command.join(" "),
                answer.exit_code
            ))
        }
        Hook::Http(check) => http::get(check, pod_ip, timeout.min(HTTP_TIMEOUT)).await.map(drop),
        Hook::Tcp { host, port } => {
            crate::probes::tcp(host.as_deref(), *port, pod_ip, timeout.min(HTTP_TIMEOUT)).await
        }
    }
}
