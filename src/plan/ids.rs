//! Names and identifiers in Svix: their alphabet, and how ours are made.

use crate::api::EventTypeNames;

use super::digest::Digest;

/// Longest name, uid or group in Svix, in bytes.
pub const MAX_NAME: usize = 256;

/// Whether Svix takes a text as an event type name, a uid, a group or a feature flag.
///
/// Svix's rule is `^[a-zA-Z0-9\-_.]+$` and at most 256. `.` and `..` pass it, but cannot be said in the path
/// of a URL, so they are no names here.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_NAME
        && text.bytes().all(is_name_byte)
        && text != "."
        && text != ".."
}

/// Whether Svix takes a text as the uid of an application or endpoint: a name that cannot be taken for an id.
#[must_use]
pub fn is_uid(text: &str) -> bool {
    is_name(text) && !["app_", "ep_", "msg_"].iter().any(|prefix| text.starts_with(prefix))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Checks the name of an event type; an error says what was expected.
pub fn check_event_type_name(name: &str, policy: EventTypeNames) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!(
            "found {}, expected 1 to {MAX_NAME} letters, digits, `-`, `_` and `.`",
            super::quoted(name)
        ));
    }
    let grouped = name.contains('.') && name.split('.').all(|part| !part.is_empty());
    match policy {
        EventTypeNames::Grouped if !grouped => Err(format!(
            "found {name:?}, expected `<group>.<event>`, such as `origin.create`: two or more parts joined by dots; \
             a connection with `eventTypeNames: Any` allows other names"
        )),
        _ => Ok(()),
    }
}

/// The mark that an endpoint in Svix carries: who declares it.
#[must_use]
pub fn owner_mark(owner_id: &str, namespace: &str, name: &str) -> String {
    format!("{owner_id}/{namespace}/{name}")
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
    // `app_1.default.x` would be refused as something that looks like an id.
    if is_uid(&uid) { uid } else { format!("owner-{uid}").chars().take(MAX_NAME).collect() }
}

/// What the uids begin with that the endpoints of an owner have by default.
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
    fn a_default_uid_never_looks_like_an_id() {
        let uid = default_uid("app_1", "n", "x");
        assert!(is_uid(&uid), "{uid}");
    }
}
