//! Names and identifiers in Svix: their alphabet, and the derivation of ours.

use crate::api::{EventTypeNames, ID_PREFIXES};

use super::digest::Digest;

/// Longest name, uid or group in Svix, in bytes.
pub const MAX_NAME: usize = 256;

/// Whether Svix accepts a text as an event type name, a uid, a group or a feature flag.
///
/// Svix's rule is `^[a-zA-Z0-9\-_.]+$` and at most 256. `.` and `..` match it, but cannot be written in the path
/// of a URL, so they are not accepted here.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_NAME
        && text.bytes().all(is_name_byte)
        && text != "."
        && text != ".."
}

/// Whether Svix accepts a text as the uid of an application or endpoint: a name that cannot be mistaken for an id.
#[must_use]
pub fn is_uid(text: &str) -> bool {
    is_name(text) && !ID_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

/// A uid that Svix would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {0:?}, expected letters, digits, `-`, `_` and `.`, not starting with app_, ep_ or msg_")]
pub struct InvalidUid(pub String);

/// Checks the uid of an application, endpoint or event.
pub fn check_uid(uid: &str) -> Result<(), InvalidUid> {
    if is_uid(uid) { Ok(()) } else { Err(InvalidUid(uid.to_owned())) }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// A name that an event type cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEventTypeName {
    /// Svix does not accept it.
    #[error("found {}, expected 1 to {MAX_NAME} letters, digits, `-`, `_` and `.`", super::quoted(.0))]
    Characters(String),
    /// It has no groups, and the connection asks for them.
    #[error(
        "found {0:?}, expected `<group>.<event>`, such as `origin.create`: two or more parts joined by dots; \
         a connection with `eventTypeNames: Any` allows other names"
    )]
    NotGrouped(String),
}

/// Checks the name of an event type.
pub fn check_event_type_name(name: &str, policy: EventTypeNames) -> Result<(), InvalidEventTypeName> {
    if !is_name(name) {
        return Err(InvalidEventTypeName::Characters(name.to_owned()));
    }
    let is_grouped = name.contains('.') && name.split('.').all(|part| !part.is_empty());
    match policy {
        EventTypeNames::Grouped if !is_grouped => Err(InvalidEventTypeName::NotGrouped(name.to_owned())),
        _ => Ok(()),
    }
}

/// The uid of an endpoint whose spec names none. It depends on the names alone, so a cluster rebuilt from
/// Git finds its own endpoints. `ownerId` and namespaces have no dots, so two objects never share one.
#[must_use]
pub fn default_uid(owner_id: &str, namespace: &str, name: &str) -> String {
    let uid = format!("{owner_id}.{namespace}.{name}");
    if uid.len() > MAX_NAME {
        let digest = Digest::of_text(&uid);
        // Both parts are ASCII: Kubernetes' names and ownerId are.
        return format!("{}.{digest}", uid.chars().take(MAX_NAME - 33).collect::<String>());
    }
    // `app_1.default.x` would be refused, since it begins like an id.
    if is_uid(&uid) { uid } else { format!("owner-{uid}").chars().take(MAX_NAME).collect() }
}

/// The prefix of the uids that the endpoints of an owner have by default.
#[must_use]
pub fn default_uid_prefix(owner_id: &str) -> String {
    let prefix = format!("{owner_id}.");
    if is_uid(&prefix) { prefix } else { format!("owner-{prefix}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn grouped_names_have_two_or_more_parts() {
        for good in ["origin.create", "a.b.c", "a-1._x"] {
            assert_eq!(check_event_type_name(good, EventTypeNames::Grouped), Ok(()), "{good}");
        }
        for bad in ["nodot", "a..b", ".a", "a.", ".", "..", "a b.c", "é.a", "", &"a.".repeat(200)] {
            assert!(check_event_type_name(bad, EventTypeNames::Grouped).is_err(), "{bad}");
        }
        for any in ["nodot", "a..b", "a."] {
            assert_eq!(check_event_type_name(any, EventTypeNames::Any), Ok(()), "{any}");
        }
        for never in ["", ".", "..", "a/b", "a b"] {
            assert!(check_event_type_name(never, EventTypeNames::Any).is_err(), "{never}");
        }
    }

    #[test]
    fn the_default_uid_says_owner_namespace_and_name() {
        assert_eq!(default_uid("prod", "team-a", "hook.one"), "prod.team-a.hook.one");
    }

    #[test]
    fn long_default_uids_are_cut_and_stay_distinct() {
        let (a, b) = (
            default_uid("o", "n", &"a".repeat(253)),
            default_uid("o", "n", &format!("{}b", "a".repeat(252))),
        );
        assert_ne!(a, b);
        assert!(is_uid(&a) && is_uid(&b), "{a} {b}");
    }

    #[test]
    fn a_default_uid_is_never_taken_for_an_id() {
        let uid = default_uid("app_1", "n", "x");
        assert!(is_uid(&uid), "{uid}");
    }
}
