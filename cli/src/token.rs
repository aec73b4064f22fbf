//! `sheave token`: what lets other machines join.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sheave_join::{Description, Pin, Stored, Token, parse_lifetime, secret};

use crate::api::{Api, refusal};
use crate::directories::Directories;
use crate::kubeconfig;
use crate::table::{list, table};

/// Longest life of a token: more is a password that everybody has forgotten.
const TTL_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Cluster {
    #[command(flatten)]
    directories: Directories,
    /// Another kubeconfig than the administrator's on this machine.
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Make a token, and print the line that joins another machine.
    Create {
        /// How long it is accepted, like 90s, 10m, 24h or 7d.
        #[arg(long, value_name = "TIME", value_parser = parse_ttl, default_value = "24h")]
        ttl: Duration,
        /// What it is for, for whoever lists the tokens.
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// Let one machine join, and no more.
        #[arg(long)]
        single_use: bool,
        #[command(flatten)]
        cluster: Cluster,
    },
    /// List the tokens.
    List {
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Revoke a token: nobody can join with it any more. Machines that have joined stay.
    Delete {
        /// Its id, which is the token's first part.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        cluster: Cluster,
    },
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let ttl = parse_lifetime(text)?;
    if ttl.is_zero() || ttl > TTL_MAX {
        return Err("expected a time from 1s to 365d".to_owned());
    }
    Ok(ttl)
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match &arguments.command {
            Command::Create { ttl, description, single_use, cluster } => {
                let description =
                    Description { ttl: *ttl, text: description.clone(), single_use: *single_use };
                create(cluster, &description).await
            }
            Command::List { cluster } => show(cluster).await,
            Command::Delete { id, cluster } => delete(cluster, id).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn access(cluster: &Cluster) -> Result<kubeconfig::Access> {
    let path = cluster.kubeconfig.clone();
    kubeconfig::read(&path.unwrap_or_else(|| cluster.directories.admin_kubeconfig()))
}

fn collection() -> String {
    format!("/api/v1/namespaces/{}/secrets", secret::NAMESPACE)
}

async fn create(cluster: &Cluster, description: &Description) -> Result<()> {
    let access = access(cluster)?;
    let authority = Pin::of_certificate(&String::from_utf8_lossy(&access.ca_pem))
        .context("the kubeconfig's CA is no PEM certificate")?;
    let api = Api::new(&access)?;
    let versions = api.get("/api").await?;
    let server = versions.pointer("/serverAddressByClientCIDRs/0/serverAddress");
    let server =
        server.and_then(Value::as_str).context("the API server does not say its address")?;
    let token = Token::generate(authority);
    api.ask(Method::POST, &collection(), Some(&token.to_secret(description))).await?;
    if server.starts_with("127.") || server.starts_with("[::1]") {
        eprintln!(
            "sheave: the server advertises {server}, which no other machine reaches: start it with \
             --advertise-address"
        );
    }
    println!("sheave join https://{server} --token {token}");
    Ok(())
}

async fn show(cluster: &Cluster) -> Result<()> {
    let api = Api::new(&access(cluster)?)?;
    let path = format!("{}?fieldSelector=type%3D{}", collection(), secret::TYPE);
    let secrets = api.get(&path).await?;
    let now = Timestamp::now();
    let rows = list(&secrets, "items").iter().filter_map(|object| {
        let stored = Stored::from_secret(object)?;
        let Description { ttl, text, single_use } = stored.description;
        let created: Timestamp = object["metadata"]["creationTimestamp"].as_str()?.parse().ok()?;
        let ends = created.checked_add(SignedDuration::try_from(ttl).ok()?).ok()?;
        let left = ends.duration_since(now);
        Some(vec![
            stored.id,
            if left.is_positive() { "in ".to_owned() + &rounded(left) } else { "ended".to_owned() },
            if single_use { "1" } else { "any" }.to_owned(),
            if text.is_empty() { "-".to_owned() } else { text },
        ])
    });
    print!("{}", table(&["TOKEN", "ENDS", "MACHINES", "DESCRIPTION"], rows));
    Ok(())
}

/// In the largest unit of which there are two, as kubectl shows ages.
fn rounded(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

async fn delete(cluster: &Cluster, id: &str) -> Result<()> {
    let api = Api::new(&access(cluster)?)?;
    // A whole token is as good: its first part is the id.
    let id = id.split('.').next().unwrap_or_default();
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        bail!("{id:?} is no token's id: `sheave token list` shows them");
    }
    let path = format!("{}/{}{id}", collection(), secret::NAME_PREFIX);
    let (status, body) = api.send(Method::DELETE, &path, None).await?;
    if status == StatusCode::NOT_FOUND {
        bail!("there is no token {id}: `sheave token list` shows those that there are");
    }
    if !status.is_success() {
        bail!("the token {id} could not be revoked: {}", refusal(status, &body));
    }
    println!("revoked the token {id}; machines that joined with it stay");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_one_unit() {
        for (seconds, expected) in [(59, "59s"), (600, "10m"), (86_400, "24h"), (604_800, "7d")] {
            assert_eq!(rounded(SignedDuration::from_secs(seconds)), expected);
        }
        assert!(parse_ttl("0s").is_err() && parse_ttl("366d").is_err() && parse_ttl("24h").is_ok());
    }
}
