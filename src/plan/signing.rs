//! The signing key of an endpoint: which keys Svix accepts, and how a key that is written to a Secret is kept current
//! and rotated.
//!
//! The Secret is the journal of a rotation, so a crash at any point is repaired by the next reconcile: the next key is
//! written to the Secret before it is written to Svix, and the key that Svix returns decides whether it was accepted.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use crate::api::{JsonPointer, Reason, SigningKeyStatus, SigningSecret, WebhookEndpoint};

use super::{
    ReconcileError,
    secrets::{SecretData, Sensitive},
};

/// Annotation of a Secret that a signing key was written to: the name of the endpoint.
pub const ENDPOINT_ANNOTATION: &str = "svix-operator.dev/endpoint";
const SINCE_ANNOTATION: &str = "svix-operator.dev/signing-key-since";
const PREVIOUS_UNTIL_ANNOTATION: &str = "svix-operator.dev/previous-key-valid-until";
const ROTATING_FOR_ANNOTATION: &str = "svix-operator.dev/rotating-for";
const ROTATED_FOR_ANNOTATION: &str = "svix-operator.dev/rotated-for";

/// Lengths of a symmetric key, in bytes.
const SYMMETRIC: std::ops::RangeInclusive<usize> = 24..=75;
/// Length of an ed25519 key: the seed and the public key.
const ED25519: usize = 64;
/// Length of a key that is generated here, in bytes.
pub const NEW_KEY: usize = 32;
/// How long a key that somebody else rotated in Svix may still be valid: Svix's default.
const DEFAULT_GRACE: Duration = Duration::from_secs(86_400);
/// The most keys before the current one that Svix signs with.
const OLD_KEYS: u32 = 10;

/// A signing key that Svix would refuse. No message contains the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It has none of the known prefixes.
    #[error("found a text that does not begin with whsec_; {EXPECTED_KEY}")]
    Prefix,
    /// It is not base64.
    #[error("what follows the prefix is not base64; {EXPECTED_KEY}")]
    Encoding(#[source] base64::DecodeError),
    /// It has the wrong length.
    #[error("found {0} bytes; {EXPECTED_KEY}")]
    Length(usize),
}

const EXPECTED_KEY: &str =
    "expected whsec_ and the base64 of 24 to 75 bytes, or whsk_ and the base64 of an ed25519 key pair";

/// Checks a key before it is written to Svix.
pub fn check_key(key: &str) -> Result<(), InvalidKey> {
    let (text, is_asymmetric) = match (key.strip_prefix("whsec_"), key.strip_prefix("whsk_")) {
        (Some(text), _) => (text, false),
        (None, Some(text)) => (text, true),
        (None, None) => return Err(InvalidKey::Prefix),
    };
    let length = STANDARD.decode(text).map_err(InvalidKey::Encoding)?.len();
    let is_valid = if is_asymmetric { length == ED25519 } else { SYMMETRIC.contains(&length) };
    if is_valid { Ok(()) } else { Err(InvalidKey::Length(length)) }
}

/// The form in which Svix returns a key: an asymmetric one as its public half, others in the base64 that Svix writes.
#[must_use]
pub fn as_returned(key: &Sensitive) -> Sensitive {
    let public = |text: &str| {
        let bytes = STANDARD.decode(text).ok()?;
        Some(format!("whpk_{}", STANDARD.encode(bytes.get(ED25519 / 2..)?)))
    };
    match key.expose().strip_prefix("whsk_").and_then(public) {
        Some(public) => Sensitive::new(public),
        None => key.clone(),
    }
}

/// A new key from random bytes.
#[must_use]
pub fn new_key(random: [u8; NEW_KEY]) -> Sensitive {
    Sensitive::new(format!("whsec_{}", STANDARD.encode(random)))
}

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

/// The state of a rotation, as the Secret records it that the signing key is written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// The current key.
    pub current: Option<Sensitive>,
    /// The key that is written to Svix next.
    pub next: Option<Sensitive>,
    /// The key before, while it is still valid.
    pub previous: Option<Sensitive>,
    /// Since when the current key has been in use.
    pub since: Option<Timestamp>,
    /// Until when the key before is valid.
    pub previous_until: Option<Timestamp>,
    /// The value of `rotate-at` that the rotation in progress is for.
    pub rotating_for: Option<String>,
    /// The value of `rotate-at` that the last rotation was for.
    pub rotated_for: Option<String>,
}

impl Journal {
    /// Reads the Secret; `key` is the key in its data.
    #[must_use]
    pub fn read(secret: &SecretData, key: &str) -> Self {
        let text = |key: &str| secret.text(key).filter(|text| !text.is_empty()).map(Sensitive::new);
        let annotation = |key: &str| secret.annotations.get(key).cloned();
        let time = |key: &str| annotation(key).and_then(|text| text.parse().ok());
        Self {
            current: text(key),
            next: text(&next_name(key)),
            previous: text(&previous_name(key)),
            since: time(SINCE_ANNOTATION),
            previous_until: time(PREVIOUS_UNTIL_ANNOTATION),
            rotating_for: annotation(ROTATING_FOR_ANNOTATION),
            rotated_for: annotation(ROTATED_FOR_ANNOTATION),
        }
    }

    /// The data of the Secret; `None`: an entry that must not be there.
    #[must_use]
    pub fn data(&self, key: &str) -> BTreeMap<String, Option<Sensitive>> {
        BTreeMap::from([
            (key.to_owned(), self.current.clone()),
            (next_name(key), self.next.clone()),
            (previous_name(key), self.previous.clone()),
        ])
    }

    /// The annotations of the Secret; `None`: one that must not be there.
    #[must_use]
    pub fn annotations(&self, endpoint: &str) -> BTreeMap<String, Option<String>> {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let entries = [
            (ENDPOINT_ANNOTATION, Some(endpoint.to_owned())),
            (SINCE_ANNOTATION, time(self.since)),
            (PREVIOUS_UNTIL_ANNOTATION, time(self.previous_until)),
            (ROTATING_FOR_ANNOTATION, self.rotating_for.clone()),
            (ROTATED_FOR_ANNOTATION, self.rotated_for.clone()),
        ];
        entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The status of the key.
    #[must_use]
    pub fn status(&self, spec: &SigningSecret) -> SigningKeyStatus {
        let next = |since: Timestamp| since.checked_add(spec.rotate_after()?).ok();
        SigningKeyStatus {
            since: self.since,
            next_rotation: self.since.and_then(next),
            previous_valid_until: self.previous_until,
        }
    }
}

fn next_name(key: &str) -> String {
    format!("{key}.next")
}

fn previous_name(key: &str) -> String {
    format!("{key}.previous")
}

/// Whether a Secret belongs to this very object.
#[must_use]
pub fn is_owned(secret: &SecretData, endpoint: &WebhookEndpoint) -> bool {
    secret.owners.iter().any(|owner| Some(&owner.uid) == endpoint.metadata.uid.as_ref())
}

/// Checks that a Secret may be written for an endpoint: it belongs to this object, or it was written for an object of this
/// name with another uid (a restored backup, or one that was deleted and created again) and has no other owner.
pub fn check_ownership(
    secret: &SecretData,
    endpoint: &WebhookEndpoint,
    field: impl Into<JsonPointer>,
) -> Result<(), ReconcileError> {
    let name = endpoint.metadata.name.as_deref().unwrap_or_default();
    let marked = secret.annotations.get(ENDPOINT_ANNOTATION).is_some_and(|found| found == name);
    let of_namesake = secret.owners.iter().all(|owner| owner.kind == "WebhookEndpoint" && owner.name == name);
    if is_owned(secret, endpoint) || (marked && of_namesake) {
        return Ok(());
    }
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    Err(ReconcileError::at(
        Reason::SecretNotOurs,
        field,
        format_args!(
            "there is a Secret of that name in namespace {namespace} which was not made for this endpoint, and \
             it is not touched; name another, or delete it"
        ),
    ))
}

/// The key that an endpoint is created again with, so that its receivers keep theirs: the current one of the Secret
/// that it was written to. `None`: there is none that Svix would accept, or the Secret is not this endpoint's.
#[must_use]
pub fn key_for_recreation(secret: &SecretData, endpoint: &WebhookEndpoint, key: &str) -> Option<Sensitive> {
    check_ownership(secret, endpoint, JsonPointer::ROOT).ok()?;
    Journal::read(secret, key).current.filter(|current| check_key(current.expose()).is_ok())
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
        (true, _) if in_svix.expose().starts_with("whpk_") => SigningKeyStep::Refuse(ReconcileError::at(
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn key(text: &str) -> Sensitive {
        new_key(std::array::from_fn(|index| text.as_bytes()[index % text.len()]))
    }

    fn schedule(rotate_at: Option<&str>) -> Schedule<'_> {
        Schedule { rotate_after: Some(10 * HOUR), grace: 2 * HOUR, rotate_at }
    }

    /// Carries out steps until nothing is left to do; a crash loses nothing but what was not written.
    fn settle(journal: &mut Option<Journal>, svix: &mut Sensitive, schedule: Schedule<'_>, now: Timestamp) {
        for step in 0..10u8 {
            match plan(journal.as_ref(), svix, schedule, now) {
                SigningKeyStep::Write(written) => *journal = Some(written),
                SigningKeyStep::Prepare(rotating_for) => {
                    let next = Some(key(&format!("new {step} {now}")));
                    *journal = Some(Journal { next, rotating_for, ..journal.clone().unwrap() });
                }
                SigningKeyStep::Rotate(next) => *svix = next,
                SigningKeyStep::Keep(_) => return,
                SigningKeyStep::Refuse(error) => unreachable!("{error}"),
            }
        }
        unreachable!("it never settles");
    }

    #[test]
    fn keys_are_checked_without_being_repeated() {
        assert_eq!(check_key(key("a").expose()), Ok(()));
        for bad in ["", "secret", "whsec_", "whsec_####", "whsec_c2hvcnQ=", "whsk_c2hvcnQ="] {
            let message = check_key(bad).unwrap_err().to_string();
            assert!(message.contains("expected whsec_"), "{message}");
            assert!(!message.contains("c2hvcnQ"), "{message}");
        }
    }

    #[test]
    fn the_key_of_svix_is_written_to_the_secret_once() {
        let (mut journal, mut svix) = (None, key("one"));
        settle(&mut journal, &mut svix, schedule(None), at(0));
        let written = journal.clone().unwrap();
        assert_eq!(written.current, Some(key("one")));
        assert_eq!(plan(journal.as_ref(), &svix, schedule(None), at(9)), SigningKeyStep::Keep(Some(at(10))));
    }

    #[test]
    fn a_rotation_leaves_both_keys_while_both_are_valid() {
        let (mut journal, mut svix) = (None, key("one"));
        settle(&mut journal, &mut svix, schedule(None), at(0));
        settle(&mut journal, &mut svix, schedule(None), at(10));
        let rotated = journal.clone().unwrap();
        assert_ne!(svix, key("one"));
        assert_eq!((rotated.current.as_ref(), rotated.previous), (Some(&svix), Some(key("one"))));
        assert_eq!((rotated.next, rotated.previous_until), (None, Some(at(12))));
        settle(&mut journal, &mut svix, schedule(None), at(12));
        assert_eq!(journal.unwrap().previous, None);
    }

    #[test]
    fn a_crash_at_any_point_rotates_once() {
        // After the next key is in the Secret, Svix may have received it or not; both end with the same key in both.
        for was_received in [false, true] {
            let (mut journal, mut svix) = (None, key("one"));
            settle(&mut journal, &mut svix, schedule(None), at(0));
            let next = key("next");
            journal = Some(Journal {
                next: Some(next.clone()),
                rotating_for: Some("now".into()),
                ..journal.unwrap()
            });
            if was_received {
                svix = next.clone();
            }
            settle(&mut journal, &mut svix, schedule(Some("now")), at(1));
            let end = journal.clone().unwrap();
            assert_eq!((svix.clone(), end.current, end.next), (next.clone(), Some(next), None));
            assert_eq!(end.rotated_for.as_deref(), Some("now"));
            // Status does not record it; the Secret does.
            let (before, key) = (journal.clone(), svix.clone());
            settle(&mut journal, &mut svix, schedule(Some("now")), at(2));
            assert_eq!((journal, svix), (before, key));
        }
    }

    #[test]
    fn a_rotation_by_somebody_else_is_followed() {
        let (mut journal, mut svix) = (None, key("one"));
        settle(&mut journal, &mut svix, schedule(None), at(0));
        svix = key("by hand");
        settle(&mut journal, &mut svix, schedule(None), at(1));
        let end = journal.unwrap();
        assert_eq!((end.current, end.previous), (Some(key("by hand")), Some(key("one"))));
        assert_eq!(svix, key("by hand"));
    }

    #[test]
    fn a_secret_that_was_deleted_comes_back_without_a_rotation() {
        let mut svix = key("one");
        let mut journal = None;
        settle(&mut journal, &mut svix, schedule(Some("old")), at(50));
        assert_eq!((journal.unwrap().current, svix), (Some(key("one")), key("one")));
    }

    #[test]
    fn an_asymmetric_key_reads_back_as_its_public_half() {
        let pair: Vec<u8> = (0..64).collect();
        let key = Sensitive::new(format!("whsk_{}", STANDARD.encode(&pair)));
        assert_eq!(check_key(key.expose()), Ok(()));
        assert_eq!(as_returned(&key).expose(), format!("whpk_{}", STANDARD.encode(&pair[32..])));
    }
}
