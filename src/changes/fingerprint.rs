//! The fingerprint of a step: a keyed digest of what is declared and of what Svix has, credentials included.

use serde_json::{Value, json};

use crate::{
    engine::{ObjectKey, Proposal},
    plan::{digest::Digest, endpoint, event_type},
};

/// Returns the fingerprint of a step for an object.
pub(super) fn fingerprint(key: &[u8], object: &ObjectKey, proposal: Proposal<'_>) -> Digest {
    let (desired, observed) = match proposal {
        Proposal::EventType { desired, observed, .. } => {
            (declared_event_type(desired), observed.map(observed_event_type))
        }
        Proposal::Endpoint { desired, observed, .. } => {
            (declared_endpoint(desired), observed.map(observed_endpoint))
        }
    };
    Digest::keyed(key, &json!([object.to_string(), desired, observed]).to_string())
}

fn declared_event_type(desired: &event_type::Desired) -> Value {
    // No `..`: a new field must be handled here.
    let event_type::Desired {
        name,
        schema,
        description,
        deprecated,
        group_name,
        feature_flags,
        feature_flags_field: _,
        named: _,
    } = desired;
    let schema = schema.as_ref().map(|schema| schema.digest.to_string());
    json!([name, schema, description, deprecated, group_name, feature_flags])
}

fn observed_event_type(observed: &event_type::Observed) -> Value {
    let event_type::Observed {
        name,
        description,
        archived,
        deprecated,
        schema_digest,
        group_name,
        feature_flags,
    } = observed;
    let schema = schema_digest.map(|digest| digest.to_string());
    json!([name, description, archived, deprecated, schema, group_name, feature_flags])
}

fn declared_endpoint(desired: &endpoint::Desired) -> Value {
    let endpoint::Desired {
        application,
        uid,
        mark,
        url,
        hides_url: _,
        event_types,
        description,
        channels,
        throttle_rate,
        disabled,
        metadata,
        forgotten_metadata,
        named: _,
        named_metadata: _,
        headers,
        signing_key,
    } = desired;
    let headers = headers.iter().flatten().map(|(name, value)| (name, value.expose()));
    let headers: Vec<_> = headers.collect();
    let signing_key = signing_key.as_ref().map(|key| key.expose());
    json!([
        application,
        uid,
        mark,
        url,
        event_types,
        description,
        channels,
        throttle_rate,
        disabled,
        metadata,
        forgotten_metadata,
        headers,
        signing_key
    ])
}

fn observed_endpoint(observed: &endpoint::Observed) -> Value {
    // It also changes with writes of what lists do not show, and with a delivery that fails.
    let endpoint::Observed {
        id,
        uid,
        url,
        description,
        event_types,
        channels,
        throttle_rate,
        disabled,
        metadata,
        updated_at: _,
    } = observed;
    json!([**id, uid.as_deref(), url, description, event_types, channels, throttle_rate, disabled, metadata])
}
