//! The connections of every server in this program: how many there may be, how long each may be idle, and which one is
//! closed when there is no room for another.
//!
//! # Flow
//! 1. [`serve`] accepts a connection and asks the `table` for a place. When there is none, the connection that has been idle
//!    longest is closed: that of the same caller when the caller has too many, otherwise that of any caller.
//! 2. The server's handler does its handshake, and passes the stream to [`serve_http1`].
//! 3. The connection is closed when its first request does not arrive in time, or when it is idle for too long.
//!
//! # Guarantees
//! - A connection on which a request is in progress, from the end of its headers to the last byte of the response, is never
//!   closed to make room. Neither is one on which the headers of a request began to arrive less than a second ago, or one that
//!   has been idle for less than a tenth of a second.
//! - One caller (an IPv4 address, or the /64 network of an IPv6 address) has at most three quarters of the connections.
//! - A response that is sent before the request has arrived whole reaches the client: what is still on its way is read and
//!   discarded, for two seconds at most.
//! - A new connection is refused only when every connection that could be closed for it has a request in progress.
//!
//! # Caveats
//! - Behind a proxy or a NAT, all clients are one caller.

mod connection;
mod http;
mod limits;
mod linger;
mod pace;
mod table;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::turns::Caller;

pub use connection::Connection;
pub use http::{HeadLimits, serve_http1};
pub use limits::{FIRST_REQUEST, Limits};
pub use linger::linger;
pub use pace::{BodyTimes, Pace};
use table::Table;

/// What a server does with its connections.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Serves one connection until it ends. When `stop` is cancelled, no further request is taken.
    fn serve(
        &self,
        stream: TcpStream,
        connection: Arc<Connection>,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send;

    /// Says that there is no room for a connection.
    fn refuse(&self, stream: TcpStream) -> impl Future<Output = ()> + Send {
        async { drop(stream) }
    }
}

/// Accepts connections until `stop`, then waits until all requests have ended, or `grace` has.
pub async fn serve<H: Handler>(
    listener: TcpListener,
    limits: Limits,
    grace: Duration,
    stop: CancellationToken,
    handler: H,
) {
    let table = Table::new(limits);
    let (tasks, abort) = (TaskTracker::new(), CancellationToken::new());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (handler, stop, abort) = (handler.clone(), stop.clone(), abort.clone());
                let place = Connection::open(&table, Caller::at(peer.ip()));
                tasks.spawn(async move {
                    let served = async {
                        // Small responses must not wait for the client's acknowledgements.
                        let _ = stream.set_nodelay(true);
                        match place {
                            Some(connection) => handler.serve(stream, Arc::new(connection), stop).await,
                            None => handler.refuse(stream).await,
                        }
                    };
                    abort.run_until_cancelled(served).await;
                });
            }
            Err(error) => {
                // Most likely out of file descriptors; some become free when connections end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        tracing::warn!(open = tasks.len(), "the grace period is over; requests in flight are aborted");
        abort.cancel();
        tasks.wait().await;
    }
}
