//! Reads the schema that an object declares, in its spec or in a ConfigMap.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use crate::{
    api::{ConfigMapKeyRef, JsonObject, WebhookEventType},
    catalogue::Declared,
    controller::errors::KubernetesError,
    plan::{
        ReconcileError,
        schema_source::{self, Source},
    },
};

/// Why there is no schema. The status of the object says so, too.
#[derive(Debug, thiserror::Error)]
enum SchemaError {
    #[error(transparent)]
    Invalid(#[from] ReconcileError),
    #[error("ConfigMap {} has no key {}", .0.name, .0.key)]
    NoSuchKey(ConfigMapKeyRef),
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
}

/// Returns what an object declares, or logs why there is no schema and returns `None`.
pub(super) async fn declared(client: &Client, object: &WebhookEventType) -> Option<Declared> {
    match schema_of(client, object).await {
        Ok(schema) => Some(Declared {
            schema,
            format_assertion: object.spec.format_assertion(),
            policy: object.spec.payload_policy(),
        }),
        Err(problem) => {
            let (namespace, name) = (object.metadata.namespace.as_deref(), object.metadata.name.as_deref());
            tracing::warn!(
                namespace, name, %problem,
                "no schema to judge events by; the previous one stays in force, if there is one"
            );
            None
        }
    }
}

/// Returns the schema that an object declares; `None`: it declares none.
async fn schema_of(client: &Client, object: &WebhookEventType) -> Result<Option<JsonObject>, SchemaError> {
    let reference = match schema_source::schema_text(object)? {
        Source::None => return Ok(None),
        Source::Inline(schema) => return Ok(Some(schema)),
        Source::ConfigMap(reference) => reference,
    };
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(&reference.name).await.map_err(KubernetesError::from)?;
    let text = found.and_then(|map| map.data?.remove(&reference.key));
    let text = text.ok_or_else(|| SchemaError::NoSuchKey(reference.clone()))?;
    Ok(Some(schema_source::parse_schema(object, &text)?))
}
