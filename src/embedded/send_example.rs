//! Sending an example: the first one of an event type's version `"1"`, to one endpoint.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::delivery;
use super::errors::{ApiError, ApiResult};
use super::extract::{Authorized, Body};
use super::limits::{Check, Problems};
use super::messages::{Out, message};
use super::state::{Shared, Store};

/// An event type that is always there, and its example.
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

/// It is delivered if the endpoint takes the type; the answer is the same if not.
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
        let new = message(None, event_type, &text, 90);
        let out = Out::of(&new, false);
        (out, store.application_mut(&app)?.accept(new, Some(&endpoint))?)
    };
    delivery::start(&svix, jobs);
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

/// As text, because its numbers must arrive as they were written.
fn first_example(schema: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Examples {
        examples: Vec<Box<RawValue>>,
    }
    let found: Examples = serde_json::from_str(schema).ok()?;
    found.examples.first().map(|example| example.get().to_owned())
}
