//! Reads the bodies of messages into memory, within a budget that all requests share.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use hyper::body::{Body as _, Bytes, Incoming};
use tokio::time::{Instant, Sleep};

use super::body::BodyError;

/// A body is large beyond this size.
const SMALL: usize = 64 * 1024;

/// The bytes of request bodies that may be in memory at the same time. What bodies have beyond their first 64 KiB takes at
/// most three quarters of it, so callers that withhold the end of large bodies do not keep small ones out.
#[derive(Clone)]
pub(super) struct BufferBudget {
    used: Arc<AtomicUsize>,
    used_by_large: Arc<AtomicUsize>,
    max: usize,
}

/// The part of a budget that one request uses. Dropping it returns the part.
pub(super) struct BufferPermit {
    budget: BufferBudget,
    bytes: usize,
}

impl BufferBudget {
    pub(super) fn new(max: usize) -> Self {
        Self { used: Arc::default(), used_by_large: Arc::default(), max }
    }

    fn permit(&self) -> BufferPermit {
        BufferPermit { budget: self.clone(), bytes: 0 }
    }
}

impl BufferPermit {
    /// Adds bytes to this part. Returns whether the budget allows them.
    fn grow(&mut self, bytes: usize) -> bool {
        let BufferBudget { used, used_by_large, max } = &self.budget;
        let before = self.large_bytes();
        self.bytes += bytes;
        let large = self.large_bytes() - before;
        let large_total = used_by_large.fetch_add(large, Ordering::Relaxed) + large;
        let total = used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        total <= *max && (large == 0 || large_total <= max / 4 * 3)
    }

    /// The bytes beyond those of a small body.
    fn large_bytes(&self) -> usize {
        self.bytes.saturating_sub(SMALL)
    }
}

impl Drop for BufferPermit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.budget.used_by_large.fetch_sub(self.large_bytes(), Ordering::Relaxed);
    }
}

/// Reads a body to its end: at most `max` bytes, within `timeout`. Returns it with the permit for its memory.
pub(super) async fn read_to_end(
    mut source: Incoming,
    max: usize,
    timeout: Duration,
    budget: &BufferBudget,
) -> Result<(Bytes, BufferPermit), BodyError> {
    let mut permit = budget.permit();
    let mut first = Bytes::new();
    // Empty unless the body arrives in several parts.
    let mut all: Vec<u8> = Vec::new();
    let expected = usize::try_from(source.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > max {
        return Err(BodyError::TooLarge);
    }
    // Created only when the body has to be waited for.
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let started = Instant::now();
    loop {
        let frame = std::future::poll_fn(|cx| match Pin::new(&mut source).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending => {
                let timer =
                    timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(started + timeout)));
                timer.as_mut().poll(cx).map(|()| Err(BodyError::TooSlow))
            }
        })
        .await?;
        let Some(frame) = frame else { break };
        // Trailers have no meaning for the creation of a message.
        let Ok(data) = frame?.into_data() else { continue };
        if first.len() + all.len() + data.len() > max {
            return Err(BodyError::TooLarge);
        }
        if !permit.grow(data.len()) {
            return Err(BodyError::BudgetExceeded);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.reserve_exact(expected.max(first.len() + data.len()));
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok((if all.is_empty() { first } else { all.into() }, permit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let budget = BufferBudget::new(16 * SMALL);
        let mut large = budget.permit();
        assert!(large.grow(SMALL) && large.grow(12 * SMALL));

        assert!(!budget.permit().grow(2 * SMALL), "another large body");
        assert!(budget.permit().grow(SMALL), "a small one");
    }

    #[test]
    fn requests_share_the_budget_and_return_their_part() {
        let budget = BufferBudget::new(10);
        let (mut first, mut second) = (budget.permit(), budget.permit());
        assert!(first.grow(6) && second.grow(4));

        assert!(!second.grow(1), "more than the budget");
        drop(second);

        assert!(first.grow(4), "the part of the other request is free again");
    }
}
