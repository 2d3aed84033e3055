//! An endpoint on its way to Svix, and out of it.
#![allow(clippy::unwrap_used)]

mod apply;
mod delete;
mod details;
mod former_secrets;
mod ownership;
mod unreachable;

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use crate::{
    api::{ADOPT_ID_ANNOTATION, ConditionType},
    engine::{
        context::Options,
        host::{HostError, ReferenceError},
        object::ObjectKey,
        queue::Next,
        testing::{Fixture, Manifest, Write, connection, endpoint, event_type},
    },
};

const UID: &str = "test.default.hook";
const OWNER: &str = "svix-operator.dev/owner";

fn hook() -> Manifest {
    endpoint("hook")
}

fn with_headers() -> Manifest {
    hook().with("headers", json!([{"name": "X-Team", "value": "billing"}]))
}

fn key() -> ObjectKey {
    hook().key()
}

/// A fixture with this object, connected to a Svix that has event type `a.one` and the application.
async fn declaring(manifest: Manifest) -> Fixture {
    within(Fixture::new(), manifest).await
}

async fn within(fixture: Fixture, manifest: Manifest) -> Fixture {
    let fixture =
        fixture.with(connection().permissive()).with(event_type("a.one")).with(manifest).with_svix().await;
    fixture.by_hand("POST", "/app", json!({"name": "default", "uid": "default"})).await;
    fixture.connect("default").await;
    fixture.reconcile(&event_type("a.one").key()).await;
    fixture.svix().clear_calls();
    fixture
}

/// A fixture with this object in sync.
async fn synced(manifest: Manifest) -> Fixture {
    let key = manifest.key();
    let fixture = declaring(manifest).await;
    fixture.reconcile(&key).await;
    fixture.svix().clear_calls();
    fixture
}

/// Creates an endpoint as somebody else, equal to `hook()` but for these members, and lists Svix. Returns its id.
async fn somebody_creates(fixture: &Fixture, members: Value) -> String {
    let mut endpoint = json!({"url": "https://hooks.example.org/hook", "eventTypes": ["a.one"]});
    endpoint.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let created = fixture.by_hand("POST", "/app/default/endpoint", endpoint).await;
    fixture.connect("default").await;
    fixture.svix().clear_calls();
    created["id"].as_str().unwrap().to_owned()
}
