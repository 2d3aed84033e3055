//! HTTP/1.1 on one connection.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Request as HttpRequest, Response,
    body::{Body, Frame, Incoming, SizeHint},
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::{Service, service_fn},
};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::{
    connection::{Connection, Request},
    linger::linger,
};

/// Time for what is being written when a connection is closed.
const FLUSH: Duration = Duration::from_millis(100);

/// Limits of the request line and headers.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Time for them, from their first byte.
    pub timeout: Duration,
    /// Maximum size in bytes; at least 8192.
    pub size: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), size: 64 * 1024 }
    }
}

/// Serves the requests of a connection until the client closes it, it [expires](Connection::expired), or `stop` is
/// cancelled. A request in progress is completed in each case, and a client that still sends receives the response. An error of
/// `service` closes the connection without a response.
pub async fn serve_http1<I, S, B>(
    io: I,
    service: S,
    connection: Arc<Connection>,
    head: HeadLimits,
    stop: CancellationToken,
) where
    I: Read + Write + Unpin,
    S: Service<HttpRequest<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let io = WatchedIo {
        inner: io,
        connection: connection.clone(),
        requests: 0,
        is_reading: false,
        timeout: head.timeout,
        timer: None,
    };
    let counted = service_fn(|request| {
        let guard = connection.begin_request();
        let response = service.call(request);
        // Boxed, so that an idle connection takes no memory for what a request needs.
        Box::pin(async {
            Ok::<_, S::Error>(response.await?.map(|body| CountedBody { body, _request: guard }))
        })
    });
    let mut http = http1::Builder::new()
        // WatchedIo and Connection have the timeouts.
        .header_read_timeout(None)
        .max_buf_size(head.size.max(8192))
        .serve_connection(io, counted);
    // An error means that the client went away, that `service` failed, or that this is no HTTP: hyper has responded to that.
    let may_be_sending = tokio::select! {
        result = &mut http => result.map_or_else(|error| error.is_parse(), |()| true),
        () = stop.cancelled() => {
            let is_busy = connection.is_busy();
            Pin::new(&mut http).graceful_shutdown();
            let _ = (&mut http).await;
            is_busy
        }
        () = connection.expired() => {
            Pin::new(&mut http).graceful_shutdown();
            // A request may have arrived just now.
            loop {
                tokio::select! {
                    biased;
                    _ = &mut http => break,
                    () = tokio::time::sleep(FLUSH) => if !connection.is_busy() { break },
                }
            }
            false
        }
    };
    if may_be_sending {
        // Boxed for the same reason as above.
        let lingering = Box::pin(linger(http.into_parts().io.inner));
        tokio::select! {
            () = lingering => {}
            () = connection.expired() => {}
        }
    }
}

/// A stream that knows when the headers of a request begin to arrive, and fails when they do not end in time.
struct WatchedIo<I> {
    inner: I,
    connection: Arc<Connection>,
    /// How many requests had begun at the last read.
    requests: u64,
    /// Whether bytes of the next request's headers have arrived.
    is_reading: bool,
    timeout: Duration,
    /// The end of the time for headers that had to be waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<I: Read + Unpin> Read for WatchedIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let requests = self.connection.requests();
        if requests != self.requests {
            self.requests = requests;
            self.is_reading = false;
            self.timer = None;
        }
        let is_busy = self.connection.is_busy();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if is_busy {
            // Bodies have a timeout of their own.
            return read;
        }
        if read.is_ready() {
            self.is_reading = true;
            return read;
        }
        if !self.is_reading {
            return read;
        }
        let Self { connection, timer, timeout, .. } = &mut *self;
        let timer = timer.get_or_insert_with(|| {
            connection.begin_head();
            Box::pin(tokio::time::sleep(*timeout))
        });
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: Write + Unpin> Write for WatchedIo<I> {
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

/// The body of a response. The request is in progress until it has been sent.
struct CountedBody<B> {
    body: B,
    _request: Request,
}

impl<B: Body + Unpin> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
