//! Decodes each object of a list or a watch by itself, so that one that cannot be decoded does not affect the others.
//!
//! kube's own `DeserializeGuard` first parses an object into a tree, and serde_json refuses a tree with more than 128 levels:
//! a single object with such a payload, which an API server accepts, would fail the whole list. Here an object stays
//! text until the list is parsed, and finding the end of a text needs no recursion.

use std::{borrow::Cow, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::api::without_managed_fields;

/// An object, or why it cannot be decoded.
#[derive(Clone, Debug)]
pub struct Readable<K>(pub Result<K, Unreadable>);

/// An object that cannot be decoded.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// The cause.
    pub error: Arc<serde_json::Error>,
    /// The parts of the metadata that identify the object and its version, and no others.
    pub metadata: ObjectMeta,
}

/// The parts of an object that are decoded in any case: none of them may be nested.
#[derive(Deserialize)]
struct Named {
    metadata: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Readable<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let error = match serde_json::from_str(&without_managed_fields(text.get())) {
            Ok(object) => return Ok(Self(Ok(object))),
            Err(error) => Arc::new(error),
        };
        let Named { metadata } = serde_json::from_str(text.get()).map_err(serde::de::Error::custom)?;
        let Identity { name, namespace, uid, resource_version } = metadata;
        let metadata = ObjectMeta { name, namespace, uid, resource_version, ..ObjectMeta::default() };
        Ok(Self(Err(Unreadable { error, metadata })))
    }
}

impl<K: Resource> Resource for Readable<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|unreadable| &unreadable.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|unreadable| &mut unreadable.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use kube::core::{ObjectList, WatchEvent};

    use super::*;
    use crate::api::WebhookEvent;

    fn event(name: &str, payload: &str) -> String {
        format!(
            r#"{{"apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEvent",
                "metadata": {{"name": "{name}", "namespace": "ns", "resourceVersion": "7",
                    "managedFields": [{{"fieldsV1": {{"f:spec": {payload}}}}}]}},
                "spec": {{"eventType": "a.b", "payload": {payload}}}}}"#
        )
    }

    fn nested(levels: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn a_deeply_nested_object_ends_no_watch() {
        let (good, deep) = (event("good", "{}"), event("deep", &nested(5000)));
        let list = format!(
            r#"{{"apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventList",
                "metadata": {{"resourceVersion": "9"}}, "items": [{deep}, {good}]}}"#
        );
        let list: ObjectList<Readable<WebhookEvent>> = serde_json::from_str(&list).unwrap();
        assert!(list.items[0].0.as_ref().unwrap_err().error.to_string().contains("recursion limit"));
        assert_eq!(list.items[0].meta().name.as_deref(), Some("deep"));
        assert_eq!(list.items[0].meta().resource_version.as_deref(), Some("7"));
        assert!(list.items[1].0.is_ok());
        let line = format!(r#"{{"type": "ADDED", "object": {deep}}}"#);
        let WatchEvent::Added(object) =
            serde_json::from_str::<WatchEvent<Readable<WebhookEvent>>>(&line).unwrap()
        else {
            panic!("another event")
        };
        assert!(object.0.is_err());
    }

    #[test]
    fn one_object_with_a_wrong_field_does_not_end_a_list() {
        let wrong = event("wrong", "5");
        let object: Readable<WebhookEvent> = serde_json::from_str(&wrong).unwrap();
        assert_eq!(object.meta().namespace.as_deref(), Some("ns"));
        assert!(object.0.unwrap_err().error.to_string().contains("expected an object"));
    }
}
