//! `/join/v1`: where a machine asks who this is, and to become a node. Open to who has no certificate yet;
//! what counts is the token, and who judges it is behind [`Membership`].

use std::net::{IpAddr, Ipv4Addr};

use async_trait::async_trait;
use axum::body::Body;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use sheave_api::Status;
use sheave_join::{Introduction, JoinAnswer, JoinRequest, Standing};
use sheave_registry::Identity;

use crate::serve::PeerAddress;
use crate::server::ApiServer;
use crate::{limits, respond};

/// Who is a node, and who becomes one.
#[async_trait]
pub trait Membership: Send + Sync + 'static {
    /// Lets a machine join that shows a token.
    async fn join(&self, request: JoinRequest, from: IpAddr) -> Result<JoinAnswer, Status>;

    /// How the cluster sees the holder of a node's certificate.
    async fn standing(&self, identity: &Identity) -> Result<Standing, Status>;

    /// # Errors
    /// 403 for the certificate of a node that was removed.
    async fn require_member(&self, identity: &Identity) -> Result<(), Status>;
}

impl ApiServer {
    pub(crate) async fn answer_join(
        &self,
        identity: Option<Identity>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        let Some(membership) = &self.membership else { return Err(respond::no_such_path()) };
        match *request.method() {
            Method::GET => {
                let node = identity.filter(|identity| identity.node().is_some());
                let standing = match node {
                    Some(identity) => Some(membership.standing(&identity).await?),
                    None => None,
                };
                respond::json(&Introduction { standing, ..self.introduction.clone() })
            }
            Method::POST => {
                let peer = request.extensions().get::<PeerAddress>();
                let from = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0);
                let body =
                    Limited::new(request.into_body(), limits::JOIN_BYTES_MAX).collect().await;
                let body =
                    body.map_err(|_| Status::bad_request("the request to join is too large"))?;
                let asked = serde_json::from_slice(&body.to_bytes()).map_err(|error| {
                    Status::bad_request(format!("the request to join cannot be read: {error}"))
                })?;
                respond::json(&membership.join(asked, from).await?)
            }
            _ => Err(respond::method_not_allowed()),
        }
    }
}
