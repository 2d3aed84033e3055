//! The signing key of an endpoint: which keys Svix takes, and how a key that is written to a Secret is kept right and
//! replaced.
//!
//! The Secret is the journal of a rotation, so a crash at any point is repaired by looking again: the next key is
//! written down before Svix is told of it, and what Svix says decides whether it was taken.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use crate::api::{Reason, SigningKeyStatus, SigningSecret, WebhookEndpoint};

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
/// Length of a key that is made here, in bytes.
pub const NEW_KEY: usize = 32;
/// How long a key that was replaced in Svix by somebody else may still be valid: Svix's default.
const DEFAULT_GRACE: Duration = Duration::from_secs(86_400);
/// How many keys before the present one Svix signs with at most.
const OLD_KEYS: u32 = 10;

/// Checks a key that Svix is to use; the message does not hold it.
pub fn check_key(key: &str) -> Result<(), String> {
    let expected =
        "expected whsec_ and the base64 of 24 to 75 bytes, or whsk_ and the base64 of an ed25519 key pair";
    let (text, asymmetric) = match (key.strip_prefix("whsec_"), key.strip_prefix("whsk_")) {
        (Some(text), _) => (text, false),
        (None, Some(text)) => (text, true),
        (None, None) => return Err(format!("found a text that does not begin with whsec_; {expected}")),
    };
    let bytes =
        STANDARD.decode(text).map_err(|_| format!("what follows the prefix is not base64; {expected}"))?;
    let good = if asymmetric { bytes.len() == ED25519 } else { SYMMETRIC.contains(&bytes.len()) };
    if good { Ok(()) } else { Err(format!("found {} bytes; {expected}", bytes.len())) }
}

/// How a key reads back from Svix: an asymmetric one as its public half, others in the base64 that Svix writes.
#[must_use]
pub fn as_shown(key: &Sensitive) -> Sensitive {
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

/// Checks what a spec says of its signing key.
pub fn check(spec: &SigningSecret) -> Result<(), String> {
    if spec.from_secret.is_some() == spec.to_secret.is_some() {
        return Err("/spec/signingSecret: exactly one of fromSecret and toSecret must be given".to_owned());
    }
    let Some(grace) = spec.grace_period() else {
        return Err("/spec/signingSecret/gracePeriod: expected 0s to 168h, such as 24h".to_owned());
    };
    if spec.rotate_after.is_none() {
        return Ok(());
    }
    if spec.to_secret.is_none() {
        return Err(
            "/spec/signingSecret/rotateAfter: it needs toSecret: a key that comes from a Secret is replaced \
                    by changing the Secret"
                .to_owned(),
        );
    }
    match spec.rotate_after() {
        None => Err("/spec/signingSecret/rotateAfter: expected 1h to 87600h, such as 720h".to_owned()),
        Some(after) if grace > after.saturating_mul(OLD_KEYS - 1) => Err(format!(
            "/spec/signingSecret/gracePeriod: it is more than {} times rotateAfter, and Svix signs with at most \
             {OLD_KEYS} keys before the present one; make it shorter, or rotate less often",
            OLD_KEYS - 1
        )),
        Some(_) => Ok(()),
    }
}

/// What the Secret that a signing key is written to says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// The key that is used now.
    pub current: Option<Sensitive>,
    /// The key that Svix is about to be told of.
    pub next: Option<Sensitive>,
    /// The key before, while it is valid, too.
    pub previous: Option<Sensitive>,
    /// Since when the present key has been used.
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

    /// What status says of the key.
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

/// Whether a Secret may be written for an endpoint: it belongs to this object, or it was written for an object of this
/// name with another uid (a restored backup, or one that was deleted and made again) and belongs to nobody else.
pub fn check_ours(
    secret: &SecretData,
    endpoint: &WebhookEndpoint,
    field: &str,
) -> Result<(), ReconcileError> {
    let name = endpoint.metadata.name.as_deref().unwrap_or_default();
    let marked = secret.annotations.get(ENDPOINT_ANNOTATION).is_some_and(|found| found == name);
    let of_namesake = secret.owners.iter().all(|owner| owner.kind == "WebhookEndpoint" && owner.name == name);
    if is_owned(secret, endpoint) || (marked && of_namesake) {
        return Ok(());
    }
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    Err(ReconcileError::new(
        Reason::SecretNotOurs,
        format!(
            "{field}: there is a Secret of that name in namespace {namespace} which was not made for this endpoint, and \
             it is not touched; name another, or delete it"
        ),
    ))
}

/// The key that an endpoint is made again with, so that its receivers notice nothing: the present one of the Secret
/// that it was written to. `None`: there is none that Svix would take, or the Secret is not this endpoint's.
#[must_use]
pub fn to_make_again_with(secret: &SecretData, endpoint: &WebhookEndpoint, key: &str) -> Option<Sensitive> {
    check_ours(secret, endpoint, "").ok()?;
    Journal::read(secret, key).current.filter(|current| check_key(current.expose()).is_ok())
}

/// What is to be done about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write the Secret so.
    Write(Journal),
    /// Make a new key and write it down as the next one; the rotation is for this value of `rotate-at`.
    Prepare(Option<String>),
    /// Tell Svix to use this key from now on.
    Rotate(Sensitive),
    /// It cannot be rotated.
    Refuse(ReconcileError),
    /// Nothing, until this time.
    Keep(Option<Timestamp>),
}

/// When a key is to be replaced.
#[derive(Clone, Copy, Debug)]
pub struct Schedule<'a> {
    /// How long a key is used.
    pub rotate_after: Option<Duration>,
    /// How long the key before stays valid.
    pub grace: Duration,
    /// A value of `rotate-at` that status does not say was handled.
    pub rotate_at: Option<&'a str>,
}

/// What is to be done, given what the Secret says, the key that Svix has, and the time.
#[must_use]
pub fn plan(journal: Option<&Journal>, in_svix: &Sensitive, schedule: Schedule<'_>, now: Timestamp) -> Step {
    let after = |time: Timestamp, duration: Duration| time.checked_add(duration).unwrap_or(Timestamp::MAX);
    let Some(journal) = journal else {
        // An object that is made again from a manifest with `rotate-at` must not rotate by accident.
        return Step::Write(Journal {
            current: Some(in_svix.clone()),
            since: Some(now),
            rotated_for: schedule.rotate_at.map(str::to_owned),
            ..Journal::default()
        });
    };
    // Svix took the next key: it is the present one now.
    if journal.next.as_ref() == Some(in_svix) {
        let previous = journal.current.clone().filter(|_| !schedule.grace.is_zero());
        return Step::Write(Journal {
            current: journal.next.clone(),
            next: None,
            previous_until: previous.as_ref().map(|_| after(now, schedule.grace)),
            previous,
            since: Some(now),
            rotating_for: None,
            rotated_for: journal.rotating_for.clone().or_else(|| journal.rotated_for.clone()),
        });
    }
    // Somebody replaced the key in Svix, or changed the Secret: what Svix says decides.
    if journal.current.as_ref() != Some(in_svix) {
        let before = journal.current.clone().filter(|key| check_key(key.expose()).is_ok());
        return Step::Write(Journal {
            current: Some(in_svix.clone()),
            previous_until: before.as_ref().map(|_| after(now, DEFAULT_GRACE)),
            previous: before,
            since: Some(now),
            ..journal.clone()
        });
    }
    let Some(since) = journal.since else {
        return Step::Write(Journal { since: Some(now), ..journal.clone() });
    };
    let is_over = match journal.previous_until {
        Some(until) => until <= now,
        None => journal.previous.is_some(),
    };
    if is_over {
        return Step::Write(Journal { previous: None, previous_until: None, ..journal.clone() });
    }
    let asked = schedule.rotate_at.filter(|value| journal.rotated_for.as_deref() != Some(*value));
    let next_rotation = schedule.rotate_after.map(|duration| after(since, duration));
    let due = asked.is_some() || next_rotation.is_some_and(|time| time <= now);
    match (due, &journal.next) {
        (true, _) if in_svix.expose().starts_with("whpk_") => Step::Refuse(ReconcileError::new(
            Reason::InvalidSpec,
            "/spec/signingSecret: the endpoint has an asymmetric key, which is not replaced by itself; take rotateAfter \
             and rotate-at away, or give it a symmetric key with fromSecret first",
        )),
        (true, None) => Step::Prepare(asked.map(str::to_owned)),
        (true, Some(next)) if check_key(next.expose()).is_ok() => Step::Rotate(next.clone()),
        // Somebody wrote something else there, or the spec changed its mind before Svix was told.
        (_, Some(_)) => Step::Write(Journal { next: None, rotating_for: None, ..journal.clone() }),
        (false, None) => Step::Keep([next_rotation, journal.previous_until].into_iter().flatten().min()),
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
        for turn in 0..10u8 {
            match plan(journal.as_ref(), svix, schedule, now) {
                Step::Write(written) => *journal = Some(written),
                Step::Prepare(rotating_for) => {
                    let next = Some(key(&format!("new {turn} {now}")));
                    *journal = Some(Journal { next, rotating_for, ..journal.clone().unwrap() });
                }
                Step::Rotate(next) => *svix = next,
                Step::Keep(_) => return,
                Step::Refuse(refusal) => unreachable!("{refusal}"),
            }
        }
        unreachable!("it never settles");
    }

    #[test]
    fn keys_are_checked_without_being_repeated() {
        assert_eq!(check_key(key("a").expose()), Ok(()));
        for bad in ["", "secret", "whsec_", "whsec_####", "whsec_c2hvcnQ=", "whsk_c2hvcnQ="] {
            let message = check_key(bad).unwrap_err();
            assert!(message.contains("expected whsec_"), "{message}");
            assert!(!message.contains("c2hvcnQ"), "{message}");
        }
    }

    #[test]
    fn the_key_of_svix_is_written_down_and_then_left_alone() {
        let (mut journal, mut svix) = (None, key("one"));
        settle(&mut journal, &mut svix, schedule(None), at(0));
        let written = journal.clone().unwrap();
        assert_eq!(written.current, Some(key("one")));
        assert_eq!(plan(journal.as_ref(), &svix, schedule(None), at(9)), Step::Keep(Some(at(10))));
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
        // After the next key is written, Svix may have been told of it or not; both end with the same key in both.
        for told in [false, true] {
            let (mut journal, mut svix) = (None, key("one"));
            settle(&mut journal, &mut svix, schedule(None), at(0));
            let next = key("next");
            journal = Some(Journal {
                next: Some(next.clone()),
                rotating_for: Some("now".into()),
                ..journal.unwrap()
            });
            if told {
                svix = next.clone();
            }
            settle(&mut journal, &mut svix, schedule(Some("now")), at(1));
            let end = journal.clone().unwrap();
            assert_eq!((svix.clone(), end.current, end.next), (next.clone(), Some(next), None));
            assert_eq!(end.rotated_for.as_deref(), Some("now"));
            // Status did not hear of it; the Secret knows.
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
        assert_eq!(as_shown(&key).expose(), format!("whpk_{}", STANDARD.encode(&pair[32..])));
    }
}
