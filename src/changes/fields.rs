//! The fields of a step that differ, with their values on both sides. Which ones differ is the plan's decision; here are their
//! whole values. Values that can be credentials are left out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::plan::{
    Difference, Field,
    endpoint::{self, HiddenDifference, host_of},
    event_type::{self, SCHEMA_VERSION},
};

use super::model::{FieldChange, OWNER_MARK, Side};

fn side<T: Into<Value>>(value: Option<T>) -> Side {
    value.map_or(Side::Absent, |value| Side::Value(value.into()))
}

fn change(field: impl Into<String>, before: Side, after: Side) -> FieldChange {
    FieldChange { field: field.into(), before, after }
}

fn list<'a>(values: impl IntoIterator<Item = &'a str>) -> Value {
    values.into_iter().collect::<Vec<_>>().into()
}

/// The name of the field of a header.
pub(super) fn header_field(name: &str) -> String {
    format!("headers/{name}")
}

/// The fields of an event type that is created.
pub(super) fn created_event_type(desired: &event_type::Desired) -> Vec<FieldChange> {
    let fields = [
        (Field::Schema, side(desired.schema.as_ref().map(|schema| (*schema.value).clone()))),
        (Field::Description, side(desired.description.clone())),
        (Field::Deprecated, side(desired.deprecated.filter(|deprecated| *deprecated))),
        (Field::GroupName, side(desired.group_name.clone().flatten())),
        (desired.feature_flags_field, flags(desired.feature_flags.as_ref())),
    ];
    let fields = fields.into_iter().filter(|(_, after)| *after != Side::Absent);
    fields.map(|(field, after)| change(field.as_str(), Side::Absent, after)).collect()
}

fn flags(flags: Option<&BTreeSet<String>>) -> Side {
    side(flags.filter(|flags| !flags.is_empty()).map(|flags| list(flags.iter().map(String::as_str))))
}

/// The fields of an event type that differ.
pub(super) fn changed_event_type(
    desired: &event_type::Desired,
    observed: Option<&event_type::Observed>,
    schemas: Option<&Value>,
    differences: &[Difference],
) -> Vec<FieldChange> {
    let fields = differences.iter().map(|difference| {
        let (before, after) = match difference.field {
            Field::Schema => (
                side(
                    schemas
                        .and_then(|schemas| schemas.get(SCHEMA_VERSION))
                        .filter(|schema| !schema.is_null())
                        .cloned(),
                ),
                side(desired.schema.as_ref().map(|schema| (*schema.value).clone())),
            ),
            Field::Description => (
                side(observed.map(|observed| observed.description.clone())),
                side(desired.description.clone()),
            ),
            Field::Deprecated => {
                (side(observed.map(|observed| observed.deprecated)), side(desired.deprecated))
            }
            Field::GroupName => (
                side(observed.and_then(|observed| observed.group_name.clone())),
                side(desired.group_name.clone().flatten()),
            ),
            Field::FeatureFlag | Field::FeatureFlags => (
                flags(observed.map(|observed| &observed.feature_flags)),
                flags(desired.feature_flags.as_ref()),
            ),
            _ => (text(&difference.found), text(&difference.expected)),
        };
        change(difference.field.as_str(), before, after)
    });
    fields.collect()
}

fn text(text: &str) -> Side {
    Side::Value(text.into())
}

/// The fields of an endpoint that is created.
pub(super) fn created_endpoint(desired: &endpoint::Desired) -> Vec<FieldChange> {
    let url = if desired.hides_url { Side::Hidden } else { text(&host_of(&desired.url)) };
    let mut fields = vec![
        change(Field::Url.as_str(), Side::Absent, url),
        change(
            Field::EventTypes.as_str(),
            Side::Absent,
            Side::Value(list(desired.event_types.iter().map(String::as_str))),
        ),
    ];
    let others = [
        (Field::Description, side(desired.description.clone())),
        (Field::Channels, side(desired.channels.as_ref().map(|all| list(all.iter().map(String::as_str))))),
        (Field::ThrottleRate, side(desired.throttle_rate.flatten())),
        (Field::Disabled, side(desired.disabled.filter(|disabled| *disabled))),
    ];
    let others = others.into_iter().filter(|(_, after)| *after != Side::Absent);
    fields.extend(others.map(|(field, after)| change(field.as_str(), Side::Absent, after)));
    for (key, value) in &desired.metadata {
        fields.push(change(format!("metadata/{key}"), Side::Absent, text(value)));
    }
    for name in desired.headers.iter().flatten().map(|(name, _)| name) {
        fields.push(change(header_field(name), Side::Absent, Side::Hidden));
    }
    if desired.signing_key.is_some() {
        fields.push(change(Field::SigningSecret.as_str(), Side::Absent, Side::Hidden));
    }
    fields
}

/// The fields of an endpoint that differ.
pub(super) fn changed_endpoint(
    desired: &endpoint::Desired,
    observed: Option<&endpoint::Observed>,
    differences: &[Difference],
) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    let mut has_metadata = false;
    let set = |set: Option<&[Box<str>]>| side(set.map(|set| list(set.iter().map(AsRef::as_ref))));
    for difference in differences {
        let (before, after) = match difference.field {
            Field::EventTypes => (
                set(observed.and_then(|observed| observed.event_types.as_deref())),
                Side::Value(list(desired.event_types.iter().map(String::as_str))),
            ),
            Field::Channels => (
                set(observed.and_then(|observed| observed.channels.as_deref())),
                side(desired.channels.as_ref().map(|all| list(all.iter().map(String::as_str)))),
            ),
            Field::Description => (
                side(observed.map(|observed| observed.description.to_string())),
                side(desired.description.clone()),
            ),
            Field::ThrottleRate => (
                side(observed.and_then(|observed| observed.throttle_rate)),
                side(desired.throttle_rate.flatten()),
            ),
            Field::Disabled => (side(observed.map(|observed| observed.disabled)), side(desired.disabled)),
            Field::Uid => (
                side(observed.and_then(|observed| observed.uid.as_deref()).map(str::to_owned)),
                side(Some(desired.uid.clone())),
            ),
            // All entries that differ, at once.
            Field::Metadata if has_metadata => continue,
            Field::Metadata => {
                has_metadata = true;
                fields.extend(metadata(desired, observed));
                continue;
            }
            // It comes from a Secret.
            Field::Url if desired.hides_url => (Side::Hidden, Side::Hidden),
            // An address can be a credential as a whole, so the plan shows as much of it as may be shown.
            _ => (text(&difference.found), text(&difference.expected)),
        };
        fields.push(change(difference.field.as_str(), before, after));
    }
    fields
}

fn metadata(desired: &endpoint::Desired, observed: Option<&endpoint::Observed>) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    for key in desired.metadata.keys().chain(&desired.forgotten_metadata).collect::<BTreeSet<_>>() {
        let before = observed.and_then(|observed| observed.metadata(key));
        let after = desired.metadata.get(key).map(String::as_str);
        if before != after {
            fields.push(change(format!("metadata/{key}"), side(before), side(after)));
        }
    }
    fields
}

/// The headers and the signing key that differ.
pub(super) fn hidden(differences: &[HiddenDifference]) -> Vec<FieldChange> {
    let side = |is_there: bool| if is_there { Side::Hidden } else { Side::Absent };
    let fields = differences.iter().map(|difference| match difference {
        HiddenDifference::Header { name, in_svix, declared } => {
            change(header_field(name), side(*in_svix), side(*declared))
        }
        HiddenDifference::SigningKey => change(Field::SigningSecret.as_str(), Side::Hidden, Side::Hidden),
    });
    fields.collect()
}

/// Headers whose values Svix hides, which are written all the same.
pub(super) fn unknown_headers(names: &[String]) -> Vec<FieldChange> {
    names.iter().map(|name| change(header_field(name), Side::Hidden, Side::Hidden)).collect()
}

/// The owner mark and the other parts of metadata that are no difference of the spec.
pub(super) fn owner_mark(desired: &endpoint::Desired, observed: Option<&endpoint::Observed>) -> FieldChange {
    let before = observed.and_then(|observed| observed.mark());
    change(OWNER_MARK, side(before), Side::Value(json!(desired.mark)))
}
