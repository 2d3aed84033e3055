//! One connection: whether a request is in progress on it, and when it is to be closed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::turns::Caller;

use super::table::Table;

/// A connection that has a place. Dropping it gives the place up.
pub struct Connection {
    table: Table,
    id: u64,
    caller: Caller,
    opened: Instant,
    /// Cancelled when the connection is closed to make room for another.
    closed: CancellationToken,
    requests: AtomicU64,
    is_busy: AtomicBool,
}

/// A request in progress. Dropping it ends the request.
pub struct Request(Arc<Connection>);

impl Connection {
    /// Opens a connection of a caller; `None`: there is no room.
    pub(super) fn open(table: &Table, caller: Caller) -> Option<Self> {
        let (id, closed) = table.admit(caller)?;
        Some(Self {
            table: table.clone(),
            id,
            caller,
            opened: Instant::now(),
            closed,
            requests: AtomicU64::new(0),
            is_busy: AtomicBool::new(false),
        })
    }

    /// Returns who opened it.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Returns when the connection is to be closed: another one needs its place, its first request has not arrived in time,
    /// or it has been idle for too long.
    pub async fn expired(&self) {
        loop {
            let limits = &self.table.limits;
            let deadline = match self.table.idle_since(self.id) {
                _ if self.closed.is_cancelled() => return,
                Some(_) if self.requests() == 0 => self.opened + limits.first_request,
                Some(since) => since + limits.idle,
                // It cannot expire before it has been idle for as long.
                None => Instant::now() + limits.idle,
            };
            if deadline <= Instant::now() {
                return;
            }
            let _ = tokio::time::timeout_at(deadline, self.closed.cancelled()).await;
        }
    }

    /// Whether it is closed to make room for another.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Begins a request, whose headers have been read.
    pub(super) fn begin_request(self: &Arc<Self>) -> Request {
        self.is_busy.store(true, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.table.begin_request(self.id);
        Request(self.clone())
    }

    /// Records that the headers of the next request have begun to arrive.
    pub(super) fn begin_head(&self) {
        self.table.begin_head(self.id);
    }

    /// Returns how many requests have begun so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether a request is in progress.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.table.remove(self.id);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Relaxed);
        self.0.table.end_request(self.0.id);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::{super::limits::Limits, *};

    const SECOND: Duration = Duration::from_secs(1);

    fn connection() -> Arc<Connection> {
        let table = Table::new(Limits { total: 1, first_request: 10 * SECOND, idle: 100 * SECOND });
        Arc::new(Connection::open(&table, Caller::at([127, 0, 0, 1].into())).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_has_ten_seconds() {
        let begun = Instant::now();

        connection().expired().await;

        assert_eq!(begun.elapsed(), 10 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn idleness_begins_with_the_end_of_a_request() {
        let connection = connection();
        let begun = Instant::now();
        let request = connection.begin_request();
        let task = tokio::spawn({
            let connection = connection.clone();
            async move { connection.expired().await }
        });

        tokio::time::sleep(150 * SECOND).await;
        assert!(!task.is_finished(), "a request is in progress");
        drop(request);
        task.await.unwrap();

        assert_eq!(begun.elapsed(), 250 * SECOND);
    }
}
