//! How objects and broken manifests stand, as rows of the table.

use crate::{api::ConditionType, engine::Object};

use super::{
    Problem,
    table::{Row, State},
};

/// How an object stands.
#[must_use]
pub fn row(object: &Object) -> Row {
    let key = object.key();
    let ready = object.conditions().iter().find(|condition| condition.type_ == ConditionType::Ready);
    let state = state(object);
    let svix = match object {
        Object::Connection(connection) => {
            connection.status.as_ref().and_then(|status| status.server_url.clone()).unwrap_or_default()
        }
        Object::EventType(event_type) => {
            let held = event_type.status.as_ref().and_then(|status| status.svix.as_ref());
            held.map_or_else(String::new, |svix| svix.name.clone())
        }
        Object::Endpoint(endpoint) => {
            let held = endpoint.status.as_ref().and_then(|status| status.svix.as_ref());
            held.map_or_else(String::new, |svix| format!("{}/{}", svix.application, svix.id))
        }
        Object::Event(event) => {
            event.status.as_ref().and_then(|status| status.message_id.clone()).unwrap_or_default()
        }
    };
    Row {
        kind: key.kind.as_str().into(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        state,
        svix,
        reason: ready.map_or_else(String::new, |ready| ready.reason.clone()),
        message: match (state, ready) {
            (State::Waiting | State::Problem, Some(ready)) => ready.message.clone(),
            _ => String::new(),
        },
    }
}

/// The state that an object's conditions say.
#[must_use]
pub fn state(object: &Object) -> State {
    let holds = |type_| object.conditions().iter().any(|condition| condition.type_ == type_);
    match object.ready() {
        None => State::Working,
        Some(true) => State::InSync,
        Some(false) if holds(ConditionType::Stalled) => State::Problem,
        Some(false) => State::Waiting,
    }
}

/// What a file declares wrongly.
#[must_use]
pub fn broken_row(problem: &Problem) -> Row {
    let (kind, namespace, name) = match &problem.object {
        Some(object) => {
            (object.kind.clone().into(), object.namespace.clone().unwrap_or_default(), object.name.clone())
        }
        None => ("File".into(), String::new(), problem.file.clone()),
    };
    let (svix, reason) = (String::new(), "InvalidManifest".to_owned());
    Row { kind, namespace, name, state: State::Problem, svix, reason, message: problem.to_string() }
}
