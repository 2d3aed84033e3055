//! Connections from callers: what the gateway does with each, and with one for which there is no room.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    connections::{Connection, HeadLimits, linger, serve_http1},
    telemetry::{GatewayMetrics, GatewayOutcome},
};

use super::{body::Body, options::Limits, request_guard::RequestGuard, service::Service};

/// The response to a connection beyond the limit.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 71\r\n\r\n\
    {\"code\":\"overloaded\",\"detail\":\"Too many connections; try again later.\"}";

/// Maximum number of refused connections that stay open until their caller has read the response. They have no place among the
/// connections, so their number needs a limit of its own.
const REFUSED: usize = 64;

/// What the gateway does with its connections.
#[derive(Clone)]
pub(super) struct Handler {
    service: Arc<Service>,
    metrics: GatewayMetrics,
    limits: Limits,
    /// Permits of the refused connections that stay open.
    refused: Arc<Semaphore>,
}

impl Handler {
    pub(super) fn new(service: Arc<Service>, metrics: GatewayMetrics, limits: Limits) -> Self {
        Self { service, metrics, limits, refused: Arc::new(Semaphore::new(REFUSED)) }
    }
}

impl crate::connections::Handler for Handler {
    async fn serve(&self, stream: TcpStream, connection: Arc<Connection>, stop: CancellationToken) {
        let caller = connection.caller();
        let service = service_fn(|request: Request<Incoming>| {
            let response = self.service.clone().handle(RequestGuard::new(caller), request);
            async { Ok::<Response<Body>, Infallible>(response.await) }
        });
        let head = HeadLimits { timeout: self.limits.head_timeout, size: self.limits.max_head };
        serve_http1(TokioIo::new(stream), service, connection, head, stop).await;
    }

    async fn refuse(&self, mut stream: TcpStream) {
        self.metrics.handled(GatewayOutcome::Overload, Duration::ZERO);
        // A caller that does not read the response has gone away.
        let _ = tokio::time::timeout(self.limits.head_timeout, async {
            if stream.write_all(FULL).await.is_ok()
                && let Ok(_permit) = self.refused.try_acquire()
            {
                linger(TokioIo::new(stream)).await;
            }
        })
        .await;
    }
}
