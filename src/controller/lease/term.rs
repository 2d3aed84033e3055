//! The term of a leader: the renewals extend it, and everything else reads it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::record::Loss;

#[derive(Debug)]
struct State {
    /// Never later than the moment at which the leader has to have stopped.
    valid_until: Instant,
    lost: Option<Loss>,
}

impl State {
    /// Returns why the term ended, if it has. A term that has once been seen to end never goes on:
    /// this is called under the watch's lock, so that "now" is ordered between reader and writer.
    fn ended(&self, now: Instant) -> Option<Loss> {
        self.lost.clone().or_else(|| (now >= self.valid_until).then_some(Loss::Expired))
    }
}

/// Extends and ends a term; for the task that renews.
#[derive(Clone, Debug)]
pub(super) struct TermKeeper(Arc<watch::Sender<State>>);

impl TermKeeper {
    pub(super) fn new(valid_until: Instant) -> Self {
        Self(Arc::new(watch::Sender::new(State { valid_until, lost: None })))
    }

    /// Moves the end of the term, unless it has ended already: a renewal that comes through
    /// too late does not bring back what others saw end.
    pub(super) fn extend(&self, valid_until: Instant) -> Result<(), Loss> {
        let mut result = Ok(());
        self.0.send_modify(|state| match state.ended(Instant::now()) {
            Some(loss) => {
                state.lost = Some(loss.clone());
                result = Err(loss);
            }
            None => state.valid_until = state.valid_until.max(valid_until),
        });
        result
    }

    /// Ends the term now. The first reason stays.
    pub(super) fn end(&self, loss: Loss) {
        self.0.send_modify(|state| {
            let now = Instant::now();
            state.lost = state.ended(now).or(Some(loss));
            state.valid_until = state.valid_until.min(now);
        });
    }

    pub(super) fn term(&self) -> Term {
        Term(self.0.subscribe())
    }
}

/// A term of leadership. Cheap to clone; reading it does not wait.
///
/// # Guarantees
/// Once it was seen to have ended it stays so. While [`Term::remaining`] is not zero, no other
/// candidate that follows the protocol leads, provided that no clock runs more than (lease
/// duration) / (renew deadline) faster than this one.
///
/// # Caveats
/// A process that the hypervisor or the kernel suspends does not notice; the first read after it
/// resumes may be wrong if the monotonic clock stood still meanwhile (as client-go's). A request
/// that was sent while the term was valid may arrive later: bound requests by [`Term::remaining`],
/// and the five seconds between the deadlines are for the network.
#[derive(Clone, Debug)]
pub struct Term(watch::Receiver<State>);

impl Term {
    /// Returns when this process has to have stopped writing, if no renewal succeeds until then. In the
    /// past once the term has ended.
    #[must_use]
    pub fn valid_until(&self) -> Instant {
        self.0.borrow().valid_until
    }

    /// Returns the time until [`Term::valid_until`]; zero once the term has ended.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        let state = self.0.borrow();
        let now = Instant::now();
        if state.ended(now).is_some() { Duration::ZERO } else { state.valid_until - now }
    }

    /// Whether this process leads now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// Waits until the term has ended, and returns the reason. It does not depend on the renewals
    /// making progress: the deadline counts even when their task hangs or has ended.
    pub async fn lost(&self) -> Loss {
        let mut state = self.0.clone();
        loop {
            let valid_until = {
                let state = state.borrow_and_update();
                if let Some(loss) = state.ended(Instant::now()) {
                    return loss;
                }
                state.valid_until
            };
            let deadline = tokio::time::sleep_until(valid_until.into());
            tokio::select! {
                () = deadline => {}
                changed = state.changed() => if changed.is_err() {
                    // Nothing can extend the term any more.
                    tokio::time::sleep_until(valid_until.into()).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_term_ends_at_its_deadline_by_itself() {
        let start = Instant::now();
        let keeper = TermKeeper::new(start + SHORT);
        let term = keeper.term();
        drop(keeper);
        assert!(term.is_valid());

        assert_eq!(term.lost().await, Loss::Expired);

        assert!(start.elapsed() >= SHORT);
        assert_eq!(term.remaining(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_term_that_was_extended_goes_on() {
        let keeper = TermKeeper::new(Instant::now() + SHORT);
        let term = keeper.term();

        assert_eq!(keeper.extend(Instant::now() + LONG), Ok(()));

        assert!(tokio::time::timeout(SHORT * 2, term.lost()).await.is_err());
        assert!(term.is_valid());
    }

    #[tokio::test]
    async fn a_renewal_that_is_late_does_not_bring_a_term_back() {
        let keeper = TermKeeper::new(Instant::now());
        let term = keeper.term();
        assert!(!term.is_valid());

        assert_eq!(keeper.extend(Instant::now() + LONG), Err(Loss::Expired));

        assert!(!term.is_valid());
        assert_eq!(term.lost().await, Loss::Expired);
    }

    #[tokio::test]
    async fn an_end_wakes_waiters_and_keeps_its_first_reason() {
        let keeper = TermKeeper::new(Instant::now() + LONG);
        let term = keeper.term();
        let waiting = tokio::spawn({
            let term = term.clone();
            async move { term.lost().await }
        });
        tokio::task::yield_now().await;

        keeper.end(Loss::Taken("other".to_owned()));
        keeper.end(Loss::GivenUp);

        assert_eq!(waiting.await.ok(), Some(Loss::Taken("other".to_owned())));
        assert!(term.valid_until() <= Instant::now());
        assert_eq!(keeper.extend(Instant::now() + LONG), Err(Loss::Taken("other".to_owned())));
    }

    #[tokio::test]
    async fn an_older_renewal_does_not_shorten_a_term() {
        let until = Instant::now() + LONG;
        let keeper = TermKeeper::new(until);

        assert_eq!(keeper.extend(until - SHORT), Ok(()));

        assert_eq!(keeper.term().valid_until(), until);
    }
}
