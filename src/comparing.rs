//! Which thread compares versions of schemas, and when: each comparison is a turn of its own.
//!
//! Most comparisons take a few milliseconds, and some a good part of a second. How long one takes is not estimated: it is begun
//! with little work, and where that is too little, it is begun again when it is its turn among those that take long.
//!
//! # Guarantees
//! - No comparison runs on a thread that serves others: also a brief one takes milliseconds, and a stack that the threads of
//!   the runtime do not have.
//! - Brief comparisons never wait for long ones, and namespaces take turns at both. Once a comparison of a change took long, no
//!   other one of it is begun as a brief one: many such attempts would delay the brief ones of others for nothing.
//! - A turn is the comparison of two versions in one direction, however many versions and levels a change is compared with. So
//!   another namespace waits for at most one comparison of each namespace before its own.
//! - While a comparison has a permit, it waits for nothing else: what it reads was read before.
//! - The verdict is the one of full work always.

use crate::{
    judging::{Panicked, thoroughly},
    plan::{
        compatibility::{Change, Step},
        revision::{Compared, Pair},
    },
    schema::evolution::{Level, Verdict},
    turns::{Caller, Permits},
};

/// Permits for comparisons. Cheap to clone.
#[derive(Clone)]
pub struct Comparisons {
    brief: Permits,
    long: Permits,
}

/// For whom something is compared.
#[derive(Clone, Copy)]
pub struct Requester<'a> {
    /// The caller.
    pub caller: Caller,
    /// The namespace; empty where it is not known.
    pub namespace: &'a str,
    /// Whether it may wait for the turn of a long comparison. It is asked when there is one to make.
    pub may_take_long: &'a (dyn Fn() -> bool + Sync),
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// The comparison panicked, which is a defect.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// It takes long, and the requester may not wait for that now.
    #[error("the comparison takes long")]
    TakesLong,
}

impl Comparisons {
    /// Uses the permits for what takes some milliseconds, and those for what takes long. A brief comparison takes up to 8 MiB, a
    /// long one 40. A task that has one of either must not wait for something that waits for a comparison.
    #[must_use]
    pub fn new(brief: Permits, long: Permits) -> Self {
        Self { brief, long }
    }

    /// Compares two versions at one level, each of its parts in a turn of its own. `takes_long`: whether to begin with long
    /// comparisons; set where one was needed.
    ///
    /// # Errors
    /// See [`Interrupted`].
    pub async fn compare(
        &self,
        requester: Requester<'_>,
        pair: &Pair,
        level: Level,
        takes_long: &mut bool,
    ) -> Result<Compared, Interrupted> {
        let mut verdict = None;
        for part in level.parts() {
            let of_part = match self.turn(requester, pair, *part, takes_long).await? {
                Compared::Verdict(of_part) => Verdict::of_parts(verdict, of_part),
                other => return Ok(other),
            };
            if of_part.is_final() {
                return Ok(Compared::Verdict(of_part));
            }
            verdict = Some(of_part);
        }
        // Each level has a part.
        Ok(Compared::Verdict(verdict.unwrap_or(Verdict::NotDecided { places: Vec::new() })))
    }

    async fn turn(
        &self,
        requester: Requester<'_>,
        pair: &Pair,
        level: Level,
        takes_long: &mut bool,
    ) -> Result<Compared, Interrupted> {
        if pair.is_small() && !*takes_long {
            let permit = self.brief.acquire(requester.caller, requester.namespace).await;
            let pair = pair.clone();
            if let Some(compared) = thoroughly(permit, move |_| pair.compare_briefly(level)).await? {
                return Ok(compared);
            }
        }
        *takes_long = true;
        if !(requester.may_take_long)() {
            return Err(Interrupted::TakesLong);
        }
        let permit = self.long.acquire(requester.caller, requester.namespace).await;
        let pair = pair.clone();
        Ok(thoroughly(permit, move |_| pair.compare(level)).await?)
    }

    /// Makes one step of a change: the comparisons with one version.
    ///
    /// # Errors
    /// See [`Interrupted`].
    pub async fn step(
        &self,
        requester: Requester<'_>,
        change: &mut Change,
        step: &Step,
    ) -> Result<(), Interrupted> {
        for policy in &step.policies {
            let compared = self.compare(requester, &step.pair, policy.level, &mut change.takes_long).await?;
            if !change.record(step.revision, *policy, compared) {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
