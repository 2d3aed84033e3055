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

/// The bytes of request bodies that may be in memory at the same time.
#[derive(Clone)]
pub(super) struct BufferBudget {
    used: Arc<AtomicUsize>,
    max: usize,
}

/// The part of a budget that one request uses. Dropping it returns the part.
pub(super) struct BufferPermit {
    budget: BufferBudget,
    bytes: usize,
}

impl BufferBudget {
    pub(super) fn new(max: usize) -> Self {
        Self { used: Arc::default(), max }
    }

    fn permit(&self) -> BufferPermit {
        BufferPermit { budget: self.clone(), bytes: 0 }
    }
}

impl BufferPermit {
    /// Adds bytes to this part. Returns whether the budget allows them.
    fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.budget.used.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.budget.max
    }
}

impl Drop for BufferPermit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
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
    let mut rest: Vec<u8> = Vec::new();
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
        if first.len() + rest.len() + data.len() > max {
            return Err(BodyError::TooLarge);
        }
        if !permit.grow(data.len()) {
            return Err(BodyError::BudgetExceeded);
        }
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(expected.saturating_sub(first.len()).max(data.len()));
            }
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok((first, permit));
    }
    let mut all = Vec::with_capacity(first.len() + rest.len());
    all.extend_from_slice(&first);
    all.append(&mut rest);
    Ok((all.into(), permit))
}

#[cfg(test)]
mod tests {
    use super::*;

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
