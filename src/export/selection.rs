//! What of an environment is exported: `--select`.

use std::str::FromStr;

use crate::plan::access::matches_pattern;

/// What is exported. A field without patterns selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    selectors: Vec<Selector>,
}

/// One `FIELD=PATTERN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    field: SelectedField,
    pattern: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SelectedField {
    /// Uid, or id, of an application.
    Application,
    /// Name of an event type.
    EventType,
    /// Uid, or id, of an endpoint.
    Endpoint,
    /// `ownerId` in the owner mark of an endpoint; empty: it has no mark.
    Owner,
}

/// A text that is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "found {0:?}, expected application=PATTERN, event-type=PATTERN, endpoint=PATTERN or owner=PATTERN, where * stands for any text"
)]
pub struct InvalidSelector(String);

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSelector(text.to_owned());
        let (field, pattern) = text.split_once('=').ok_or_else(invalid)?;
        let field = match field {
            "application" => SelectedField::Application,
            "event-type" => SelectedField::EventType,
            "endpoint" => SelectedField::Endpoint,
            "owner" => SelectedField::Owner,
            _ => return Err(invalid()),
        };
        Ok(Self { field, pattern: pattern.to_owned() })
    }
}

impl Selection {
    /// Selects what matches a pattern of each field that has one.
    #[must_use]
    pub fn new(selectors: Vec<Selector>) -> Self {
        Self { selectors }
    }

    /// Whether an event type is selected.
    #[must_use]
    pub fn has_event_type(&self, name: &str) -> bool {
        self.has(SelectedField::EventType, &[name])
    }

    /// Whether endpoints of an application can be selected.
    #[must_use]
    pub fn has_application(&self, id: &str, uid: Option<&str>) -> bool {
        self.has(SelectedField::Application, &[id, uid.unwrap_or(id)])
    }

    /// Whether an endpoint is selected, of an application that is. `owner` is the `ownerId` in its mark.
    #[must_use]
    pub fn has_endpoint(&self, id: &str, uid: Option<&str>, owner: Option<&str>) -> bool {
        self.has(SelectedField::Endpoint, &[id, uid.unwrap_or(id)])
            && self.has(SelectedField::Owner, &[owner.unwrap_or_default()])
    }

    fn has(&self, field: SelectedField, names: &[&str]) -> bool {
        let mut patterns = self.selectors.iter().filter(|selector| selector.field == field).peekable();
        patterns.peek().is_none()
            || patterns.any(|selector| names.iter().any(|name| matches_pattern(&selector.pattern, name)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn selection(selectors: &[&str]) -> Selection {
        Selection::new(selectors.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn patterns_of_a_field_are_alternatives() {
        let some = selection(&["event-type=order.*", "event-type=a", "application=t-*"]);

        assert!(some.has_event_type("order.placed") && some.has_event_type("a") && !some.has_event_type("b"));
        assert!(some.has_application("app_1", Some("t-1")) && !some.has_application("app_1", None));
        assert!(some.has_endpoint("ep_1", None, None));
    }

    #[test]
    fn endpoints_match_by_uid_or_id_and_by_owner() {
        let owned = selection(&["owner=prod", "endpoint=ep_*"]);
        assert!(owned.has_endpoint("ep_1", Some("x"), Some("prod")));
        assert!(!owned.has_endpoint("ep_1", Some("x"), None));
        assert!(!selection(&["owner="]).has_endpoint("ep_1", None, Some("prod")));
        assert!(selection(&["owner="]).has_endpoint("ep_1", None, None));
    }

    #[test]
    fn another_text_is_refused() {
        for bad in ["", "application", "name=x", "Application=x"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
