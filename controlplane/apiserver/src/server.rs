//! One request: from who asks and what for, to the answer. Limits, authentication, panics and counting are
//! the same for all of them and are here; what each path means is in the modules it leads to.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use sheave_api::Status;
use sheave_join::Introduction;
use sheave_registry::{Identity, Registry};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::ServiceExt;

use crate::discovery::Discovery;
use crate::health::Check;
use crate::join::Membership;
use crate::metrics::Metrics;
use crate::openapi::OpenApi;
use crate::path::{HealthEndpoint, Target};
use crate::query::Query;
use crate::streaming::NodeTunnels;
use crate::{authorize, health, impersonate, limits, respond, review, verbs, version};

/// How far the nodes are with what they were told.
pub trait Progress: Send + Sync + 'static {
    /// What every node has in effect, and since when each Service's newest change is in effect everywhere, as
    /// JSON.
    fn progress(&self) -> String;

    /// The same in numbers, in the Prometheus text format.
    fn metrics(&self) -> String;
}

/// What the API server is made of.
pub struct ApiServerConfig {
    /// Where objects are read and written.
    pub registry: Arc<Registry>,
    /// The way to the nodes, for logs, exec, attach and port-forward.
    pub tunnels: Arc<dyn NodeTunnels>,
    /// How far the nodes are.
    pub progress: Arc<dyn Progress>,
    /// gRPC services to serve on the same port. A caller's [`Identity`] is in the request's extensions.
    pub grpc: Option<axum::Router>,
    /// Who is a node, and who becomes one; without it every certificate of a node counts, and nobody joins.
    pub membership: Option<Arc<dyn Membership>>,
    /// What a machine is told that may want to join.
    pub introduction: Introduction,
    /// `host:port` that legacy discovery names.
    pub advertised_address: String,
}

/// The API server. Cheap to share; [`ApiServer::serve`] puts it on a listener.
pub struct ApiServer {
    pub(crate) registry: Arc<Registry>,
    pub(crate) tunnels: Arc<dyn NodeTunnels>,
    progress: Arc<dyn Progress>,
    pub(crate) metrics: Metrics,
    /// Ends what would otherwise run as long as its client wants.
    pub(crate) stopping: CancellationToken,
    grpc: Option<axum::Router>,
    pub(crate) membership: Option<Arc<dyn Membership>>,
    pub(crate) introduction: Introduction,
    discovery: Discovery,
    openapi: OpenApi,
    in_flight: Semaphore,
}

/// A request whose path, query and sender are known.
pub(crate) struct Call {
    pub(crate) identity: Identity,
    pub(crate) query: Query,
    pub(crate) request: Request<Body>,
}

/// What a request counts under.
#[derive(Clone, Copy, Default)]
pub(crate) struct CountedAs {
    pub(crate) resource: &'static str,
    /// Watches, logs and tunnels are not bound by the limit of requests in flight.
    pub(crate) long_running: bool,
}

impl ApiServer {
    /// A server that is ready as soon as it listens: everything it needs is in memory.
    pub fn new(config: ApiServerConfig) -> Self {
        Self {
            registry: config.registry,
            tunnels: config.tunnels,
            progress: config.progress,
            metrics: Metrics::default(),
            stopping: CancellationToken::new(),
            grpc: config.grpc,
            membership: config.membership,
            introduction: config.introduction,
            discovery: Discovery::new(&config.advertised_address),
            openapi: OpenApi::default(),
            in_flight: Semaphore::new(limits::REQUESTS_IN_FLIGHT_MAX),
        }
    }

    /// Ends watches and streams, and makes `/readyz` fail.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Answers one request. `identity` is what the connection's certificate says.
    pub async fn answer(
        &self,
        identity: Option<Identity>,
        request: Request<Body>,
    ) -> Response<Body> {
        if is_grpc(&request) {
            return self.answer_grpc(identity, request).await;
        }
        let started = Instant::now();
        let target = Target::parse(request.uri().path());
        let counted = verbs::counted_as(&target, &request);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.answer_within_limits(identity, target, counted, request).await;
        let code = response.status().as_u16();
        let took = started.elapsed();
        tracing::debug!(%method, path, code, took_us = took.as_micros() as u64, "answered");
        self.metrics.request(method_label(&method), counted.resource, code, took);
        response
    }

    async fn answer_within_limits(
        &self,
        identity: Option<Identity>,
        target: Target,
        counted: CountedAs,
        request: Request<Body>,
    ) -> Response<Body> {
        let open = matches!(target, Target::Health(..) | Target::Version);
        let _permit = match self.in_flight.try_acquire() {
            Ok(permit) => Some(permit),
            Err(_) if counted.long_running || open => None,
            Err(_) => return respond::error(&respond::too_many_requests()),
        };
        let answer = AssertUnwindSafe(self.route(identity, target, request)).catch_unwind();
        match tokio::time::timeout(limits::REQUEST_TIMEOUT, answer).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(status))) => respond::error(&status),
            Ok(Err(_panic)) => {
                let status = Status::internal(
                    "Internal error occurred: the request ran into a bug of this server; its log \
                     says where",
                );
                respond::error(&status)
            }
            Err(_) => respond::error(&respond::timed_out()),
        }
    }

    async fn route(
        &self,
        identity: Option<Identity>,
        target: Target,
        request: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        let query = Query::parse(request.uri())?;
        match &target {
            Target::Health(endpoint, only) => {
                require_get(request.method())?;
                let verbose = query.flag("verbose");
                return Ok(health::answer(
                    *endpoint,
                    &self.checks(*endpoint),
                    only.as_deref(),
                    verbose,
                ));
            }
            Target::Version => {
                require_get(request.method())?;
                return Ok(respond::json_value(StatusCode::OK, &version::version()));
            }
            Target::Join => return self.answer_join(identity, request).await,
            _ => {}
        }
        let identity = identity.ok_or_else(respond::unauthorized)?;
        if let (Some(membership), Some(_)) = (&self.membership, identity.node()) {
            membership.require_member(&identity).await?;
        }
        let identity = impersonate::effective(identity, request.headers())?;
        let path = match target {
            Target::Resource(path) => path,
            other => return self.route_path(&identity, &other, &request, &query),
        };
        let call = Call { identity, query, request };
        match review::Review::of(&path) {
            Some(review) => review.answer(self, call).await,
            None => verbs::answer(self, path, call).await,
        }
    }

    /// Paths that are no objects.
    fn route_path(
        &self,
        identity: &Identity,
        target: &Target,
        request: &Request<Body>,
        query: &Query,
    ) -> Result<Response<Body>, Status> {
        authorize::authorize_path(identity, request.uri().path())?;
        if matches!(target, Target::Unknown) {
            return Err(respond::no_such_path());
        }
        require_get(request.method())?;
        let headers = request.headers();
        match target {
            Target::Metrics => {
                let mut response =
                    respond::text(StatusCode::OK, self.metrics.render() + &self.progress.metrics());
                let version =
                    http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, version);
                Ok(response)
            }
            Target::Progress => Ok(respond::json_bytes(StatusCode::OK, self.progress.progress())),
            Target::OpenApiV2 => self.openapi.v2(headers),
            Target::OpenApiIndex => self.openapi.index(headers),
            Target::OpenApi(path) => self.openapi.document(path, headers, query),
            other => self.discovery.answer(other, headers),
        }
    }

    fn checks(&self, endpoint: HealthEndpoint) -> Vec<Check> {
        let mut checks = vec![Check { name: "ping", passed: true }];
        if endpoint == HealthEndpoint::Readyz {
            checks.push(Check { name: "shutdown", passed: !self.stopping.is_cancelled() });
        }
        checks
    }

    async fn answer_grpc(
        &self,
        identity: Option<Identity>,
        mut request: Request<Body>,
    ) -> Response<Body> {
        let (Some(grpc), Some(identity)) = (&self.grpc, identity) else {
            // gRPC clients read the HTTP status when there is no gRPC one.
            return respond::error(&respond::unauthorized());
        };
        request.extensions_mut().insert(identity);
        let response = match grpc.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        // A node's stream has no end of its own: without this one it would hold up every stop.
        let stopped = self.stopping.clone().cancelled_owned();
        response.map(|body| Body::new(UntilStopped { body, stopped: Box::pin(stopped) }))
    }
}

/// A body that ends, cut off, when the server stops. Unlike a stream of data it keeps trailers, which carry
/// gRPC's status.
struct UntilStopped {
    body: Body,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl http_body::Body for UntilStopped {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        if self.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new("the server stops"))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

fn is_grpc(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// # Errors
/// 405 for anything but GET and HEAD.
fn require_get(method: &Method) -> Result<(), Status> {
    if matches!(*method, Method::GET | Method::HEAD) {
        Ok(())
    } else {
        Err(respond::method_not_allowed())
    }
}

/// A bounded set of names for the counters.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}
