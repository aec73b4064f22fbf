//! Tunnels: when the server asks, one call is opened back to it and bytes go both ways. What answers them
//! is behind a trait: a source knows no runtime.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use sheave_push::TUNNEL_ID_KEY;
use sheave_push::v1::{self, TunnelData, node_client::NodeClient};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;

/// Messages that wait in each direction.
const WAITING_MAX: usize = 16;

/// What a client sends through a tunnel.
pub type FromClient = Pin<Box<dyn Stream<Item = TunnelData> + Send>>;

/// Serves exec, attach, port-forward and log requests.
pub trait Tunnels: Send + Sync + 'static {
    /// Serves one. The first answer is `opened` or `error`; the request is over when the answers end, and
    /// is to be given up when their receiver is dropped.
    fn open(
        &self,
        request: v1::TunnelRequest,
        from_client: FromClient,
    ) -> mpsc::Receiver<TunnelData>;
}

/// Serves a request over a call of its own, to its end.
pub(crate) async fn serve(channel: Channel, tunnels: Arc<dyn Tunnels>, request: v1::TunnelRequest) {
    let id = request.id.clone();
    let Ok(id_value) = AsciiMetadataValue::try_from(&id) else {
        tracing::warn!(id, "the server asks for a tunnel whose id is no metadata value");
        return;
    };
    let (to_runtime, from_client) = mpsc::channel(WAITING_MAX);
    let answers = tunnels.open(request, Box::pin(ReceiverStream::new(from_client)));
    let mut call = Request::new(ReceiverStream::new(answers));
    call.metadata_mut().insert(TUNNEL_ID_KEY, id_value);
    let mut incoming = match NodeClient::new(channel).tunnel(call).await {
        Ok(response) => response.into_inner(),
        Err(status) => {
            tracing::debug!(id, message = status.message(), "the server does not take the tunnel");
            return;
        }
    };
    while let Some(Ok(data)) = incoming.next().await {
        if to_runtime.send(data).await.is_err() {
            // The runtime listens no more; what it still says goes on.
            break;
        }
    }
    drop(to_runtime);
    // The call lives as long as its response is held: let the answers end by themselves.
    while let Some(Ok(_)) = incoming.next().await {}
}
