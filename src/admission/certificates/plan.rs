//! What to do about the certificates, and when. Pure: times come in as data.
//!
//! Two orders matter. A new authority is made known (in the bundle that the API server trusts) before anything is
//! signed by it; and one that no longer signs stays in the bundle until it has ended, since until then a replica may
//! still serve with a certificate of its. Its key goes the moment that it stops to sign.

use std::time::Duration;

use jiff::Timestamp;

use super::{Validity, pair::later};

/// How long things last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Life of an authority.
    pub authority: Duration,
    /// Life of a serving certificate.
    pub serving: Duration,
    /// How long a bundle must have been in the webhook configuration before every API server can be trusted to
    /// know it.
    pub settle: Duration,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The authority that signs.
    pub signer: Option<Validity>,
    /// The one that will sign next.
    pub next: Option<Validity>,
    /// Those that no longer sign.
    pub retired: Vec<Validity>,
    /// The serving certificate.
    pub serving: Option<ServingState>,
    /// Since when the bundle, all of it, is in the webhook configuration.
    pub published: Option<Timestamp>,
}

/// A serving certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServingState {
    /// From when to when it holds.
    pub validity: Validity,
    /// Whether the authority that signs has signed it.
    pub by_signer: bool,
    /// Whether it is for the names that are asked for.
    pub right_names: bool,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make an authority and a serving certificate: there is nothing to go on with. Authorities that are there
    /// stay trusted.
    Begin,
    /// Make the next authority and put it into the bundle.
    Announce,
    /// Let the next authority sign, and sign a serving certificate with it.
    Switch,
    /// Sign a serving certificate.
    Renew,
    /// Take authorities that have ended out of the bundle.
    Forget,
    /// Nothing until this time.
    Wait(Timestamp),
}

/// Says what is to be done next.
#[must_use]
pub fn plan(state: &State, policy: &Policy, now: Timestamp) -> Step {
    let holds = |validity: &Validity| validity.not_after > now;
    let next = state.next.filter(holds);
    let Some(signer) = state.signer.filter(holds) else {
        // Nothing that it signed is accepted any more: there is nothing to wait for.
        return if next.is_some() { Step::Switch } else { Step::Begin };
    };
    let switch = next.and(state.published).map(|since| later(since, policy.settle));
    if switch.is_some_and(|at| at <= now) {
        return Step::Switch;
    }
    if state.next.is_none() && signer.due() <= now {
        return Step::Announce;
    }
    let Some(serving) =
        state.serving.filter(|serving| serving.by_signer && serving.right_names && holds(&serving.validity))
    else {
        return Step::Renew;
    };
    // At the end of an authority's life there is little to gain, and signing again and again would be no help.
    let gain = later(now, policy.serving).min(signer.not_after).duration_since(serving.validity.not_after);
    let worth = gain.as_secs() > 0 && gain.unsigned_abs() >= policy.serving / 3;
    let due = if worth { serving.validity.due() } else { serving.validity.not_after };
    if due <= now {
        return Step::Renew;
    }
    if state.retired.iter().any(|retired| !holds(retired)) || state.next.is_some() && next.is_none() {
        return Step::Forget;
    }
    let mut times = vec![due, signer.not_after];
    // While it is worth nothing now, it may be at the time at which two thirds have passed.
    times.extend([serving.validity.due(), signer.due()].into_iter().filter(|at| *at > now));
    times.extend(switch);
    times.extend(state.retired.iter().map(|retired| retired.not_after));
    Step::Wait(times.into_iter().min().unwrap_or(due))
}

#[cfg(test)]
mod tests;
