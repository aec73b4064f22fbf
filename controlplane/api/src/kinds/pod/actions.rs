//! Rules of probes and lifecycle hooks: exactly one action, sane bounds.

use serde_json::Value;

use super::super::rules::{non_negative, one_of, port_number, port_number_or_name, required, text};
use crate::FieldErrors;
use crate::field::Path;
use crate::meta;

/// Which container a probe belongs to decides whether it may exist.
pub(super) fn validate_probes(
    container: &Value,
    is_plain_init: bool,
    path: &Path,
    errors: &mut FieldErrors,
) {
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = &container[field];
        if probe.is_null() {
            continue;
        }
        let path = path.child(field);
        if is_plain_init {
            errors.forbidden(
                &path,
                "may not be set for init containers without restartPolicy=Always",
            );
            continue;
        }
        validate_probe(probe, field, &path, errors);
    }
    let lifecycle = &container["lifecycle"];
    if is_plain_init && !lifecycle.is_null() {
        errors.forbidden(
            &path.child("lifecycle"),
            "may not be set for init containers without restartPolicy=Always",
        );
        return;
    }
    for hook in ["postStart", "preStop"] {
        if !lifecycle[hook].is_null() {
            let path = path.child("lifecycle").child(hook);
            validate_action(
                &lifecycle[hook],
                &["exec", "httpGet", "tcpSocket", "sleep"],
                &path,
                errors,
            );
        }
    }
}

fn validate_probe(probe: &Value, field: &str, path: &Path, errors: &mut FieldErrors) {
    validate_action(probe, &["exec", "httpGet", "tcpSocket", "grpc"], path, errors);
    for bound in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        non_negative(&probe[bound], &path.child(bound), errors);
    }
    if field != "readinessProbe" && probe["successThreshold"].as_i64().is_some_and(|n| n != 1) {
        let path = path.child("successThreshold");
        errors.invalid(&path, probe["successThreshold"].clone(), "must be 1");
    }
    let grace = &probe["terminationGracePeriodSeconds"];
    let path = path.child("terminationGracePeriodSeconds");
    if field == "readinessProbe" && !grace.is_null() {
        errors.invalid(&path, grace.clone(), "must not be set for readinessProbes");
    } else if grace.as_i64().is_some_and(|seconds| seconds <= 0) {
        errors.invalid(&path, grace.clone(), "must be greater than 0");
    }
}

fn validate_action(action: &Value, known: &[&str], path: &Path, errors: &mut FieldErrors) {
    let given: Vec<_> = known.iter().filter(|name| !action[**name].is_null()).collect();
    let Some((first, others)) = given.split_first() else {
        errors.required(path, "must specify a handler type");
        return;
    };
    for other in others {
        errors.forbidden(&path.child(other), "may not specify more than 1 handler type");
    }
    let (body, path) = (&action[**first], path.child(first));
    match **first {
        "exec" if meta::list(&body["command"]).is_empty() => {
            errors.required(&path.child("command"), "");
        }
        "httpGet" => {
            required(&body["path"], &path.child("path"), errors);
            port_number_or_name(&body["port"], &path.child("port"), errors);
            one_of(&body["scheme"], &["HTTP", "HTTPS"], &path.child("scheme"), errors);
            for (index, header) in meta::list(&body["httpHeaders"]).iter().enumerate() {
                let name = text(&header["name"]);
                let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                if name.is_empty() || !name.bytes().all(legal) {
                    errors.invalid(
                        &path.child("httpHeaders").index(index).child("name"),
                        name,
                        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. \
                         'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
                    );
                }
            }
        }
        "tcpSocket" => port_number_or_name(&body["port"], &path.child("port"), errors),
        "grpc" => port_number(&body["port"], &path.child("port"), errors),
        "sleep" => non_negative(&body["seconds"], &path.child("seconds"), errors),
        _ => {}
    }
}
