//! Decides which certificates to create or renew, and when. Pure: times are passed in.
//!
//! Two orders matter. A new authority is published (in the bundle that the API server trusts) before it signs anything. An
//! authority that no longer signs stays in the bundle until it expires, because a replica may still serve with a
//! certificate that it signed; its key is deleted when it stops signing.

use std::time::Duration;

use jiff::Timestamp;

use super::pair::{Validity, later};

/// Lifetimes and delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Lifetime of an authority.
    pub authority: Duration,
    /// Lifetime of a serving certificate.
    pub serving: Duration,
    /// Time after which every API server is assumed to know a bundle that was written into the webhook configuration.
    pub settle: Duration,
}

/// The certificates that exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The authority that signs.
    pub signer: Option<Validity>,
    /// The authority that will sign next.
    pub next: Option<Validity>,
    /// The authorities that no longer sign.
    pub retired: Vec<Validity>,
    /// The serving certificate.
    pub serving: Option<ServingState>,
    /// Since when the whole bundle is in the webhook configuration.
    pub published: Option<Timestamp>,
}

/// A serving certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServingState {
    /// The period in which it is valid.
    pub validity: Validity,
    /// Whether the current signing authority has signed it.
    pub is_by_signer: bool,
    /// Whether it covers the names of the server.
    pub covers_names: bool,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Create an authority and a serving certificate, because no authority can sign. Existing authorities stay trusted.
    Begin,
    /// Create the next authority and add it to the bundle.
    Announce,
    /// Make the next authority the signing one, and sign a serving certificate with it.
    Switch,
    /// Sign a new serving certificate.
    Renew,
    /// Remove expired authorities from the bundle.
    Forget,
    /// Nothing to do until this time.
    Wait(Timestamp),
}

/// Returns the next step.
#[must_use]
pub fn plan(state: &State, policy: &Policy, now: Timestamp) -> Step {
    let is_valid = |validity: &Validity| validity.not_after > now;
    let next = state.next.filter(is_valid);
    let Some(signer) = state.signer.filter(is_valid) else {
        // Clients accept nothing that an expired authority signed: there is no reason to wait.
        return if next.is_some() { Step::Switch } else { Step::Begin };
    };
    let switch = next.and(state.published).map(|since| later(since, policy.settle));
    if switch.is_some_and(|at| at <= now) {
        return Step::Switch;
    }
    if state.next.is_none() && signer.renewal_time() <= now {
        return Step::Announce;
    }
    let Some(serving) = state
        .serving
        .filter(|serving| serving.is_by_signer && serving.covers_names && is_valid(&serving.validity))
    else {
        return Step::Renew;
    };
    // Shortly before the signing authority expires, a new certificate would hardly be valid for longer.
    let gain = later(now, policy.serving).min(signer.not_after).duration_since(serving.validity.not_after);
    let is_worthwhile = gain.as_secs() > 0 && gain.unsigned_abs() >= policy.serving / 3;
    let due = if is_worthwhile { serving.validity.renewal_time() } else { serving.validity.not_after };
    if due <= now {
        return Step::Renew;
    }
    if state.retired.iter().any(|retired| !is_valid(retired)) || state.next.is_some() && next.is_none() {
        return Step::Forget;
    }
    let mut times = vec![due, signer.not_after];
    // A renewal that is not worthwhile now may be at the regular renewal time.
    times.extend([serving.validity.renewal_time(), signer.renewal_time()].into_iter().filter(|at| *at > now));
    times.extend(switch);
    times.extend(state.retired.iter().map(|retired| retired.not_after));
    Step::Wait(times.into_iter().min().unwrap_or(due))
}

#[cfg(test)]
mod tests;
