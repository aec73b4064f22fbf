//! Probes and lifecycle hooks of a v1 Pod's containers. Named ports become numbers here.

use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Refusals, unsigned};
use crate::pod::spec::{Check, ContainerPort, Hook, HttpCheck, Probe};

pub(super) fn probe(
    field: &str,
    probe: Option<api::Probe>,
    ports: &[ContainerPort],
    refusals: &mut Refusals,
) -> Option<Probe> {
    let probe = probe?;
    let check = check(field, &probe, ports, refusals)?;
    let at_least_one = |value: Option<i32>, default| match unsigned(value.unwrap_or(0)) {
        0 => default,
        value => value,
    };
    Some(Probe {
        check,
        initial_delay_s: unsigned(probe.initial_delay_seconds.unwrap_or(0)),
        period_s: at_least_one(probe.period_seconds, 10),
        timeout_s: at_least_one(probe.timeout_seconds, 1),
        success_threshold: at_least_one(probe.success_threshold, 1),
        failure_threshold: at_least_one(probe.failure_threshold, 3),
        termination_grace_s: probe.termination_grace_period_seconds.map(unsigned),
    })
}

fn check(
    field: &str,
    probe: &api::Probe,
    ports: &[ContainerPort],
    refusals: &mut Refusals,
) -> Option<Check> {
    if let Some(exec) = &probe.exec {
        return Some(Check::Exec(exec.command.clone().unwrap_or_default()));
    }
    if let Some(get) = &probe.http_get {
        return http(&format!("{field}.httpGet"), get, ports, refusals).map(Check::Http);
    }
    if let Some(tcp) = &probe.tcp_socket {
        let port = port(&format!("{field}.tcpSocket"), &tcp.port, ports, refusals)?;
        return Some(Check::Tcp { host: host(tcp.host.as_ref()), port });
    }
    if let Some(grpc) = &probe.grpc {
        let port = IntOrString::Int(grpc.port);
        let port = self::port(&format!("{field}.grpc"), &port, ports, refusals)?;
        return Some(Check::Grpc { port, service: grpc.service.clone().unwrap_or_default() });
    }
    refusals.add(field, "Required value: must specify a handler type");
    None
}

pub(super) fn hook(
    field: &str,
    handler: Option<api::LifecycleHandler>,
    ports: &[ContainerPort],
    refusals: &mut Refusals,
) -> Option<Hook> {
    let api::LifecycleHandler { exec, http_get, sleep, tcp_socket } = handler?;
    if let Some(exec) = exec {
        return Some(Hook::Exec(exec.command.unwrap_or_default()));
    }
    if let Some(get) = http_get {
        return http(&format!("{field}.httpGet"), &get, ports, refusals).map(Hook::Http);
    }
    if let Some(sleep) = sleep {
        return Some(Hook::Sleep { seconds: unsigned(sleep.seconds) });
    }
    if let Some(tcp) = tcp_socket {
        let port = port(&format!("{field}.tcpSocket"), &tcp.port, ports, refusals)?;
        return Some(Hook::Tcp { host: host(tcp.host.as_ref()), port });
    }
    refusals.add(field, "Required value: must specify a handler type");
    None
}

fn http(
    field: &str,
    get: &api::HTTPGetAction,
    ports: &[ContainerPort],
    refusals: &mut Refusals,
) -> Option<HttpCheck> {
    let tls = get.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    let path = get.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let headers = get.http_headers.iter().flatten();
    Some(HttpCheck {
        host: host(get.host.as_ref()),
        port: port(field, &get.port, ports, refusals)?,
        tls,
        path,
        headers: headers.map(|h| (h.name.clone(), h.value.clone())).collect(),
    })
}

fn host(host: Option<&String>) -> Option<String> {
    host.filter(|h| !h.is_empty()).cloned()
}

fn port(
    field: &str,
    port: &IntOrString,
    ports: &[ContainerPort],
    refusals: &mut Refusals,
) -> Option<u16> {
    let number = match port {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => {
            ports.iter().find(|p| p.name == *name).map(|p| p.port).or_else(|| name.parse().ok())
        }
    };
    let number = number.filter(|n| *n != 0);
    if number.is_none() {
        refusals.add(format!("{field}.port"), "neither a port number nor a name in the ports list");
    }
    number
}
