//! Takes declarations into a catalogue from asynchronous code.
//!
//! Compiling a schema takes up to a fifth of a second, so no thread of the runtime does it: they serve the requests of
//! everybody.
//!
//! # Guarantees
//! - One schema is compiled at a time, whatever the number of declarations that wait.
//! - Declarations take effect in the order in which they were handed in.
//! - A panic, a defect of this program or of a library, is an error of the one declaration.

use std::{collections::HashMap, sync::Arc};

use crate::{
    judging::{Panicked, thoroughly},
    schema::InvalidSchema,
    turns::{Caller, Permit, Permits},
};

use super::{Catalogue, Declared, Entry};

/// A handle that changes a catalogue. Cheap to clone; all clones wait for each other.
#[derive(Clone)]
pub struct CatalogueWriter {
    catalogue: Catalogue,
    /// One permit. It is carried along to the thread that compiles, so that it is not free while that thread works, even
    /// if nobody waits for the result any more.
    turns: Permits,
}

/// Why a declaration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The schema is not valid.
    #[error(transparent)]
    Schema(#[from] InvalidSchema),
    /// Compiling the schema panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl CatalogueWriter {
    /// Returns a writer of this catalogue. There should be one for each catalogue.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, turns: Permits::new(1) }
    }

    /// Returns the catalogue.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Sets the declaration of an event type. If its schema cannot be used, the one before it stays.
    pub async fn put(&self, connection: &str, name: &str, declared: Declared) -> Result<(), Unusable> {
        let permit = self.acquire().await;
        let (permit, entry) = self.compile(permit, connection, name, declared).await?;
        self.catalogue.insert(connection, name, entry?);
        drop(permit);
        Ok(())
    }

    /// Replaces all event types of a connection at once. Returns those whose schema cannot be used; of them the one before
    /// stays.
    pub async fn replace(
        &self,
        connection: &str,
        all: impl IntoIterator<Item = (String, Declared)>,
    ) -> Vec<(String, Unusable)> {
        let mut unusable = Vec::new();
        let mut table = HashMap::new();
        let mut permit = self.acquire().await;
        for (name, declared) in all {
            let entry = match self.compile(permit, connection, &name, declared).await {
                Ok((returned, entry)) => {
                    permit = returned;
                    entry.map_err(Unusable::from)
                }
                Err(panicked) => {
                    permit = self.acquire().await;
                    Err(panicked.into())
                }
            };
            let entry = match entry {
                Ok(entry) => Some(entry),
                Err(error) => {
                    let before = self.catalogue.entry(connection, &name);
                    unusable.push((name.clone(), error));
                    before
                }
            };
            table.extend(entry.map(|entry| (name.into(), entry)));
        }
        self.catalogue.replace_table(connection, table);
        drop(permit);
        unusable
    }

    async fn acquire(&self) -> Permit {
        self.turns.acquire(Caller::INTERNAL, "").await
    }

    /// Returns the entry of a declaration, and the permit.
    async fn compile(
        &self,
        permit: Permit,
        connection: &str,
        name: &str,
        declared: Declared,
    ) -> Result<(Permit, Result<Arc<Entry>, InvalidSchema>), Panicked> {
        if let Some(present) = self.catalogue.present(connection, name, &declared) {
            return Ok((permit, Ok(present)));
        }
        let catalogue = self.catalogue.clone();
        thoroughly((), move |effort| {
            let entry = Arc::new(Entry::new(declared));
            let checked = catalogue.check(&entry, effort);
            (permit, checked.map(|()| entry))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::pin::pin;

    use futures::poll;
    use serde_json::json;

    use super::*;
    use crate::{
        api::{JsonObject, PayloadPolicy},
        catalogue::Judgement,
    };

    fn requires(name: &str) -> Declared {
        Declared {
            schema: Some(JsonObject::from_value(&json!({"required": [name]})).unwrap()),
            format_assertion: true,
            policy: PayloadPolicy::Enforce,
        }
    }

    fn broken() -> Declared {
        Declared { schema: Some(JsonObject::from_value(&json!({"type": "strin"})).unwrap()), ..requires("") }
    }

    fn is_valid(catalogue: &Catalogue, key: &str) -> bool {
        catalogue.judge("c", "a.b", &json!({ key: 1 })) == Judgement::Valid
    }

    /// On one thread: while a thread of the runtime compiled, nothing else would run.
    #[tokio::test]
    async fn no_thread_of_the_runtime_compiles() {
        let catalogue = Catalogue::default();
        let writer = CatalogueWriter::new(catalogue.clone());
        let here = std::thread::current().id();
        let compiling = Arc::new(parking_lot::Mutex::new(Vec::new()));

        catalogue.on_compile({
            let compiling = compiling.clone();
            move || compiling.lock().push(std::thread::current().id())
        });
        writer.put("c", "a.b", requires("one")).await.unwrap();
        let all = ["a.b", "a.c", "a.d"].map(|name| (name.to_owned(), requires("two")));
        assert!(writer.replace("c", all).await.is_empty());

        let compiling = compiling.lock();
        assert_eq!(compiling.len(), 4);
        assert!(!compiling.contains(&here), "compiled on the thread of the runtime");
    }

    #[tokio::test]
    async fn declarations_take_effect_in_their_order() {
        let catalogue = Catalogue::default();
        let writer = CatalogueWriter::new(catalogue.clone());
        let turn = writer.acquire().await;
        let mut first = pin!(writer.put("c", "a.b", requires("one")));
        let mut second = pin!(writer.put("c", "a.b", requires("two")));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());

        drop(turn);
        let (second, first) = futures::join!(second, first);

        assert!(first.is_ok() && second.is_ok());
        assert!(is_valid(&catalogue, "two") && !is_valid(&catalogue, "one"));
    }

    #[tokio::test]
    async fn a_schema_that_cannot_be_used_replaces_none() {
        let catalogue = Catalogue::default();
        let writer = CatalogueWriter::new(catalogue.clone());
        writer.put("c", "a.b", requires("one")).await.unwrap();

        assert!(writer.put("c", "a.b", broken()).await.is_err());
        let all = ["a.b", "a.c"].map(|name| (name.to_owned(), broken()));
        let unusable = writer.replace("c", all).await;

        assert_eq!(unusable.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a.b", "a.c"]);
        assert!(is_valid(&catalogue, "one") && !is_valid(&catalogue, "two"));
        assert_eq!(catalogue.names("c"), ["a.b"]);
        assert!(writer.replace("c", []).await.is_empty());
        assert!(catalogue.names("c").is_empty(), "all others are removed");
    }
}
