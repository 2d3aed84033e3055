//! Connections from callers: accepting them within bounds, time-outs, ending them in good order.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
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

use crate::telemetry::GatewayMetrics;

use super::{Limits, service::Service};

/// What one connection too many is told.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 71\r\n\r\n\
    {\"code\":\"overloaded\",\"detail\":\"Too many connections; try again later.\"}";

/// Accepts connections until `stop`, and then waits until their requests have ended or the grace has.
pub(super) async fn accept(
    listener: TcpListener,
    service: Arc<Service>,
    limits: Limits,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let open = Arc::new(AtomicUsize::new(0));
    let end = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let counted = Counted(open.clone());
                if open.fetch_add(1, Ordering::Relaxed) >= limits.max_connections {
                    service.refused_connection();
                    tasks.spawn(turn_away(stream, counted, limits.head_timeout));
                    continue;
                }
                let (service, stop, end) = (service.clone(), stop.clone(), end.clone());
                tasks.spawn(async move {
                    let _counted = counted;
                    end.run_until_cancelled(serve(stream, service, limits, stop)).await;
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: those in use come free.
                tracing::warn!(%error, "the gateway cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.grace, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "requests in flight are cut off, their grace is over");
        end.cancel();
        tasks.wait().await;
    }
}

/// Counts a connection for as long as it is open.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn turn_away(mut stream: TcpStream, _counted: Counted, patience: Duration) {
    // A caller that does not read it has gone away.
    let _ = tokio::time::timeout(patience, async {
        stream.write_all(FULL).await?;
        stream.shutdown().await
    })
    .await;
}

async fn serve(stream: TcpStream, service: Arc<Service>, limits: Limits, stop: CancellationToken) {
    // Small answers must not wait for the caller's acknowledgements.
    let _ = stream.set_nodelay(true);
    let line = Arc::new(Line::default());
    let io = Patient {
        inner: TokioIo::new(stream),
        line: line.clone(),
        seen: 0,
        reading: false,
        patience: limits.head_timeout,
        timer: None,
    };
    let handler = service_fn(move |request| service.clone().answer(Turn::begin(&line), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper's time-out runs from the end of the answer before; ours from the first byte.
        .header_read_timeout(limits.idle_timeout.max(limits.head_timeout))
        .max_buf_size(limits.max_head.max(8192))
        .serve_connection(io, handler);
    tokio::pin!(connection);
    // An error is a caller that went away, or one that does not speak HTTP: hyper has told it.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// What the reader of a connection must know of its requests.
#[derive(Default)]
struct Line {
    begun: AtomicU64,
    busy: AtomicBool,
}

/// A request's turn on its connection: from its headers to the last byte of its answer. It also holds what else
/// must end with the request.
pub(super) struct Turn {
    line: Arc<Line>,
    in_flight: Option<Arc<InFlight>>,
}

impl Turn {
    fn begin(line: &Arc<Line>) -> Self {
        line.busy.store(true, Ordering::Relaxed);
        line.begun.fetch_add(1, Ordering::Relaxed);
        Self { line: line.clone(), in_flight: None }
    }

    /// Counts the request as in flight, unless there are so many already; answers whether it may go on.
    pub(super) fn count(&mut self, in_flight: &Arc<InFlight>, most: usize) -> bool {
        let before = in_flight.requests.fetch_add(1, Ordering::Relaxed);
        if before >= most {
            in_flight.requests.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        in_flight.metrics.in_flight(before + 1);
        self.in_flight = Some(in_flight.clone());
        true
    }
}

/// How many requests are worked on, on all connections.
pub(super) struct InFlight {
    requests: AtomicUsize,
    metrics: GatewayMetrics,
}

impl InFlight {
    pub(super) fn new(metrics: GatewayMetrics) -> Self {
        Self { requests: AtomicUsize::new(0), metrics }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.line.busy.store(false, Ordering::Relaxed);
        if let Some(in_flight) = &self.in_flight {
            let before = in_flight.requests.fetch_sub(1, Ordering::Relaxed);
            in_flight.metrics.in_flight(before - 1);
        }
    }
}

/// A stream that gives up on a request whose headers have begun and do not end.
struct Patient {
    inner: TokioIo<TcpStream>,
    line: Arc<Line>,
    /// Requests that had begun when it was last looked.
    seen: u64,
    /// Whether bytes of the next request's headers have come.
    reading: bool,
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Read for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let begun = self.line.begun.load(Ordering::Relaxed);
        if begun != self.seen {
            self.seen = begun;
            self.reading = false;
            self.timer = None;
        }
        let busy = self.line.busy.load(Ordering::Relaxed);
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if busy {
            // A body has a patience of its own.
            return read;
        }
        if read.is_ready() {
            self.reading = true;
            return read;
        }
        if !self.reading {
            return read;
        }
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Write for Patient {
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
