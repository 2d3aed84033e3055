//! Recognises what swh-webhooks creates: an application for each event type, whose uid is the version 5 UUID of the event type's
//! name, and a header with that name.

use crate::plan::{channels::uuid_of, endpoint::Observed};

/// The header with the event type's name that swh-webhooks sets.
pub const HEADER: &str = "X-Swh-Event";

/// Returns the event type that an application is of, given its uid and its name.
#[must_use]
pub fn event_type_of_application<'a>(uid: Option<&str>, name: &'a str) -> Option<&'a str> {
    let (group, event) = name.split_once('.')?;
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    (is_part(group) && is_part(event) && uid == Some(&uuid_of(name))).then_some(name)
}

/// Returns the event type that an application is of, given one of its endpoints: an application that was created again has its
/// uid as its name.
#[must_use]
pub fn event_type_of_endpoint<'a>(uid: Option<&str>, endpoint: &'a Observed) -> Option<&'a str> {
    let [event_type] = endpoint.event_types.as_deref()? else { return None };
    event_type_of_application(uid, event_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_of_an_event_type_is_recognised() {
        let uid = "21dacaea-7e38-5e52-80af-4d926f0c43d1";
        assert_eq!(event_type_of_application(Some(uid), "origin.visit"), Some("origin.visit"));
        assert_eq!(event_type_of_application(Some(uid), "origin.create"), None);
        assert_eq!(event_type_of_application(None, "origin.visit"), None);
        assert_eq!(event_type_of_application(Some(&uuid_of("plain")), "plain"), None);
        assert_eq!(event_type_of_application(Some(&uuid_of("a.b.c")), "a.b.c"), None);
    }
}
