//! What status says of an outcome, and when it is written.
#![allow(clippy::unwrap_used)]

mod make;
mod report;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{
        Action, Attempts, Condition, ConditionStatus, ConditionType, Difference, EndpointInSvix,
        EventTypeInSvix, Reason, Statistics, WebhookEventStatus,
    },
    engine::{
        context::Options,
        outcome::{Details, EventProgress},
        testing::{Fixture, Manifest, Write, connection, endpoint, event, event_type},
    },
    plan::{ReconcileError, status::ExtraCondition},
};

use super::*;

fn waiting() -> Outcome {
    let cause = ReconcileError::new(Reason::SvixUnavailable, "Svix fails");
    Outcome::waiting(cause, Next::Failed)
}

fn stalled() -> Outcome {
    Outcome::stalled(ReconcileError::new(Reason::InvalidSpec, "/spec/url: not a URL"))
}

fn event_type_in_svix() -> RemoteRef {
    RemoteRef::EventType(EventTypeInSvix {
        connection: "default".to_owned(),
        name: "a.one".to_owned(),
        fields: vec!["description".into()],
    })
}

fn endpoint_in_svix() -> RemoteRef {
    RemoteRef::Endpoint(Box::new(EndpointInSvix {
        connection: "default".to_owned(),
        application: "default".to_owned(),
        id: "ep_1".to_owned(),
        uid: "test.default.hook".to_owned(),
        fields: Vec::new(),
        metadata_keys: Vec::new(),
        generation: Some(1),
        verified: None,
    }))
}

fn difference() -> Difference {
    Difference { action: Action::Change, fields: Vec::new(), more: None }
}

fn in_sync_condition() -> ExtraCondition {
    ExtraCondition {
        type_: ConditionType::InSync,
        status: ConditionStatus::False,
        reason: Reason::Differs,
        message: "it would be changed".to_owned(),
    }
}

/// With what an observed object's status says.
fn observed(manifest: Manifest) -> Manifest {
    manifest.with_status(json!({
        "svix": {"connection": "default", "application": "default", "id": "ep_1", "uid": "u", "name": "a.one"},
        "difference": {"action": "Change"},
        "conditions": [{
            "type": "InSync", "status": "False", "reason": "Differs", "message": "it would be changed",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    }))
}

/// Returns the status that follows from an outcome, as JSON.
fn status_of(manifest: &Manifest, outcome: Outcome, is_managed: bool) -> Value {
    let object = manifest.object();
    match make(&object, &object, outcome, None, is_managed, Timestamp::UNIX_EPOCH) {
        Status::Connection(it) => serde_json::to_value(it),
        Status::EventType(it) => serde_json::to_value(it),
        Status::Endpoint(it) => serde_json::to_value(it),
        Status::Event(it) => serde_json::to_value(it),
    }
    .unwrap()
}

/// Returns type, status and reason of the conditions, in their order.
fn conditions(status: &Value) -> Vec<(ConditionType, ConditionStatus, String)> {
    let conditions: Vec<Condition> = serde_json::from_value(status["conditions"].clone()).unwrap();
    conditions.into_iter().map(|it| (it.type_, it.status, it.reason.into_owned())).collect()
}
