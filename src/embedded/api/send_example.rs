//! Sending an example: the first one of an event type's version `"1"`, to one endpoint.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::embedded::api::errors::{ApiError, ApiResult};
use crate::embedded::api::extract::{Authorized, Body};
use crate::embedded::api::messages::Out;
use crate::embedded::api::validation::{Check, Problems};
use crate::embedded::delivery::{job::Job, worker};
use crate::embedded::server::Shared;
use crate::embedded::store::message::Message;
use crate::embedded::store::state::Store;

/// An event type that always exists, and its example.
const PING: &str = "svix.ping";
const PING_PAYLOAD: &str = r#"{"success": true}"#;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Example {
    event_type: String,
}

impl Check for Example {
    /// A name that no event type can have is simply not found.
    fn check(&self, _: &mut Problems) {}
}

/// Delivers an example if the endpoint receives the event type; the response is the same if not.
pub(super) async fn send_example(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
    Body(Example { event_type }): Body<Example>,
) -> ApiResult<Json<Out>> {
    let (out, jobs) = {
        let mut store = svix.store();
        let endpoint = store.application(&app)?.endpoint(&endpoint)?.id.clone();
        let text = match event_type.as_str() {
            PING => PING_PAYLOAD.to_owned(),
            name => example(&store, name)?,
        };
        let new = Message::new(None, event_type, &text, 90);
        let (out, message) = (Out::of(&new, false), new.id.clone());
        let app = store.application_mut(&app)?;
        let recipients = app.add_message(new, Some(&endpoint), false)?;
        (out, Job::of_message(&app.id, &recipients, &message))
    };
    worker::start(&svix, jobs);
    Ok(Json(out))
}

fn example(store: &Store, event_type: &str) -> ApiResult<String> {
    let event_type = store.event_types.get(event_type).ok_or_else(ApiError::not_found)?;
    let schema = event_type.schemas.as_ref().and_then(|schemas| schemas.get("1"));
    schema.and_then(|schema| first_example(schema.get())).ok_or_else(|| {
        let detail = "Unable to generate example message from event-type schema";
        ApiError::bad_request("invalid_scheme", detail)
    })
}

/// Returns the example as text, because its numbers must arrive as they were written.
fn first_example(schema: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Examples {
        examples: Vec<Box<RawValue>>,
    }
    let found: Examples = serde_json::from_str(schema).ok()?;
    found.examples.first().map(|example| example.get().to_owned())
}
