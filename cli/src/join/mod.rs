//! `sheave join`: makes this machine a node of a cluster whose control plane is elsewhere, and runs it, in
//! the foreground.
//!
//! The first time it needs a token, and gets a certificate for a key that never leaves this machine. From
//! then on the certificate is enough; the agent renews it by itself. When this command ends, pods and
//! dataplane go on, and the next one finds them.

mod enrol;
mod server;

use std::cell::Cell;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};
use sheave_join::{Credentials, NodeFiles, Pin, Standing, Token};
use tokio::signal::unix::{SignalKind, signal};

use crate::agent_flags::AgentFlags;
use crate::api::Api;
use crate::directories::Directories;
use crate::https::Server;
use crate::kubeconfig::Access;
use crate::supervision::{
    announce_node, claim, claim_existing, host_name, keep_agent, prepare, refuse_what_agent_refuses,
};
use crate::{children, keeper, program};

/// What to do without a certificate that counts.
const HOW_TO_GET_A_TOKEN: &str = "run `sheave token create` on the control plane's machine and paste the line that it prints here";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The control plane, like https://192.0.2.1:6443.
    #[arg(value_name = "URL")]
    server: String,
    /// What `sheave token create` printed; not needed again once this machine has joined.
    #[arg(long, value_name = "TOKEN", env = "SHEAVE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    directories: Directories,
    #[command(flatten)]
    agent: AgentFlags,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    program::require_root("joining a cluster")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(supervise(arguments))
}

async fn supervise(arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let mut stopping = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let server = Server::parse(&arguments.server)?;
    let token = arguments.token.as_deref().map(|text| {
        text.parse::<Token>().map_err(|error| anyhow::anyhow!("--token is no token: {error}"))
    });
    let token = token.transpose()?;
    let node_name = arguments.agent.node_name.clone().map_or_else(host_name, Ok)?;
    let directories = &arguments.directories;
    refuse_control_plane(directories)?;
    let agent = arguments.agent.daemon(directories, &server.url(), &node_name)?;
    // Nothing is made, and nobody asked, before all of this is settled.
    let claimed = claim_existing(directories)?;
    refuse_what_agent_refuses(&agent, directories, &[])?;
    let files = NodeFiles::new(directories.agent_data_dir().join("pki"));
    let found = present(&files, &server, token.as_ref(), &node_name).await?;
    let credentials = match (found, token) {
        (Some(credentials), _) => credentials,
        (None, Some(token)) => {
            // Nothing secret is sent before this has held: the authority is the token's.
            let cluster = server::introduction(&server, &token).await?;
            refuse_what_agent_refuses(&agent, directories, &cluster.ranges)?;
            let authority = &cluster.certificate_authority;
            let credentials = enrol::run(&files, &server, authority, &token, &node_name).await?;
            println!(
                "Joined {} as node {node_name} after {} ms",
                server.url(),
                started.elapsed().as_millis()
            );
            credentials
        }
        (None, None) => bail!("this machine has not joined a cluster yet: {HOW_TO_GET_A_TOKEN}"),
    };
    prepare(directories)?;
    let _alone = claimed.map_or_else(|| claim(directories), Ok)?;
    keeper::start(&directories.keeper_socket())?;

    let api = Api::new(&access(&server, &credentials))?;
    let mut agent_child = agent.start()?;
    let is_ready = Cell::new(false);
    let outcome = tokio::select! {
        result = keep_agent(&agent, &mut agent_child, &is_ready) => result,
        result = announce_node(&api, &node_name, started, &is_ready) => result,
        _ = stopping.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
    };
    children::stop(agent.name, &mut agent_child).await;
    outcome.map(|()| ExitCode::SUCCESS)
}

fn refuse_control_plane(directories: &Directories) -> Result<()> {
    let state = directories.data_dir.join("server");
    if state.exists() {
        bail!(
            "this machine has a control plane of its own in {}: run `sheave up`, which also runs its node, or \
             remove the cluster first with `sheave down`",
            state.display()
        );
    }
    Ok(())
}

/// The certificate that this machine has already, if it still makes it a node; `None` when a new one is to
/// be got. A server that is away does not keep a node from starting with what it has.
async fn present(
    files: &NodeFiles,
    server: &Server,
    token: Option<&Token>,
    node_name: &str,
) -> Result<Option<Credentials>> {
    let Some(credentials) = files.load()? else { return Ok(None) };
    let certificate = &credentials.certificate;
    if certificate.node_name != node_name {
        bail!(
            "this machine is the node \"{}\" already: join with --node-name {0}, or run `sheave down` first to \
             join under another name",
            certificate.node_name
        );
    }
    if token.is_some_and(|token| {
        Pin::of_certificate(&credentials.authority_pem) != Some(token.authority)
    }) {
        bail!(
            "this machine is a node of another cluster than the token's: run `sheave down` first to leave that"
        );
    }
    let now = SystemTime::now();
    if certificate.is_expired(now) {
        if let Some(token) = token {
            return refuse_used(files, token, node_name).map(|()| None);
        }
        let days = now.duration_since(certificate.not_after).unwrap_or_default().as_secs() / 86_400;
        bail!(
            "this node's certificate ended {days} days ago, while it was off: to join again, {HOW_TO_GET_A_TOKEN}"
        );
    }
    match (server::standing(&Api::new(&access(server, &credentials))?).await, token) {
        (Some(Standing::Removed), Some(token)) => {
            refuse_used(files, token, node_name).map(|()| None)
        }
        (Some(Standing::Removed), None) => bail!(
            "the node \"{node_name}\" was removed from the cluster: to join again, {HOW_TO_GET_A_TOKEN}; or \
             clean up here with `sheave down`"
        ),
        (Some(Standing::Member) | None, _) => Ok(Some(credentials)),
    }
}

/// A machine that is a node no more joins again because somebody wants it to, and not because a unit file has the
/// token still.
fn refuse_used(files: &NodeFiles, token: &Token, node_name: &str) -> Result<()> {
    if !files.has_joined_with(token.id())? {
        return Ok(());
    }
    bail!(
        "the node \"{node_name}\" is none of the cluster any more, and this machine has joined with the token {} \
         before: to join again, {HOW_TO_GET_A_TOKEN}; or clean up here with `sheave down`",
        token.id()
    )
}

/// The API server as the node sees it.
fn access(server: &Server, credentials: &Credentials) -> Access {
    Access {
        server: server.url(),
        ca_pem: credentials.authority_pem.clone().into_bytes(),
        certificate_pem: credentials.certificate_pem.clone().into_bytes(),
        key_pem: credentials.key_pem.clone().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_brings_a_machine_back_that_has_not_joined_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let files = NodeFiles::new(dir.path());
        let token = || Token::generate(Pin::of_public_key(b"authority"));
        let (used, other) = (token(), token());
        files.note_joined_with(used.id()).unwrap();
        let said = refuse_used(&files, &used, "vm-2").unwrap_err().to_string();
        for part in [used.id(), "vm-2", "`sheave token create`", "`sheave down`"] {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
        refuse_used(&files, &other, "vm-2").unwrap();
    }
}
