//! Reads the bodies of messages into memory, within a budget that all requests share.

use std::{pin::Pin, task::Poll};

use hyper::body::{Body as _, Bytes, Frame, Incoming};
use tokio::time::Sleep;

use crate::{
    connections::{BodyTimes, Pace},
    turns::{Sender, Share, Shares},
};

use super::body::BodyError;

/// A body is large beyond this size.
const SMALL: usize = 64 * 1024;

/// The bytes of request bodies that may be in memory at the same time. Large bodies have at most three quarters of it, so they
/// never keep small ones out; and no sender has all of either, so nobody keeps others out who withholds the end of bodies.
#[derive(Clone)]
pub(super) struct BufferBudget {
    all: Shares,
    large: Shares,
}

/// The part of a budget that one request uses. Dropping it returns the part.
pub(super) struct BufferPermit {
    budget: BufferBudget,
    sender: Sender,
    /// Whether the body is large, or was announced to be.
    is_large: bool,
    all: Option<Share>,
    large: Option<Share>,
}

impl BufferBudget {
    pub(super) fn new(max: usize) -> Self {
        Self { all: Shares::new(max), large: Shares::new(max / 4 * 3) }
    }

    /// Begins a body of a sender, given how large it is at least.
    fn permit(&self, sender: Sender, announced: usize) -> BufferPermit {
        BufferPermit { budget: self.clone(), sender, is_large: announced > SMALL, all: None, large: None }
    }
}

impl BufferPermit {
    /// Adds bytes to this part. Returns whether the budget allows them.
    fn grow(&mut self, bytes: usize) -> bool {
        let Self { budget, sender, is_large, all, large } = self;
        let before = all.as_ref().map_or(0, Share::amount);
        *is_large |= before + bytes > SMALL;
        let counted = large.as_ref().map_or(0, Share::amount);
        // What arrived before it was known to be large counts from now on.
        let is_allowed = !*is_large || add(large, &budget.large, *sender, before + bytes - counted);
        is_allowed && add(all, &budget.all, *sender, bytes)
    }
}

fn add(share: &mut Option<Share>, shares: &Shares, sender: Sender, bytes: usize) -> bool {
    match share {
        Some(share) => share.try_grow(bytes),
        None => {
            *share = shares.try_take(sender, bytes);
            share.is_some()
        }
    }
}

/// Reads a body of a sender to its end: at most `max` bytes, and fast enough. Returns it with the permit for its memory.
pub(super) async fn read_to_end(
    mut source: Incoming,
    max: usize,
    times: BodyTimes,
    budget: &BufferBudget,
    sender: Sender,
) -> Result<(Bytes, BufferPermit), BodyError> {
    let mut first = Bytes::new();
    // Empty unless the body arrives in several parts.
    let mut all: Vec<u8> = Vec::new();
    let expected = usize::try_from(source.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > max {
        return Err(BodyError::TooLarge);
    }
    let mut permit = budget.permit(sender, expected);
    let mut pace = Pace::start(times);
    loop {
        let frame = next_frame(&mut source, &pace).await?;
        let Some(frame) = frame else { break };
        // Trailers have no meaning for the creation of a message.
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > max {
            return Err(BodyError::TooLarge);
        }
        if !permit.grow(data.len()) {
            drop((permit, first, all));
            discard(&mut source, max, pace).await;
            return Err(BodyError::BudgetExceeded);
        }
        pace.received(data.len());
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

/// Returns the next part of a body; `None`: it has ended.
async fn next_frame(source: &mut Incoming, pace: &Pace) -> Result<Option<Frame<Bytes>>, BodyError> {
    // Created only when the body has to be waited for.
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let frame = std::future::poll_fn(|cx| match Pin::new(&mut *source).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Ok(frame)),
        Poll::Pending => {
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(pace.deadline())));
            timer.as_mut().poll(cx).map(|()| Err(BodyError::TooSlow))
        }
    })
    .await?;
    Ok(frame.transpose()?)
}

/// Reads the rest of a body, at most `max` bytes, and keeps nothing of it: a caller that still sends when the connection is
/// closed loses the response.
async fn discard(source: &mut Incoming, max: usize, mut pace: Pace) {
    let mut bytes = 0;
    while bytes <= max
        && let Ok(Some(frame)) = next_frame(source, &pace).await
    {
        let length = frame.data_ref().map_or(0, Bytes::len);
        pace.received(length);
        bytes += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turns::Caller;

    fn sender(last: u8) -> Sender {
        Sender::in_group(Caller::at([127, 0, 0, last].into()), 0)
    }

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let budget = BufferBudget::new(16 * SMALL);
        let mut large = budget.permit(sender(1), 12 * SMALL);
        assert!(large.grow(SMALL) && large.grow(5 * SMALL));
        let mut of_others: Vec<_> = (2..20).map(|last| budget.permit(sender(last), 2 * SMALL)).collect();
        while of_others.iter_mut().any(|body| body.grow(SMALL / 4)) {}

        assert!(!budget.permit(sender(20), 2 * SMALL).grow(SMALL), "another large body");
        let small: Vec<_> = (0..4).map(|_| budget.permit(sender(20), SMALL)).collect();
        let fit = small.into_iter().map(|mut body| body.grow(SMALL / 2).then_some(body));
        assert_eq!(fit.collect::<Vec<_>>().iter().flatten().count(), 4, "small ones");
    }

    #[test]
    fn a_body_may_turn_out_to_be_large() {
        let budget = BufferBudget::new(16 * SMALL);
        let mut body = budget.permit(sender(1), 0);
        assert!(body.grow(SMALL));
        assert_eq!((budget.all.used(), budget.large.used()), (SMALL, 0));

        assert!(body.grow(1));
        assert_eq!((budget.all.used(), budget.large.used()), (SMALL + 1, SMALL + 1));

        drop(body);
        assert_eq!((budget.all.used(), budget.large.used()), (0, 0));
    }

    #[test]
    fn one_sender_leaves_room_for_others() {
        let budget = BufferBudget::new(64 * SMALL);
        for size in [SMALL, 16 * SMALL] {
            let mut withheld: Vec<_> = (0..200).map(|_| budget.permit(sender(1), size)).collect();
            for body in &mut withheld {
                while body.all.as_ref().map_or(0, Share::amount) < size && body.grow(SMALL / 4) {}
            }

            let mut other = budget.permit(sender(2), size);
            assert!(other.grow(SMALL / 4) && other.grow(SMALL / 2), "{size}");
        }
    }

    #[test]
    fn requests_share_the_budget_and_return_their_part() {
        let budget = BufferBudget::new(10);
        let (mut first, mut second) = (budget.permit(sender(1), 0), budget.permit(sender(2), 0));
        assert!(first.grow(6) && second.grow(4));

        assert!(!second.grow(1), "more than the budget");
        drop(second);

        assert!(budget.permit(sender(3), 0).grow(4), "the part of the other request is free again");
    }
}
