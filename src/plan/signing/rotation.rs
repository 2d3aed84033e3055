//! The rotation of a signing key that is written to a Secret.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{JsonPointer, Reason, SigningSecret},
    plan::{ReconcileError, secrets::Sensitive},
};

use super::{journal::Journal, key::check_key};

/// How long a key that somebody else rotated in Svix may still be valid: Svix's default.
const DEFAULT_GRACE: Duration = Duration::from_secs(86_400);
/// The most keys before the current one that Svix signs with.
const OLD_KEYS: u32 = 10;
/// More keys would be valid at a time than Svix signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is more than {} times rotateAfter, and Svix signs with at most {OLD_KEYS} keys before the present one; make it \
     shorter, or rotate less often",
    OLD_KEYS - 1
)]
pub struct TooManyKeys;

impl TooManyKeys {
    /// The field that it is about.
    pub const FIELD: JsonPointer = JsonPointer::from_static("/spec/signingSecret/gracePeriod");
}

impl From<TooManyKeys> for ReconcileError {
    fn from(error: TooManyKeys) -> Self {
        Self::at(Reason::InvalidSpec, TooManyKeys::FIELD, error)
    }
}

/// Checks that rotation leaves no more valid keys than Svix signs with. Durations that the CRD refuses are not checked.
pub fn check_rotation(spec: &SigningSecret) -> Result<(), TooManyKeys> {
    match (spec.grace_period(), spec.rotate_after()) {
        (Some(grace), Some(after)) if grace > after.saturating_mul(OLD_KEYS - 1) => Err(TooManyKeys),
        _ => Ok(()),
    }
}

/// The next step of keeping or rotating a signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigningKeyStep {
    /// Write the Secret with this content.
    Write(Journal),
    /// Generate a new key and write it to the Secret as the next one; the rotation is for this value of `rotate-at`.
    Prepare(Option<String>),
    /// Write this key to Svix.
    Rotate(Sensitive),
    /// The key cannot be rotated.
    Refuse(ReconcileError),
    /// Nothing to do until this time.
    Keep(Option<Timestamp>),
}

/// When a key is rotated.
#[derive(Clone, Copy, Debug)]
pub struct Schedule<'a> {
    /// How long a key is used.
    pub rotate_after: Option<Duration>,
    /// How long the previous key stays valid.
    pub grace: Duration,
    /// A value of `rotate-at` that status does not record as handled.
    pub rotate_at: Option<&'a str>,
}

/// Returns the next step, given the content of the Secret, the key in Svix, and the time.
#[must_use]
pub fn plan(
    journal: Option<&Journal>,
    in_svix: &Sensitive,
    schedule: Schedule<'_>,
    now: Timestamp,
) -> SigningKeyStep {
    let after = |time: Timestamp, duration: Duration| time.checked_add(duration).unwrap_or(Timestamp::MAX);
    let Some(journal) = journal else {
        // An object that is created again from a manifest with `rotate-at` must not rotate by accident.
        return SigningKeyStep::Write(Journal {
            current: Some(in_svix.clone()),
            since: Some(now),
            rotated_for: schedule.rotate_at.map(str::to_owned),
            ..Journal::default()
        });
    };
    // Svix accepted the next key: it is the current one now.
    if journal.next.as_ref() == Some(in_svix) {
        let previous = journal.current.clone().filter(|_| !schedule.grace.is_zero());
        return SigningKeyStep::Write(Journal {
            current: journal.next.clone(),
            next: None,
            previous_until: previous.as_ref().map(|_| after(now, schedule.grace)),
            previous,
            since: Some(now),
            rotating_for: None,
            rotated_for: journal.rotating_for.clone().or_else(|| journal.rotated_for.clone()),
        });
    }
    // Somebody rotated the key in Svix, or changed the Secret: the key in Svix decides.
    if journal.current.as_ref() != Some(in_svix) {
        let before = journal.current.clone().filter(|key| check_key(key.expose()).is_ok());
        return SigningKeyStep::Write(Journal {
            current: Some(in_svix.clone()),
            previous_until: before.as_ref().map(|_| after(now, DEFAULT_GRACE)),
            previous: before,
            since: Some(now),
            ..journal.clone()
        });
    }
    let Some(since) = journal.since else {
        return SigningKeyStep::Write(Journal { since: Some(now), ..journal.clone() });
    };
    let is_over = match journal.previous_until {
        Some(until) => until <= now,
        None => journal.previous.is_some(),
    };
    if is_over {
        return SigningKeyStep::Write(Journal { previous: None, previous_until: None, ..journal.clone() });
    }
    let asked = schedule.rotate_at.filter(|value| journal.rotated_for.as_deref() != Some(*value));
    let next_rotation = schedule.rotate_after.map(|duration| after(since, duration));
    let due = asked.is_some() || next_rotation.is_some_and(|time| time <= now);
    match (due, &journal.next) {
        (true, _) if in_svix.expose().starts_with("whpk") => SigningKeyStep::Refuse(ReconcileError::at(
            Reason::InvalidSpec,
            "/spec/signingSecret",
            "the endpoint has an asymmetric key, which is not replaced by itself; take rotateAfter \
             and rotate-at away, or give it a symmetric key with fromSecret first",
        )),
        (true, None) => SigningKeyStep::Prepare(asked.map(str::to_owned)),
        (true, Some(next)) if check_key(next.expose()).is_ok() => SigningKeyStep::Rotate(next.clone()),
        // Somebody wrote another value there, or the spec was changed before the key was written to Svix.
        (_, Some(_)) => SigningKeyStep::Write(Journal { next: None, rotating_for: None, ..journal.clone() }),
        (false, None) => {
            SigningKeyStep::Keep([next_rotation, journal.previous_until].into_iter().flatten().min())
        }
    }
}
