//! Every bound of the API server, in one place.

use std::time::Duration;

/// Largest request body, as Kubernetes allows it.
pub(crate) const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Largest request to join: a token, a name and a certificate request.
pub(crate) const JOIN_BYTES_MAX: usize = 16 * 1024;
/// From the request's head to the answer's head; watches, logs and tunnels run on after that.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests in progress, watches and tunnels not counted.
pub(crate) const REQUESTS_IN_FLIGHT_MAX: usize = 400;
/// Open connections.
pub(crate) const CONNECTIONS_MAX: usize = 10_000;
/// For a client to complete the TLS handshake.
pub(crate) const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// For a client to send the head of its next request, on HTTP/1.1; so long a connection may be idle.
pub(crate) const HEAD_READ_TIMEOUT: Duration = Duration::from_secs(90);
/// Concurrent streams of one HTTP/2 connection, as Kubernetes allows them.
pub(crate) const STREAMS_PER_CONNECTION_MAX: u32 = 250;
/// HTTP/2 PINGs find clients that vanished.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long such a client has to answer.
pub(crate) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// For requests in progress to end when the server stops.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Shortest life of a watch that asks for none; the longest is twice this, so that clients do not all come
/// back at once.
pub(crate) const WATCH_SECONDS_MIN: u64 = 30 * 60;
/// Piece of a list that is sent at once.
pub(crate) const LIST_CHUNK_BYTES: usize = 64 * 1024;
/// Bytes read from a tunnelled connection at once; a direction holds a few of these at most.
pub(crate) const TUNNEL_CHUNK_BYTES: usize = 32 * 1024;
