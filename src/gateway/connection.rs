//! Connections from callers: a bounded number of them, timeouts, and a graceful shutdown.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Request, Response,
    body::Incoming,
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    time::Sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::telemetry::{GatewayMetrics, GatewayOutcome};

use super::{
    body::Body,
    options::Limits,
    request_guard::{ConnectionActivity, RequestGuard},
};

/// The response to a connection beyond the limit.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 71\r\n\r\n\
    {\"code\":\"overloaded\",\"detail\":\"Too many connections; try again later.\"}";

/// Accepts connections until `stop`, passes their requests to `handler`, and then waits until all requests have ended or
/// the grace period has.
pub(super) async fn accept<H, F>(
    listener: TcpListener,
    handler: H,
    metrics: GatewayMetrics,
    limits: Limits,
    stop: CancellationToken,
) where
    H: Fn(RequestGuard, Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send,
{
    let tasks = TaskTracker::new();
    let open = Arc::new(AtomicUsize::new(0));
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let open_connection = OpenConnection(open.clone());
                if open.fetch_add(1, Ordering::Relaxed) >= limits.max_connections {
                    metrics.handled(GatewayOutcome::Overload, Duration::ZERO);
                    tasks.spawn(turn_away(stream, open_connection, limits.head_timeout));
                    continue;
                }
                let (handler, stop, abort) = (handler.clone(), stop.clone(), abort.clone());
                tasks.spawn(async move {
                    let _open_connection = open_connection;
                    abort.run_until_cancelled(serve(stream, handler, limits, stop)).await;
                });
            }
            Err(error) => {
                // Most likely out of file descriptors; some become free when connections end.
                tracing::warn!(%error, "the gateway cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.grace, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "the grace period is over; requests in flight are aborted");
        abort.cancel();
        tasks.wait().await;
    }
}

/// Counts a connection for as long as it is open.
struct OpenConnection(Arc<AtomicUsize>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn turn_away(mut stream: TcpStream, _open: OpenConnection, timeout: Duration) {
    // A caller that does not read the response has gone away.
    let _ = tokio::time::timeout(timeout, async {
        stream.write_all(FULL).await?;
        stream.shutdown().await
    })
    .await;
}

async fn serve<H, F>(stream: TcpStream, handler: H, limits: Limits, stop: CancellationToken)
where
    H: Fn(RequestGuard, Request<Incoming>) -> F,
    F: Future<Output = Response<Body>>,
{
    // Small responses must not wait for the caller's acknowledgements.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(ConnectionActivity::default());
    let io = HeadTimeout {
        inner: TokioIo::new(stream),
        activity: activity.clone(),
        started: 0,
        reading: false,
        timeout: limits.head_timeout,
        timer: None,
    };
    let service = service_fn(move |request| {
        let response = handler(activity.begin_request(), request);
        async { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper's timeout begins at the end of the previous response; ours begins at the first byte of a request.
        .header_read_timeout(limits.idle_timeout.max(limits.head_timeout))
        .max_buf_size(limits.max_head.max(8192))
        .serve_connection(io, service);
    tokio::pin!(connection);
    // An error means that the caller went away or does not speak HTTP; hyper has sent the response to the latter.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// A stream that fails when the headers of a request have begun and do not end in time.
struct HeadTimeout {
    inner: TokioIo<TcpStream>,
    activity: Arc<ConnectionActivity>,
    /// How many requests had begun at the last read.
    started: u64,
    /// Whether bytes of the next request's headers have arrived.
    reading: bool,
    timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Read for HeadTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let started = self.activity.started();
        if started != self.started {
            self.started = started;
            self.reading = false;
            self.timer = None;
        }
        let is_busy = self.activity.is_busy();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if is_busy {
            // Bodies have a timeout of their own.
            return read;
        }
        if read.is_ready() {
            self.reading = true;
            return read;
        }
        if !self.reading {
            return read;
        }
        let timeout = self.timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Write for HeadTimeout {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }
}
