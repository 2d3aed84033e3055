//! Takes declarations into a catalogue from asynchronous code.
//!
//! Compiling a schema takes up to a fifth of a second, so no thread of the runtime does it: they serve the requests of
//! everybody.
//!
//! # Guarantees
//! - At most two schemas are compiled at a time, whatever the number of declarations that wait, and at most one of them takes
//!   longer than about a millisecond.
//! - A panic, a defect of this program or of a library, is an error of the one declaration.
//!
//! # Assumptions
//! - The caller decides in which order declarations are compiled, and whether what was compiled is still declared
//!   when it is inserted.

use std::{collections::HashMap, sync::Arc};

use crate::{
    judging::{Panicked, thoroughly},
    schema::{Effort, InvalidSchema},
    turns::{Caller, Permits},
};

use super::{Catalogue, Declared, Entry};

/// A handle that changes a catalogue. Cheap to clone; all clones share the turns of compilations.
#[derive(Clone)]
pub struct CatalogueWriter {
    catalogue: Catalogue,
    /// One permit each. It is carried along to the thread that compiles, so that it is not free while that thread works, even
    /// if nobody waits for the result any more.
    brief: Permits,
    thorough: Permits,
}

/// How long compiling a schema may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compilation {
    /// About a millisecond. A schema that takes longer is not compiled.
    Brief,
    /// As long as it takes.
    Thorough,
}

/// A declaration that can be used and that is not in force yet.
#[derive(Clone)]
pub struct Prepared(Arc<Entry>);

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
        Self { catalogue, brief: Permits::new(1), thorough: Permits::new(1) }
    }

    /// Returns the catalogue.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Compiles the schema of a declaration. `None`: that takes longer than it may.
    pub async fn prepare(
        &self,
        how: Compilation,
        connection: &str,
        name: &str,
        declared: Declared,
    ) -> Result<Option<Prepared>, Unusable> {
        if let Some(present) = self.catalogue.present(connection, name, &declared) {
            return Ok(Some(Prepared(present)));
        }
        let turns = match how {
            Compilation::Brief => &self.brief,
            Compilation::Thorough => &self.thorough,
        };
        let permit = turns.acquire(Caller::INTERNAL, "").await;
        let catalogue = self.catalogue.clone();
        let compiled = thoroughly(permit, move |full| {
            let brief = Effort::brief();
            let effort = if how == Compilation::Brief { &brief } else { full };
            let entry = Arc::new(Entry::new(declared));
            let checked = catalogue.check(&entry, effort);
            // What a brief effort says of a schema that exceeds it is not valid.
            (!brief.is_exceeded()).then(|| checked.map(|()| entry))
        });
        Ok(compiled.await?.transpose()?.map(Prepared))
    }

    /// Sets the declaration of an event type.
    pub fn insert(&self, connection: &str, name: &str, prepared: Prepared) {
        self.catalogue.insert(connection, name, prepared.0);
    }

    /// Replaces all event types of a connection at once, when the schemas of all of them are compiled, one after the other.
    /// Returns those whose schema cannot be used; of them the one before stays.
    pub async fn replace(
        &self,
        connection: &str,
        all: impl IntoIterator<Item = (String, Declared)>,
    ) -> Vec<(String, Unusable)> {
        let mut unusable = Vec::new();
        let mut table = HashMap::new();
        for (name, declared) in all {
            let entry = match self.prepare(Compilation::Thorough, connection, &name, declared).await {
                Ok(prepared) => prepared.map(|Prepared(entry)| entry),
                Err(error) => {
                    unusable.push((name.clone(), error));
                    self.catalogue.entry(connection, &name)
                }
            };
            table.extend(entry.map(|entry| (name.into(), entry)));
        }
        self.catalogue.replace_table(connection, table);
        unusable
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use futures::poll;
    use parking_lot::Mutex;
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

    /// A schema that takes longer than a brief compilation may.
    fn large() -> Declared {
        let schema = json!({"required": ["one"], "description": "x".repeat(20_000)});
        Declared { schema: Some(JsonObject::from_value(&schema).unwrap()), ..requires("") }
    }

    fn is_valid(catalogue: &Catalogue, key: &str) -> bool {
        catalogue.judge("c", "a.b", &json!({ key: 1 })) == Judgement::Valid
    }

    async fn put(writer: &CatalogueWriter, name: &str, declared: Declared) -> Result<(), Unusable> {
        let prepared = writer.prepare(Compilation::Thorough, "c", name, declared).await?;
        writer.insert("c", name, prepared.unwrap());
        Ok(())
    }

    /// On one thread: while a thread of the runtime compiled, nothing else would run.
    #[tokio::test]
    async fn no_thread_of_the_runtime_compiles() {
        let catalogue = Catalogue::default();
        let writer = CatalogueWriter::new(catalogue.clone());
        let here = std::thread::current().id();
        let compiling = Arc::new(Mutex::new(Vec::new()));

        catalogue.on_compile({
            let compiling = compiling.clone();
            move || compiling.lock().push(std::thread::current().id())
        });
        put(&writer, "a.b", requires("one")).await.unwrap();
        assert!(writer.prepare(Compilation::Brief, "c", "a.e", requires("one")).await.unwrap().is_some());
        let all = ["a.b", "a.c", "a.d"].map(|name| (name.to_owned(), requires("two")));
        assert!(writer.replace("c", all).await.is_empty());

        let compiling = compiling.lock();
        assert_eq!(compiling.len(), 5);
        assert!(!compiling.contains(&here), "compiled on the thread of the runtime");
    }

    #[tokio::test]
    async fn small_schemas_do_not_wait_for_large_ones() {
        let catalogue = Catalogue::default();
        let writer = CatalogueWriter::new(catalogue.clone());
        let (begun, has_begun) = mpsc::channel();
        let (finish, finished) = mpsc::channel::<()>();
        let (compilations, finished) = (Arc::new(AtomicUsize::new(0)), Mutex::new(finished));
        catalogue.on_compile({
            let compilations = compilations.clone();
            move || {
                if compilations.fetch_add(1, Ordering::SeqCst) == 0 {
                    begun.send(()).unwrap();
                    let _ = finished.lock().recv();
                }
            }
        });

        assert!(writer.prepare(Compilation::Brief, "c", "a.b", large()).await.unwrap().is_none());
        let mut long = Box::pin(put(&writer, "a.b", large()));
        let mut waits = Box::pin(put(&writer, "a.c", large()));
        assert!(poll!(&mut long).is_pending() && poll!(&mut waits).is_pending());
        has_begun.recv().unwrap();
        let short = writer.prepare(Compilation::Brief, "c", "a.d", requires("one")).await;

        assert!(short.unwrap().is_some());
        assert_eq!(compilations.load(Ordering::SeqCst), 2, "of the long ones, one at a time");
        drop(finish);
        long.await.unwrap();
        waits.await.unwrap();
        assert!(is_valid(&catalogue, "one"));
    }

    #[tokio::test]
    async fn a_schema_that_cannot_be_used_replaces_none() {
        let catalogue = Catalogue::default();
        let writer = CatalogueWriter::new(catalogue.clone());
        put(&writer, "a.b", requires("one")).await.unwrap();

        assert!(put(&writer, "a.b", broken()).await.is_err());
        let all = ["a.b", "a.c"].map(|name| (name.to_owned(), broken()));
        let unusable = writer.replace("c", all).await;

        assert_eq!(unusable.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a.b", "a.c"]);
        assert!(is_valid(&catalogue, "one") && !is_valid(&catalogue, "two"));
        assert_eq!(catalogue.names("c"), ["a.b"]);
        assert!(writer.replace("c", []).await.is_empty());
        assert!(catalogue.names("c").is_empty(), "all others are removed");
    }
}
