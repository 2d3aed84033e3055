//! Fills the catalogue from the event types in a Svix environment, for users who declare them there.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    api::{InvalidJson, JsonObject, PayloadPolicy},
    catalogue::{Catalogue, CatalogueWriter, Declared},
    plan,
    svix::{Client, Error, EventTypeDocument},
};

/// The event types of a Svix environment.
#[derive(Debug, Default)]
pub struct EventTypeListing {
    /// Event types that are not archived, each with its schema and policy.
    pub declared: Vec<(String, Declared)>,
    /// Event types whose schema is not an object, each with the error.
    pub invalid: Vec<(String, InvalidJson)>,
}

impl EventTypeListing {
    /// Adds an event type, with version "1" of its schema, as everywhere in this program. An event type without a schema
    /// accepts any payload. Event types in Svix have no policy, so the caller passes one.
    pub fn add(&mut self, document: EventTypeDocument, policy: PayloadPolicy) {
        let EventTypeDocument { observed, schemas } = document;
        // Messages of an archived event type must not be sent any more.
        if observed.archived {
            return;
        }
        let schema = schemas.as_ref().and_then(|schemas| schemas.get(plan::event_type::SCHEMA_VERSION));
        match schema.filter(|schema| !schema.is_null()).map(JsonObject::from_value).transpose() {
            Ok(schema) => {
                let declared = Declared { schema, format_assertion: true, policy };
                self.declared.push((observed.name, declared));
            }
            Err(error) => self.invalid.push((observed.name, error)),
        }
    }
}

/// Lists the event types of a Svix environment.
pub async fn list(client: &Client, policy: PayloadPolicy) -> Result<EventTypeListing, Error> {
    let mut listing = EventTypeListing::default();
    let mut from = None;
    loop {
        let page = client.list_event_type_documents(from.as_deref()).await?;
        for document in page.items {
            listing.add(document, policy);
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(listing),
        }
    }
}

/// Replaces the event types of a connection in the catalogue by a listing, and logs those that cannot be used.
pub async fn apply(writer: &CatalogueWriter, connection: &str, listing: EventTypeListing) {
    let EventTypeListing { declared, invalid } = listing;
    for (name, error) in invalid {
        tracing::warn!(
            event_type = name,
            %error,
            "a schema in Svix cannot be used; the event type is not declared"
        );
    }
    for (name, error) in writer.replace(connection, declared).await {
        tracing::warn!(event_type = name, %error, "a schema in Svix cannot be used; the previous schema, if any, stays in use");
    }
}

/// Keeps the catalogue in sync with Svix until `stop`: lists the event types at once, and then every `interval`. After a
/// listing that fails, the event types stay as they are, and the next listing is sooner. Calls `on_loaded` after the first
/// listing that succeeds.
pub async fn follow(
    client: Client,
    catalogue: Catalogue,
    connection: String,
    policy: PayloadPolicy,
    interval: Duration,
    on_loaded: impl Fn(),
    stop: CancellationToken,
) {
    const FIRST_RETRY: Duration = Duration::from_secs(1);
    let writer = CatalogueWriter::new(catalogue.clone());
    let mut retry = FIRST_RETRY;
    loop {
        let listing = stop.run_until_cancelled(list(&client, policy)).await;
        let wait = match listing {
            None => return,
            Some(Ok(listing)) => {
                apply(&writer, &connection, listing).await;
                if !catalogue.is_loaded() {
                    catalogue.loaded();
                    on_loaded();
                }
                retry = FIRST_RETRY;
                interval
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot list the event types in Svix; the known ones stay in use");
                let wait = retry;
                retry = (retry * 2).min(interval.max(FIRST_RETRY));
                wait
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}
