//! Who is a node: the API server's questions go to the push server, and its wish for certificates to the
//! authority.

use std::net::IpAddr;
use std::time::SystemTime;

use async_trait::async_trait;
use sheave_api::Status;
use sheave_apiserver::Membership;
use sheave_apiserver::pki::{NodeIssueError, NodeIssuer};
use sheave_join::{JoinAnswer, JoinRequest, Standing};
use sheave_pushserver::{Caller, IssuedCertificate, NodeCertificates, PushServer};
use sheave_registry::Identity;

/// The push server, asked over HTTP.
pub(crate) struct PushMembership(pub(crate) PushServer);

#[async_trait]
impl Membership for PushMembership {
    async fn join(&self, request: JoinRequest, from: IpAddr) -> Result<JoinAnswer, Status> {
        self.0.join(request, from).await
    }

    async fn standing(&self, identity: &Identity) -> Result<Standing, Status> {
        match caller(identity) {
            Some(caller) => self.0.standing(&caller).await,
            None => Ok(Standing::Member),
        }
    }

    async fn require_member(&self, identity: &Identity) -> Result<(), Status> {
        match caller(identity) {
            Some(caller) => self.0.require_member(&caller).await,
            None => Ok(()),
        }
    }
}

/// The node that an identity is; `None` for others.
pub(crate) fn caller(identity: &Identity) -> Option<Caller> {
    Some(Caller { node: identity.node()?.to_owned(), key: identity.key.clone() })
}

/// The authority, as the push server asks it.
pub(crate) struct Authority(pub(crate) NodeIssuer);

impl NodeCertificates for Authority {
    fn issue(&self, node: &str, request_pem: &str) -> Result<IssuedCertificate, Status> {
        let signed = self.0.issue(node, request_pem, SystemTime::now());
        let signed = signed.map_err(|error| match error {
            NodeIssueError::Request(_) | NodeIssueError::Key => {
                Status::bad_request(error.to_string())
            }
            NodeIssueError::Pki(_) => {
                let error = anyhow::Error::new(error);
                Status::internal(crate::remedy::sentence(&error))
            }
        })?;
        Ok(IssuedCertificate {
            key: signed.key.to_string(),
            certificate: signed.certificate,
            authority: signed.authority,
        })
    }
}
