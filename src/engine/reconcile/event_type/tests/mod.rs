//! An event type on its way to Svix, and out of it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod apply;
mod compatibility;
mod delete;
mod history;

use serde_json::{Value, json};

use crate::{
    api::{CLAIM_ANNOTATION, annotation},
    engine::{
        drift::MOST_REPAIRS,
        host::HostError,
        object::ObjectKey,
        queue::Next,
        testing::{Fixture, Manifest, Write, connection, endpoint, event_type},
    },
};

fn kind() -> Manifest {
    event_type("a.one").with("description", "mine")
}

fn key() -> ObjectKey {
    kind().key()
}

/// A fixture with this object, connected to an empty Svix.
async fn declaring(manifest: Manifest) -> Fixture {
    Fixture::new().with(connection().permissive()).with(manifest).connected().await
}

/// A fixture with this object, connected to a Svix where somebody created event type `a.one` with this description.
async fn beside(manifest: Manifest, description: &str) -> Fixture {
    let fixture = Fixture::new().with(connection().permissive()).with(manifest).with_svix().await;
    fixture.by_hand("POST", "/event-type", in_svix(description)).await;
    fixture.connect("default").await;
    fixture.svix().clear_calls();
    fixture
}

fn in_svix(description: &str) -> Value {
    json!({"name": "a.one", "description": description, "schemas": {"1": {"type": "object", "title": "a.one"}}})
}

/// A fixture with this object in sync.
async fn synced(manifest: Manifest) -> Fixture {
    let fixture = declaring(manifest).await;
    fixture.reconcile(&key()).await;
    fixture.svix().clear_calls();
    fixture
}

fn description(fixture: &Fixture) -> String {
    fixture.svix().snapshot().event_types["a.one"].description.clone()
}
