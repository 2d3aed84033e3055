//! The event types of a Svix environment as the catalogue's source, for who declares them there.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    api::{JsonObject, PayloadPolicy},
    catalogue::{Catalogue, Declared},
    plan,
    svix::{Client, Error, EventTypeDocument},
};

/// What a listing of event types comes to.
#[derive(Debug, Default)]
pub struct Listed {
    /// Event types that are not archived, each with what it declares.
    pub declared: Vec<(String, Declared)>,
    /// Those whose schema is no object, with what is wrong.
    pub broken: Vec<(String, String)>,
}

impl Listed {
    /// Takes in one event type. Version "1" of its schema counts, as everywhere here; one without a schema takes
    /// any payload. Svix knows no policy, so it is given.
    pub fn add(&mut self, document: EventTypeDocument, policy: PayloadPolicy) {
        let EventTypeDocument { observed, schemas } = document;
        // An archived event type is one that nothing should be sent of any more.
        if observed.archived {
            return;
        }
        let schema = schemas.as_ref().and_then(|schemas| schemas.get(plan::event_type::SCHEMA_VERSION));
        let schema = match schema.filter(|schema| !schema.is_null()) {
            Some(schema) => JsonObject::from_value(schema),
            None => JsonObject::parse("{}"),
        };
        match schema {
            Ok(schema) => {
                let declared = Declared { schema, format_assertion: true, policy };
                self.declared.push((observed.name, declared));
            }
            Err(error) => self.broken.push((observed.name, error.to_string())),
        }
    }
}

/// Lists everything.
pub async fn list(client: &Client, policy: PayloadPolicy) -> Result<Listed, Error> {
    let mut listed = Listed::default();
    let mut from = None;
    loop {
        let page = client.list_event_type_documents(from.as_deref()).await?;
        for document in page.items {
            listed.add(document, policy);
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(listed),
        }
    }
}

/// Takes a listing into the catalogue, and says in the log what cannot be used.
pub fn take(catalogue: &Catalogue, connection: &str, listed: Listed) {
    let Listed { declared, broken } = listed;
    for (name, error) in broken {
        tracing::warn!(
            event_type = name,
            error,
            "a schema in Svix cannot be used; the event type counts as undeclared"
        );
    }
    for (name, error) in catalogue.replace(connection, declared) {
        tracing::warn!(event_type = name, %error, "a schema in Svix cannot be used; the one before it stays, if there was one");
    }
}

/// Keeps the catalogue in step with Svix until `stop`: lists at once, and then every `interval`. A listing that
/// fails leaves what is there, and is tried again sooner.
pub async fn follow(
    client: Client,
    catalogue: Catalogue,
    connection: String,
    policy: PayloadPolicy,
    interval: Duration,
    loaded: impl Fn(),
    stop: CancellationToken,
) {
    const FIRST_RETRY: Duration = Duration::from_secs(1);
    let mut retry = FIRST_RETRY;
    loop {
        let listing = stop.run_until_cancelled(list(&client, policy)).await;
        let wait = match listing {
            None => return,
            Some(Ok(listed)) => {
                take(&catalogue, &connection, listed);
                if !catalogue.is_loaded() {
                    catalogue.loaded();
                    loaded();
                }
                retry = FIRST_RETRY;
                interval
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot list the event types of Svix; those that are known stay");
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
