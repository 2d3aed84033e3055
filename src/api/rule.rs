//! The rules of the CRDs about one state of an object.
//!
//! The API server evaluates them as CEL, beside the fields in this module; the operator, the admission webhook and `dev`
//! call `validate` of the spec, which is written beside the CEL. Rules about changes (`oldSelf`) have no counterpart
//! here: only the API server knows the state before.

use super::JsonPointer;

/// A rule about one state of an object. Its text is the message of the CEL rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, strum::VariantArray)]
pub enum SpecRule {
    /// An endpoint has one address.
    #[error("exactly one of url and urlFrom must be given")]
    UrlSource,
    /// A header has one value.
    #[error("exactly one of value and valueFrom must be given")]
    HeaderSource,
    /// An event type has one schema, or none.
    #[error("at most one of schema, schemaText and schemaFrom may be given")]
    SchemaSource,
    /// Svix keeps examples in the schema.
    #[error("examples need schema, schemaText or schemaFrom: Svix keeps examples in the schema")]
    ExamplesNeedSchema,
    /// The feature flags are given in one form.
    #[error("at most one of featureFlag and featureFlags can be given")]
    FeatureFlagSource,
    /// An example has one payload.
    #[error("exactly one of value and text must be given")]
    ExampleSource,
    /// An event has one payload.
    #[error("exactly one of payload and payloadText must be given")]
    PayloadSource,
    /// A signing key comes from one Secret or goes to one.
    #[error("exactly one of fromSecret and toSecret must be given")]
    SigningSource,
    /// Only a key that the operator writes to a Secret is rotated.
    #[error("rotateAfter needs toSecret: a key that comes from a Secret is replaced by changing the Secret")]
    RotateAfterNeedsToSecret,
    /// The bounds of `rotateAfter`.
    #[error("rotateAfter must be between 1h and 87600h, such as 720h")]
    RotateAfter,
    /// The bounds of `gracePeriod`.
    #[error("gracePeriod must be between 0s and 168h, such as 24h")]
    GracePeriod,
    /// The bounds of `ttlAfterFinished`.
    #[error("ttlAfterFinished must be between 0s and 8760h, such as 24h")]
    TtlAfterFinished,
    /// The bounds of `resyncInterval`.
    #[error("resyncInterval must be between 1s and 168h, such as 10m")]
    ResyncInterval,
    /// A uid is not mistaken for an id that Svix gives.
    #[error("a uid in Svix must not start with app_, ep_ or msg_")]
    UidPrefix,
    /// Metadata keys of the operator are not the user's.
    #[error("metadata keys that start with svix-operator.dev/ are reserved")]
    ReservedMetadata,
    /// The values of a label requirement fit its operator.
    #[error("In and NotIn need values, Exists and DoesNotExist take none")]
    SelectorValues,
}

impl SpecRule {
    /// The violation of this rule by a field.
    #[must_use]
    pub fn at(self, field: impl Into<JsonPointer>) -> Violation {
        Violation { field: field.into(), rule: self }
    }

    /// Nothing where the rule is met, its violation by a field else.
    pub(super) fn check(self, is_met: bool, field: impl Into<JsonPointer>) -> Option<Violation> {
        (!is_met).then(|| self.at(field))
    }
}

impl From<SpecRule> for kube::core::Message {
    fn from(rule: SpecRule) -> Self {
        Self::Message(rule.to_string())
    }
}

/// A field that violates a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct Violation {
    /// The field.
    pub field: JsonPointer,
    /// The rule.
    #[source]
    pub rule: SpecRule,
}

/// The prefixes of ids that Svix gives: what begins with one is no uid.
pub const ID_PREFIXES: [&str; 3] = ["app_", "ep_", "msg_"];

/// Checks the prefix of an optional uid.
pub(super) fn check_uid(uid: Option<&str>, field: &'static str) -> Option<Violation> {
    let has_prefix = uid.is_some_and(|uid| ID_PREFIXES.iter().any(|prefix| uid.starts_with(prefix)));
    SpecRule::UidPrefix.check(!has_prefix, field)
}

/// The one of two values that is given.
pub(super) fn one_of<T>(first: Option<T>, second: Option<T>, rule: SpecRule) -> Result<T, SpecRule> {
    match (first, second) {
        (Some(value), None) | (None, Some(value)) => Ok(value),
        _ => Err(rule),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::Value;
    use strum::VariantArray as _;

    use super::*;

    /// The messages of the CEL rules in the CRDs about one state of an object.
    fn messages(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let (Some(Value::String(rule)), Some(Value::String(message))) =
                    (map.get("rule"), map.get("message"))
                    && !rule.contains("oldSelf")
                {
                    found.push(message.clone());
                }
                map.values().for_each(|value| messages(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| messages(value, found)),
            _ => {}
        }
    }

    #[test]
    fn the_crds_and_the_code_have_the_same_rules() {
        let mut in_crds = Vec::new();
        messages(&serde_json::to_value(super::super::crds()).unwrap(), &mut in_crds);
        in_crds.sort();
        in_crds.dedup();

        let mut in_code: Vec<_> = SpecRule::VARIANTS.iter().map(ToString::to_string).collect();
        in_code.sort();

        assert_eq!(in_crds, in_code);
    }
}
