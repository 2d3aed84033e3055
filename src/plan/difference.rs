//! Fields, and how Svix differs in them from what is declared.

use std::borrow::Cow;

use crate::api;

/// A field of a spec that is written to Svix.
///
/// Both kinds share one list, in the order in which status names fields. Each place that decides by field matches
/// without `_`, so a new field does not compile before it is handled there. Fields sort by their names.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "camelCase")]
pub enum Field {
    /// The uid of an endpoint.
    Uid,
    /// The address of an endpoint.
    Url,
    /// The event types of an endpoint.
    EventTypes,
    /// The schema of an event type, with its examples.
    Schema,
    /// The description.
    Description,
    /// The channels of an endpoint.
    Channels,
    /// The rate limit of an endpoint.
    ThrottleRate,
    /// Whether an endpoint is disabled.
    Disabled,
    /// The metadata of an endpoint.
    Metadata,
    /// The headers of an endpoint, which Svix's lists do not show.
    Headers,
    /// The signing key of an endpoint, which Svix's lists do not show.
    SigningSecret,
    /// Whether an event type is deprecated.
    Deprecated,
    /// The group of an event type.
    GroupName,
    /// The feature flag of an event type.
    FeatureFlag,
    /// The feature flags of an event type, where a spec names them as a list.
    FeatureFlags,
}

impl Field {
    /// Every field.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The field's name in the spec, in status and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The names of these fields, for status.
    #[must_use]
    pub fn names(fields: &[Self]) -> Vec<Cow<'static, str>> {
        fields.iter().map(|field| field.as_str().into()).collect()
    }
}

impl Ord for Field {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Field {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One field that differs between Svix and what is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field.
    pub field: Field,
    /// The value in Svix, shortened, without credentials.
    pub found: String,
    /// The declared value, shortened, without credentials.
    pub expected: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {} in Svix, declared {}", self.field, self.found, self.expected)
    }
}

/// The differences in one line.
#[must_use]
pub fn describe(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The fields that status names of a difference, at most.
const MAX_FIELDS: usize = 20;
/// The longest value in it, in characters.
const MAX_FIELD_VALUE: usize = 256;

/// The status of an object that is only compared: the action that would be taken, and the fields.
#[must_use]
pub fn difference(action: api::Action, differences: &[Difference]) -> api::Difference {
    let short = |text: &str| match text.char_indices().nth(MAX_FIELD_VALUE) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    };
    let field = |difference: &Difference| api::FieldDifference {
        field: difference.field.to_string(),
        in_svix: short(&difference.found),
        declared: short(&difference.expected),
    };
    let more = differences.len().saturating_sub(MAX_FIELDS);
    api::Difference {
        action,
        fields: differences.iter().take(MAX_FIELDS).map(field).collect(),
        more: (more > 0).then(|| i32::try_from(more).unwrap_or(i32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_in_the_spec() {
        let names: Vec<_> = Field::ALL.iter().map(|field| field.as_str()).collect();

        assert_eq!(
            names,
            [
                "uid",
                "url",
                "eventTypes",
                "schema",
                "description",
                "channels",
                "throttleRate",
                "disabled",
                "metadata",
                "headers",
                "signingSecret",
                "deprecated",
                "groupName",
                "featureFlag",
                "featureFlags",
            ]
        );
    }

    #[test]
    fn a_name_is_read_back() {
        for field in Field::ALL {
            assert_eq!(field.as_str().parse(), Ok(*field));
        }
    }

    #[test]
    fn status_is_bounded_in_fields_and_values() {
        let one = Difference { field: Field::Metadata, found: "é".repeat(300), expected: "none".into() };

        let status = difference(api::Action::Change, &vec![one; 25]);

        assert_eq!((status.fields.len(), status.more), (20, Some(5)));
        assert_eq!(status.fields[0].in_svix.chars().count(), 257);
    }
}
