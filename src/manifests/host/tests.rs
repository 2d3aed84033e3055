#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use super::*;
use crate::{
    api::{EventTypeInSvix, WebhookEventType, WebhookEventTypeStatus, annotation},
    plan::claims,
};

fn host() -> ManifestHost {
    ManifestHost::new(References::default(), Box::new(|_, _| ()))
}

fn object() -> Object {
    let object: WebhookEventType = serde_json::from_value(serde_json::json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
        "metadata": {"name": "a.one", "namespace": "team", "uid": "uid", "annotations": {"of": "a user"}}, "spec": {},
    }))
    .unwrap();
    Object::EventType(Arc::new(object))
}

fn status(svix: Option<EventTypeInSvix>) -> Status {
    Status::EventType(Box::new(WebhookEventTypeStatus { svix, ..WebhookEventTypeStatus::default() }))
}

#[tokio::test]
async fn a_claim_is_kept_until_status_records_what_it_names() {
    let on = |connection: &str| {
        let (connection, name) = (connection.to_owned(), "a.one".to_owned());
        Some(EventTypeInSvix { connection, name, fields: Vec::new() })
    };
    let value = format!("uid {} digest", claims::resource_name("default", "a.one"));
    let claim = |object: &Object| annotation(object.meta(), CLAIM_ANNOTATION).map(str::to_owned);

    let claimed = host().claim(&object(), true, Some(&value)).await.unwrap();
    let unrecorded = host().report(&claimed, status(None)).await.unwrap();
    let moved = host().report(&claimed, status(on("before"))).await.unwrap();
    let recorded = host().report(&claimed, status(on("default"))).await.unwrap();

    assert_eq!(claim(&unrecorded), Some(value.clone()));
    assert_eq!(claim(&moved), Some(value));
    assert_eq!(claim(&recorded), None);
    assert_eq!(annotation(recorded.meta(), "of"), Some("a user"));
}
