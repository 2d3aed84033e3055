//! The values of headers on both sides of a comparison of manifests. Svix hides the values of some, so that what it has does not
//! show whether they differ; here both sides are known.

use std::collections::{BTreeMap, HashMap};

use crate::{
    api::{HeaderValue, WebhookEndpoint},
    engine::Kind,
    manifests::{Loaded, SecretValues},
};

use super::{
    fields::header_field,
    model::{Action, Change, FieldChange, Side},
};

/// The headers of endpoints: by namespace and name, then by the lower-case name of the header.
pub(super) struct Headers(HashMap<(String, String), BTreeMap<String, Value>>);

struct Value {
    name: String,
    value: Option<Vec<u8>>,
}

impl Headers {
    /// Those of the endpoints of manifests, which contain every Secret.
    pub(super) fn of(loaded: &Loaded) -> Self {
        let secrets = SecretValues::of(loaded);
        let endpoints = loaded.endpoints.iter().map(|located| &located.object);
        let with_headers = endpoints.filter(|endpoint| endpoint.spec.headers.is_some());
        Self(with_headers.map(|endpoint| (key(endpoint), values(endpoint, &secrets))).collect())
    }

    /// Adds the headers that both sides declare with other values.
    pub(super) fn compare(&self, after: &Self, change: &mut Change) {
        if change.kind != Kind::Endpoint.as_str()
            || !matches!(change.action, Action::Nothing | Action::Change)
        {
            return;
        }
        let key = (change.namespace.clone(), change.name.clone());
        let (Some(before), Some(after)) = (self.0.get(&key), after.0.get(&key)) else { return };
        for (name, value) in after {
            let differs = before.get(name).is_some_and(|before| before.value != value.value);
            let field = header_field(&value.name);
            if !differs || change.fields.iter().any(|known| known.field.eq_ignore_ascii_case(&field)) {
                continue;
            }
            change.fields.push(FieldChange { field, before: Side::Hidden, after: Side::Hidden });
            if !change.unmanaged {
                change.action = Action::Change;
            }
        }
    }
}

fn key(endpoint: &WebhookEndpoint) -> (String, String) {
    let metadata = &endpoint.metadata;
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

fn values(endpoint: &WebhookEndpoint, secrets: &SecretValues<'_>) -> BTreeMap<String, Value> {
    let (namespace, _) = key(endpoint);
    let headers = endpoint.spec.headers.iter().flatten();
    headers
        .map(|header| {
            let value = match header.value() {
                Ok(HeaderValue::Inline(value)) => Some(value.as_bytes().to_vec()),
                Ok(HeaderValue::Secret(reference)) => secrets.get(&namespace, reference).map(<[u8]>::to_vec),
                Err(_) => None,
            };
            (header.name.to_ascii_lowercase(), Value { name: header.name.clone(), value })
        })
        .collect()
}
