//! The schemas that events are validated by. Admission and the gateway read them in every request.
//!
//! Readers take no lock: they see the catalogue before a change or after it, never in between. A schema that does
//! not compile never replaces a valid one. Schemas are kept as text and compiled on
//! first use; a bounded number stays compiled, since that takes about twenty times the memory of the text.

mod directory;
#[cfg(test)]
mod tests;
mod unknown;
mod writer;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
pub use directory::{Directory, Holder};
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio::sync::watch;
pub use unknown::Unknown;
pub use writer::{CatalogueWriter, Compilation, Prepared, Unusable};

use crate::{
    api::{JsonObject, PayloadPolicy},
    schema::{self, Compiled, Effort, Findings, InvalidSchema, Payload, Place, Violation},
};

/// How many schemas stay compiled unless something else is asked for.
pub const DEFAULT_COMPILED: usize = 1024;

/// Memory of all schemas that stay compiled, in bytes, unless something else is asked for. The size of a compiled schema is
/// estimated from its text.
pub const DEFAULT_COMPILED_BYTES: usize = 24 * 1024 * 1024;

/// The schema of an event type, as it is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The schema; `None`: any payload passes.
    pub schema: Option<JsonObject>,
    /// Whether formats and content encodings are enforced.
    pub format_assertion: bool,
    /// What happens to a payload that does not match.
    pub policy: PayloadPolicy,
}

/// What the catalogue says of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It matches.
    Valid,
    /// The event type is declared without a schema.
    NotValidated,
    /// It does not.
    Invalid {
        /// What is to happen to it.
        policy: PayloadPolicy,
        /// The first violations.
        violations: Vec<Violation>,
        /// How many there are beyond them.
        more: usize,
        /// The places of all of them, without anything of the payload.
        places: Vec<Place>,
        /// Whether nobody knows if it matches, since finding out takes too much work. The one violation says where that was
        /// given up.
        is_given_up: bool,
    },
    /// Nobody declares this event type.
    Undeclared,
}

/// Event types by the connection that they are declared through and by name.
type Tables = HashMap<Box<str>, Arc<HashMap<Box<str>, Arc<Entry>>>>;

/// The catalogue. Cheap to clone.
#[derive(Clone)]
pub struct Catalogue {
    inner: Arc<Inner>,
}

struct Inner {
    tables: ArcSwap<Tables>,
    /// One at a time changes the tables.
    writer: Mutex<()>,
    compiled: Mutex<Clock>,
    loaded: watch::Sender<bool>,
    /// What may be declared beyond the tables.
    unknown: RwLock<Unknown>,
    /// Called before each compilation.
    #[cfg(test)]
    on_compile: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

/// What the catalogue has of an event type.
enum Found {
    /// Nothing that can be used.
    Nothing,
    /// A declaration without a schema.
    WithoutSchema,
    /// A declaration with its compiled schema.
    Schema(Arc<Entry>, Arc<Compiled>),
}

/// One event type.
struct Entry {
    declared: Declared,
    compiled: ArcSwapOption<Compiled>,
    /// Whether it was used since the clock's hand last passed.
    used: AtomicBool,
    /// The memory that the compiled schema takes beside its patterns, in bytes.
    size: usize,
}

/// The entries that are compiled, in the order in which their turn comes to be forgotten: those used since the
/// last turn get another one ("second chance").
struct Clock {
    most: usize,
    /// The memory that they may take, and that they do take, in bytes.
    max_bytes: usize,
    bytes: usize,
    /// Each with the memory that it takes.
    entries: VecDeque<(Arc<Entry>, usize)>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new(DEFAULT_COMPILED)
    }
}

impl Catalogue {
    /// An empty catalogue that keeps at most so many schemas compiled.
    #[must_use]
    pub fn new(most_compiled: usize) -> Self {
        Self::with_memory(most_compiled, DEFAULT_COMPILED_BYTES)
    }

    /// An empty catalogue that keeps at most so many schemas compiled, which take at most so many bytes.
    #[must_use]
    pub fn with_memory(most_compiled: usize, max_bytes: usize) -> Self {
        let (most, entries) = (most_compiled.max(1), VecDeque::new());
        Self {
            inner: Arc::new(Inner {
                tables: ArcSwap::default(),
                writer: Mutex::default(),
                compiled: Mutex::new(Clock { most, max_bytes, bytes: 0, entries }),
                loaded: watch::Sender::new(false),
                unknown: RwLock::default(),
                #[cfg(test)]
                on_compile: Mutex::default(),
            }),
        }
    }

    /// Judges a payload by the schema of an event type.
    #[must_use]
    pub fn judge(&self, connection: &str, event_type: &str, payload: &Value) -> Judgement {
        match self.found(connection, event_type, &Effort::full()) {
            Found::Nothing => Judgement::Undeclared,
            Found::WithoutSchema => Judgement::NotValidated,
            Found::Schema(entry, compiled) => entry.judged(compiled.judge_value(payload)),
        }
    }

    /// Judges a payload that was read from text, with its numbers as they are written there.
    #[must_use]
    pub fn judge_payload(
        &self,
        connection: &str,
        event_type: &str,
        payload: &Payload,
        effort: &Effort,
    ) -> Judgement {
        match self.found(connection, event_type, effort) {
            Found::Nothing => Judgement::Undeclared,
            Found::WithoutSchema => Judgement::NotValidated,
            Found::Schema(entry, compiled) => entry.judged(compiled.judge_within(payload, effort)),
        }
    }

    /// Judges a payload as it stands in a text: one that cannot be read for certain breaks every schema, and no policy
    /// lets it pass, since nobody can say what receivers will see. Without a schema the text is not read at all.
    #[must_use]
    pub fn judge_text(
        &self,
        connection: &str,
        event_type: &str,
        payload: &[u8],
        effort: &Effort,
    ) -> Judgement {
        let (entry, compiled) = match self.found(connection, event_type, effort) {
            Found::Nothing => return Judgement::Undeclared,
            Found::WithoutSchema => return Judgement::NotValidated,
            Found::Schema(entry, compiled) => (entry, compiled),
        };
        match Payload::parse(payload) {
            Ok(payload) => entry.judged(compiled.judge_within(&payload, effort)),
            Err(violation) => Judgement::Invalid {
                policy: PayloadPolicy::Enforce,
                violations: vec![violation],
                more: 0,
                places: Vec::new(),
                is_given_up: false,
            },
        }
    }

    /// Has a test notice each compilation.
    #[cfg(test)]
    pub(crate) fn on_compile(&self, on_compile: impl Fn() + Send + Sync + 'static) {
        *self.inner.on_compile.lock() = Some(Arc::new(on_compile));
    }

    /// Whether an event type is declared.
    #[must_use]
    pub fn contains(&self, connection: &str, event_type: &str) -> bool {
        self.inner.tables.load().get(connection).is_some_and(|table| table.contains_key(event_type))
    }

    /// The event types of a connection that are declared, sorted.
    #[must_use]
    pub fn names(&self, connection: &str) -> Vec<String> {
        let tables = self.inner.tables.load();
        let mut names: Vec<_> = tables
            .get(connection)
            .into_iter()
            .flat_map(|table| table.keys())
            .map(ToString::to_string)
            .collect();
        names.sort_unstable();
        names
    }

    /// Sets the declaration of an event type. If its schema does not compile, the one before it stays. Compiling takes up to a
    /// fifth of a second: [`CatalogueWriter`] does the same for threads that others wait for.
    pub fn put(&self, connection: &str, name: &str, declared: Declared) -> Result<(), InvalidSchema> {
        self.put_within(connection, name, declared, &Effort::full())
    }

    /// As [`Catalogue::put`], if that takes no more than the effort. Otherwise it is exceeded, and nothing changes.
    pub fn put_within(
        &self,
        connection: &str,
        name: &str,
        declared: Declared,
        effort: &Effort,
    ) -> Result<(), InvalidSchema> {
        if self.present(connection, name, &declared).is_some() {
            return Ok(());
        }
        let entry = Arc::new(Entry::new(declared));
        self.check(&entry, effort)?;
        if effort.is_exceeded() {
            return Ok(());
        }
        self.insert(connection, name, entry);
        Ok(())
    }

    fn insert(&self, connection: &str, name: &str, entry: Arc<Entry>) {
        self.change(connection, |table| Vec::from_iter(table.insert(name.into(), entry)));
    }

    /// Whether an event type is declared like this already.
    #[must_use]
    pub fn is_declared(&self, connection: &str, name: &str, declared: &Declared) -> bool {
        self.present(connection, name, declared).is_some()
    }

    /// Returns the entry of an event type, if it is declared like this already.
    fn present(&self, connection: &str, name: &str, declared: &Declared) -> Option<Arc<Entry>> {
        self.entry(connection, name).filter(|entry| entry.declared == *declared)
    }

    /// Removes an event type that no object declares any more.
    pub fn remove(&self, connection: &str, name: &str) {
        if self.contains(connection, name) {
            self.change(connection, |table| Vec::from_iter(table.remove(name)));
        }
    }

    /// Replaces all event types of a connection at once. Returns those whose schema does not compile; of them the one
    /// before stays.
    pub fn replace(
        &self,
        connection: &str,
        all: impl IntoIterator<Item = (String, Declared)>,
    ) -> Vec<(String, InvalidSchema)> {
        self.replace_unless(connection, all, || false).unwrap_or_default()
    }

    /// The same, unless it is given up, which is asked before each schema. `None`: it was, and nothing changed.
    pub fn replace_unless(
        &self,
        connection: &str,
        all: impl IntoIterator<Item = (String, Declared)>,
        is_given_up: impl Fn() -> bool,
    ) -> Option<Vec<(String, InvalidSchema)>> {
        let mut broken = Vec::new();
        let mut table = HashMap::new();
        for (name, declared) in all {
            if is_given_up() {
                return None;
            }
            let before = self.entry(connection, &name);
            let entry = match &before {
                Some(before) if before.declared == declared => before.clone(),
                _ => {
                    let entry = Arc::new(Entry::new(declared));
                    match (self.check(&entry, &Effort::full()), before) {
                        (Ok(()), _) => entry,
                        (Err(error), before) => {
                            broken.push((name.clone(), error));
                            let Some(before) = before else { continue };
                            before
                        }
                    }
                }
            };
            table.insert(name.into(), entry);
        }
        self.replace_table(connection, table);
        Some(broken)
    }

    fn replace_table(&self, connection: &str, table: HashMap<Box<str>, Arc<Entry>>) {
        self.change(connection, |present| {
            let is_displaced = |(name, entry): &(Box<str>, Arc<Entry>)| {
                table.get(name).is_none_or(|new| !Arc::ptr_eq(new, entry))
            };
            let displaced = std::mem::take(present).into_iter().filter(is_displaced);
            let displaced = displaced.map(|(_, entry)| entry).collect();
            *present = table;
            displaced
        });
    }

    /// Replaces what may be declared beyond the event types that can be used.
    pub fn set_unknown(&self, unknown: Unknown) {
        *self.inner.unknown.write() = unknown;
    }

    /// Changes what may be declared beyond the event types that can be used.
    pub fn update_unknown(&self, change: impl FnOnce(&mut Unknown)) {
        change(&mut self.inner.unknown.write());
    }

    /// Whether an event type for which there is no schema may be declared all the same. Then nobody may take it for one
    /// that needs no check.
    #[must_use]
    pub fn may_be_declared(&self, connection: &str, event_type: &str) -> bool {
        self.inner.unknown.read().may_contain(connection, event_type)
    }

    /// Says that all that there is has been taken in once.
    pub fn loaded(&self) {
        self.inner.loaded.send_replace(true);
    }

    /// Whether all that there is has been taken in once.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        *self.inner.loaded.borrow()
    }

    /// Waits until all that there is has been taken in once.
    pub async fn wait_loaded(&self) {
        // The sender lives as long as this handle.
        let _ = self.inner.loaded.subscribe().wait_for(|loaded| *loaded).await;
    }

    /// How many wait in [`Self::wait_loaded`].
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.loaded.receiver_count()
    }

    /// The entry of an event type, with its compiled schema.
    fn found(&self, connection: &str, event_type: &str, effort: &Effort) -> Found {
        let Some(entry) = self.entry(connection, event_type) else { return Found::Nothing };
        if entry.declared.schema.is_none() {
            return Found::WithoutSchema;
        }
        match self.compiled(&entry, effort) {
            Some(compiled) => Found::Schema(entry, compiled),
            None => Found::Nothing,
        }
    }

    fn entry(&self, connection: &str, name: &str) -> Option<Arc<Entry>> {
        self.inner.tables.load().get(connection)?.get(name).cloned()
    }

    /// Changes the table of a connection. `with` returns the entries that it displaces, which are compiled no more.
    fn change(
        &self,
        connection: &str,
        with: impl FnOnce(&mut HashMap<Box<str>, Arc<Entry>>) -> Vec<Arc<Entry>>,
    ) {
        let displaced = {
            let _guard = self.inner.writer.lock();
            let mut tables = Tables::clone(&self.inner.tables.load());
            let mut table = tables.get(connection).map(|table| HashMap::clone(table)).unwrap_or_default();
            let displaced = with(&mut table);
            if table.is_empty() {
                tables.remove(connection);
            } else {
                tables.insert(connection.into(), Arc::new(table));
            }
            self.inner.tables.store(Arc::new(tables));
            displaced
        };
        if displaced.iter().any(|entry| entry.compiled.load().is_some()) {
            self.inner.compiled.lock().remove(&displaced);
        }
    }

    /// The compiled schema of an entry, compiled now if it is not. It did compile when it was taken in.
    fn compiled(&self, entry: &Arc<Entry>, effort: &Effort) -> Option<Arc<Compiled>> {
        // Writing to what is read by all would make the processors wait for each other.
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        if let Some(compiled) = entry.compiled.load_full() {
            return Some(compiled);
        }
        self.compile(entry, effort).ok().flatten()
    }

    /// Checks that the schema of an entry can be used, if it has one.
    fn check(&self, entry: &Arc<Entry>, effort: &Effort) -> Result<(), InvalidSchema> {
        self.compile(entry, effort).map(|_| ())
    }

    /// `None`: it has no schema, or the effort is exceeded.
    fn compile(&self, entry: &Arc<Entry>, effort: &Effort) -> Result<Option<Arc<Compiled>>, InvalidSchema> {
        let Declared { schema, format_assertion, policy: _ } = &entry.declared;
        let Some(schema) = schema else { return Ok(None) };
        schema::check_schema_text(schema.as_str())?;
        if !effort.allows_schema(schema.as_str().len()) {
            return Ok(None);
        }
        #[cfg(test)]
        {
            let on_compile = self.inner.on_compile.lock().clone();
            on_compile.iter().for_each(|on_compile| on_compile());
        }
        let compiled = Compiled::new_within(&schema.to_value(), *format_assertion, effort);
        if effort.is_exceeded() {
            return Ok(None);
        }
        let compiled = Arc::new(compiled?);
        entry.compiled.store(Some(compiled.clone()));
        self.inner.compiled.lock().insert(entry.clone(), entry.size + compiled.further_memory());
        Ok(Some(compiled))
    }
}

impl Entry {
    fn new(declared: Declared) -> Self {
        let size = declared.schema.as_ref().map_or(0, |schema| schema::compiled_size(schema.as_str()));
        Self { declared, compiled: ArcSwapOption::empty(), used: AtomicBool::new(false), size }
    }

    /// What is said of a payload of which this entry's schema says so.
    fn judged(&self, findings: Findings) -> Judgement {
        let Findings { violations, more, places, is_given_up, steps: _ } = findings;
        if violations.is_empty() {
            Judgement::Valid
        } else {
            Judgement::Invalid { policy: self.declared.policy, violations, more, places, is_given_up }
        }
    }
}

impl Clock {
    fn insert(&mut self, entry: Arc<Entry>, size: usize) {
        // Two requests may have compiled it at once.
        if self.entries.iter().any(|(present, _)| Arc::ptr_eq(present, &entry)) {
            return;
        }
        while self.entries.len() >= self.most || self.bytes + size > self.max_bytes {
            let Some((oldest, its_size)) = self.entries.pop_front() else { break };
            // One that only the clock still knows was displaced while it was compiled.
            let wanted = Arc::strong_count(&oldest) > 1 && oldest.used.swap(false, Ordering::Relaxed);
            if wanted {
                self.entries.push_back((oldest, its_size));
            } else {
                self.bytes -= its_size;
                oldest.compiled.store(None);
            }
        }
        self.bytes += size;
        self.entries.push_back((entry, size));
    }

    fn remove(&mut self, displaced: &[Arc<Entry>]) {
        let displaced: HashSet<_> = displaced.iter().map(Arc::as_ptr).collect();
        let bytes = &mut self.bytes;
        self.entries.retain(|(entry, size)| {
            let is_displaced = displaced.contains(&Arc::as_ptr(entry));
            if is_displaced {
                *bytes -= size;
                entry.compiled.store(None);
            }
            !is_displaced
        });
    }
}
