//! Reads the schema that an object declares, in its spec or in a ConfigMap.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;

use crate::{
    api::{ConfigMapKeyRef, JsonObject, WebhookEventType},
    catalogue::Declared,
    controller::{errors::KubernetesError, referenced::get_opt},
    judging::{self, Panicked, thoroughly},
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
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// Where a schema is.
enum Schema {
    /// Here, or nowhere.
    Known(Option<JsonObject>),
    /// In a ConfigMap.
    In(ConfigMapKeyRef),
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
    let text = object.spec.schema_text.as_ref().map_or(0, String::len);
    let reference = match on_a_fitting_thread(text, object, read).await?? {
        Schema::Known(schema) => return Ok(schema),
        Schema::In(reference) => reference,
    };
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let found =
        get_opt::<ConfigMap>(client, namespace, &reference.name).await.map_err(KubernetesError::from)?;
    let text = found.and_then(|map| map.data?.remove(&reference.key));
    let text = text.ok_or_else(|| SchemaError::NoSuchKey(reference.clone()))?;
    let bytes = text.len();
    let parse = move |object: &WebhookEventType| schema_source::parse_schema(object, &text);
    Ok(Some(on_a_fitting_thread(bytes, object, parse).await??))
}

fn read(object: &WebhookEventType) -> Result<Schema, ReconcileError> {
    Ok(match schema_source::schema_text(object)? {
        Source::None => Schema::Known(None),
        Source::Inline(schema) => Schema::Known(Some(schema)),
        Source::ConfigMap(reference) => Schema::In(reference.clone()),
    })
}

/// Reads a text of so many bytes of an object; a large one on another thread than those of the runtime.
async fn on_a_fitting_thread<T: Send + 'static>(
    bytes: usize,
    object: &WebhookEventType,
    read: impl FnOnce(&WebhookEventType) -> T + Send + 'static,
) -> Result<T, Panicked> {
    if bytes < judging::LARGE {
        return Ok(read(object));
    }
    let object = object.clone();
    thoroughly((), move |_| read(&object)).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn large_texts_are_read_on_another_thread() {
        let spec = serde_json::from_value(serde_json::json!({})).unwrap();
        let object = WebhookEventType::new("a.b", spec);
        let here = std::thread::current().id();
        let thread = |bytes| on_a_fitting_thread(bytes, &object, |_| std::thread::current().id());

        assert_eq!(thread(judging::LARGE - 1).await.unwrap(), here);
        assert_ne!(thread(judging::LARGE).await.unwrap(), here);
    }
}
