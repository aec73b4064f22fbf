//! `/version`: the Kubernetes API level that is served, and which build serves it.

use serde_json::{Value, json};

/// The API level. Clients compare it with their own; what the build is called stands in `gitCommit`.
pub const GIT_VERSION: &str = "v1.36.0";

/// As Go names it, which is what clients expect.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `version.Info`.
pub fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": concat!("sheave-", env!("CARGO_PKG_VERSION")),
        "gitTreeState": "clean",
        // Not recorded, so that builds are reproducible; this is what unstamped builds say.
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("linux/{}", architecture()),
    })
}
