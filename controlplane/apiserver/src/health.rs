//! `/healthz`, `/livez`, `/readyz`, in the words that scripts and load balancers know. Pure.

use axum::body::Body;
use http::{Response, StatusCode};

use crate::path::HealthEndpoint;
use crate::respond;

/// One check by name: fine, or not.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) passed: bool,
}

/// Answers one of the endpoints; `only` names a single check, `verbose` lists them all.
pub(crate) fn answer(
    endpoint: HealthEndpoint,
    checks: &[Check],
    only: Option<&str>,
    verbose: bool,
) -> Response<Body> {
    let chosen: Vec<&Check> =
        checks.iter().filter(|check| only.is_none_or(|only| only == check.name)).collect();
    if chosen.is_empty() {
        return respond::error(&respond::no_such_path());
    }
    let passed = chosen.iter().all(|check| check.passed);
    if passed && !verbose {
        return respond::text(StatusCode::OK, "ok");
    }
    let name = match endpoint {
        HealthEndpoint::Healthz => "healthz",
        HealthEndpoint::Livez => "livez",
        HealthEndpoint::Readyz => "readyz",
    };
    let mut text = String::new();
    for check in chosen {
        let line = match check.passed {
            true => format!("[+]{} ok\n", check.name),
            false => format!("[-]{} failed: reason withheld\n", check.name),
        };
        text.push_str(&line);
    }
    text.push_str(&format!("{name} check {}\n", if passed { "passed" } else { "failed" }));
    let code = if passed { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    respond::text(code, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response<Body>) -> (StatusCode, String) {
        let code = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        (code, String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn checks(stopping: bool) -> [Check; 2] {
        [Check { name: "ping", passed: true }, Check { name: "shutdown", passed: !stopping }]
    }

    #[tokio::test]
    async fn short_and_verbose() {
        let short = answer(HealthEndpoint::Livez, &checks(false), None, false);
        assert_eq!(body(short).await, (StatusCode::OK, "ok".to_owned()));
        let verbose = answer(HealthEndpoint::Readyz, &checks(false), None, true);
        assert_eq!(body(verbose).await.1, "[+]ping ok\n[+]shutdown ok\nreadyz check passed\n");
    }

    #[tokio::test]
    async fn a_failed_check_fails_the_whole_but_not_the_others() {
        let all = answer(HealthEndpoint::Readyz, &checks(true), None, false);
        let (code, text) = body(all).await;
        assert_eq!(code, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(text.contains("[-]shutdown failed"), "{text}");
        let ping = answer(HealthEndpoint::Readyz, &checks(true), Some("ping"), false);
        assert_eq!(body(ping).await.0, StatusCode::OK);
        let none = answer(HealthEndpoint::Readyz, &checks(true), Some("etcd"), false);
        assert_eq!(body(none).await.0, StatusCode::NOT_FOUND);
    }
}
