//! What a server did not apply of a write that it accepted.

use crate::api::Reason;

use super::{Difference, Field, ReconcileError, describe};

/// What a server did not apply of a write that it accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unapplied {
    /// Fields that the server does not know.
    pub ignored: Vec<Field>,
    /// Fields that every server knows, and that the server returned with another value.
    pub altered: Vec<Difference>,
}

/// Whether a supported server may not know a field. Such a server accepts a write with it and drops it: the open-source
/// server drops `groupName` and several `featureFlags`, one before 1.99 `eventTypes`, one before 1.90 `throttleRate`.
fn may_be_unknown(field: Field) -> bool {
    match field {
        Field::EventTypes
        | Field::ThrottleRate
        | Field::Deprecated
        | Field::GroupName
        | Field::FeatureFlag
        | Field::FeatureFlags => true,
        Field::Uid
        | Field::Url
        | Field::Schema
        | Field::Description
        | Field::Channels
        | Field::Disabled
        | Field::Metadata
        | Field::Headers
        | Field::SigningSecret => false,
    }
}

/// Sorts the differences between what was declared and what the server returned from the write.
#[must_use]
pub fn unapplied(differences: Vec<Difference>) -> Unapplied {
    let (ignored, altered): (Vec<_>, Vec<_>) =
        differences.into_iter().partition(|difference| may_be_unknown(difference.field));
    let mut ignored: Vec<_> = ignored.into_iter().map(|difference| difference.field).collect();
    ignored.sort_unstable();
    ignored.dedup();
    Unapplied { ignored, altered }
}

impl Unapplied {
    /// Whether the server stores another value of a field.
    #[must_use]
    pub fn has_altered(&self, field: Field) -> bool {
        self.altered.iter().any(|difference| difference.field == field)
    }

    /// Returns the error to report; `None`: everything was applied. A value that was altered is reported first, since
    /// nobody expects it.
    #[must_use]
    pub fn error(&self) -> Option<ReconcileError> {
        if !self.altered.is_empty() {
            let message = format!(
                "Svix accepted the write and stores other values: {}; declare what Svix stores, or report this as a \
                 defect",
                describe(&self.altered)
            );
            return Some(ReconcileError::new(Reason::Differs, message));
        }
        if self.ignored.is_empty() {
            return None;
        }
        let message = format!(
            "this Svix server accepted the write and ignored {}: it does not know the field, or only Svix Cloud does; \
             remove it from the spec",
            Field::names(&self.ignored).join(", ")
        );
        Some(ReconcileError::new(Reason::FieldsIgnored, message))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn difference(field: Field) -> Difference {
        Difference { field, found: "1".into(), expected: "2".into() }
    }

    #[test]
    fn only_fields_that_a_server_may_not_know_are_ignored() {
        let (group, schema) = (difference(Field::GroupName), difference(Field::Schema));

        let some = unapplied(vec![group, schema.clone(), difference(Field::FeatureFlag)]);

        assert_eq!(some.ignored, [Field::FeatureFlag, Field::GroupName]);
        assert_eq!(some.altered, [schema]);
        let error = some.error().unwrap();
        assert_eq!(error.reason, Reason::Differs);
        assert!(error.message.contains("schema is 1 in Svix, declared 2"), "{error}");
    }

    #[test]
    fn fields_that_the_server_does_not_know_are_named() {
        let error = unapplied(vec![difference(Field::GroupName)]).error().unwrap();

        assert_eq!(error.reason, Reason::FieldsIgnored);
        assert!(error.message.contains("ignored groupName"), "{error}");
        assert_eq!(unapplied(Vec::new()).error(), None);
    }
}
