//! A schema, read from the spec or from a ConfigMap.
#![allow(clippy::unwrap_used)]

use serde_json::json;

use crate::engine::{
    object::Object,
    testing::{Fixture, Manifest, event_type},
};

use super::*;

/// An event type whose schema is in a ConfigMap.
fn referring() -> Manifest {
    let reference = json!({"configMapKeyRef": {"name": "schemas", "key": "a.json"}});
    event_type("a.one").with("schemaFrom", reference).changed(|it| {
        it["spec"].as_object_mut().unwrap().remove("schema");
    })
}

async fn schema(
    manifest: Manifest,
    text: Result<&str, ReferenceError>,
) -> Result<Option<JsonObject>, SchemaError> {
    let fixture = Fixture::new();
    fixture.ctx.host.set_config_map(text);
    let Object::EventType(event_type) = manifest.object() else { unreachable!("it is one") };
    read(&fixture.ctx, &event_type).await
}

async fn error_of(text: Result<&str, ReferenceError>) -> Error {
    schema(referring(), text).await.err().unwrap().into()
}

#[tokio::test]
async fn a_schema_in_the_spec_needs_no_host() {
    let schema = schema(event_type("a.one"), Err(ReferenceError::Failed("500".to_owned()))).await;

    assert_eq!(schema.ok().flatten().unwrap().to_value()["title"], "a.one");
}

#[tokio::test]
async fn without_a_schema_nothing_is_read() {
    let manifest = event_type("a.one").changed(|it| {
        it["spec"].as_object_mut().unwrap().remove("schema");
    });

    let schema = schema(manifest, Err(ReferenceError::Failed("500".to_owned()))).await;

    assert_eq!(schema.ok().unwrap(), None);
}

#[tokio::test]
async fn a_schema_is_read_from_a_config_map() {
    let schema = schema(referring(), Ok(r#"{"title": "elsewhere"}"#)).await;

    assert_eq!(schema.ok().flatten().unwrap().to_value()["title"], "elsewhere");
}

#[tokio::test]
async fn a_config_map_that_is_missing_stalls() {
    let missing: [fn(String) -> ReferenceError; 2] = [ReferenceError::NotFound, ReferenceError::Incomplete];
    for error in missing {
        let error = error_of(Err(error("not there".to_owned()))).await;

        let Error::Stalled(error, None) = error else { unreachable!("{error:?}") };
        assert_eq!(error.reason, Reason::SchemaSourceNotFound);
    }
}

#[tokio::test]
async fn a_config_map_that_cannot_be_read_is_tried_again() {
    let unreadable: [fn(String) -> ReferenceError; 2] = [ReferenceError::Failed, ReferenceError::Forbidden];
    for error in unreadable {
        let error = error_of(Err(error("500".to_owned()))).await;

        let Error::Waiting(error, Next::Failed) = error else { unreachable!("{error:?}") };
        assert_eq!(error.reason, Reason::SchemaSourceNotFound);
    }
}

#[tokio::test]
async fn a_text_that_is_no_schema_stalls() {
    let error = error_of(Ok("{")).await;

    let Error::Stalled(error, None) = error else { unreachable!("{error:?}") };
    assert_eq!(error.reason, Reason::InvalidSchema);
}
