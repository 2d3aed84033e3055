//! Reads a folder of manifests into typed objects, checked as an API server would check them.
//!
//! A broken document does not hide the others. All of this blocks on the file system: call it where that is allowed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{GROUP, JsonPointer, SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    engine::Kind,
};

use super::{
    check::{Checker, CheckerError},
    connections,
    loaded::Loaded,
    misspelled::{Misspelled, misspelled_type},
    nulls,
    object::{self, TypeMeta},
    problem::{Located, ObjectId, Origin, Position, Problem, UnusableConnection, Violation},
    read::{self, ReadError},
    schema_warnings::{self, SchemaWarning},
    walk,
    yaml::{self, Document, Mark},
};

/// Where manifests are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A folder, or one file.
    Path(PathBuf),
    /// A text that was read already, such as the standard input, with the name that positions in it have.
    Text {
        /// The name.
        name: String,
        /// The text.
        text: String,
    },
}

/// Reading was given up, since the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Reads a folder, or one file.
#[must_use]
pub fn load(root: &Path) -> Loaded {
    load_all(&[Input::Path(root.to_owned())])
}

/// Reads a folder, or one file, unless `stop` is cancelled meanwhile. That is checked between documents and between the items of a
/// List, so it must be cancelled from another thread.
pub fn load_until(root: &Path, stop: &CancellationToken) -> Result<Loaded, Interrupted> {
    let loaded = load_inputs(&[Input::Path(root.to_owned())], stop);
    if stop.is_cancelled() { Err(Interrupted) } else { Ok(loaded) }
}

/// Reads several folders, files and texts as if they were one folder. A file that is reached twice is read once.
#[must_use]
pub fn load_all(inputs: &[Input]) -> Loaded {
    load_inputs(inputs, &CancellationToken::new())
}

fn load_inputs(inputs: &[Input], stop: &CancellationToken) -> Loaded {
    let mut loader = Loader {
        stop,
        checker: Checker::new(),
        loaded: Loaded::default(),
        seen: HashMap::new(),
        ignored: BTreeMap::new(),
        file: "".into(),
    };
    if let Err(error) = &loader.checker {
        let message = error.to_string();
        loader.file_problem(Path::new(""), message);
        return loader.loaded;
    }
    let mut visited = HashSet::new();
    for input in inputs {
        match input {
            Input::Path(root) => loader.path(root, &mut visited),
            Input::Text { name, text } => {
                loader.loaded.files += 1;
                loader.file(Path::new(name), text);
            }
        }
    }
    loader.finish()
}

struct Loader<'a> {
    /// Whether reading is given up: then the rest is left out.
    stop: &'a CancellationToken,
    checker: Result<Checker, CheckerError>,
    loaded: Loaded,
    seen: HashMap<ObjectId, Origin>,
    ignored: BTreeMap<String, usize>,
    file: Arc<str>,
}

/// One object of a document: the document itself, or an item of a List.
struct Item<'a> {
    document: &'a Document,
    /// The object's place in the document.
    base: JsonPointer,
    value: &'a Value,
}

impl Item<'_> {
    fn mark(&self, pointer: &JsonPointer) -> Mark {
        self.document.locate(&self.base.join(pointer.as_str()))
    }

    /// A place in the document as a place in the object; `None`: it is in another object.
    fn pointer_in_object(&self, pointer: &JsonPointer) -> Option<JsonPointer> {
        let rest = pointer.as_str().strip_prefix(self.base.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| JsonPointer::ROOT.join(rest))
    }
}

impl Loader<'_> {
    fn file_problem(&mut self, path: &Path, message: String) {
        let position = Position { file: path.display().to_string(), line: None, column: None };
        // A file that cannot be read can declare anything.
        self.loaded.unusable_connections.push(UnusableConnection { position: position.clone(), name: None });
        self.loaded.problems.push(Problem { position, object: None, pointer: JsonPointer::ROOT, message });
    }

    fn path(&mut self, root: &Path, visited: &mut HashSet<PathBuf>) {
        let found = walk::files(root, self.stop);
        for (path, error) in found.failures {
            match error {
                // No manifest is lost: there is none.
                ReadError::System(_) => {
                    let position = Position { file: path.display().to_string(), line: None, column: None };
                    let (pointer, message) = (JsonPointer::ROOT, error.to_string());
                    self.loaded.warnings.push(Problem { position, object: None, pointer, message });
                }
                error => self.file_problem(&path, error.to_string()),
            }
        }
        for path in found.files {
            if self.stop.is_cancelled() {
                return;
            }
            // A file that cannot be resolved cannot be read either, which is reported below.
            if !visited.insert(fs::canonicalize(&path).unwrap_or_else(|_| path.clone())) {
                continue;
            }
            self.loaded.files += 1;
            match read::read(&path) {
                Ok(text) => self.file(&path, &text),
                Err(error) => self.file_problem(&path, error.to_string()),
            }
        }
    }

    fn file(&mut self, path: &Path, text: &str) {
        let is_kustomization =
            path.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case("kustomization"));
        if is_kustomization {
            *self.ignored.entry("Kustomization".into()).or_default() += 1;
            return;
        }
        self.file = path.display().to_string().into();
        for document in yaml::documents_until(text, Some(self.stop)) {
            if self.stop.is_cancelled() {
                return;
            }
            match document {
                Err(error) => {
                    if connections::can_be_connection_text(yaml::document_at(text, error.mark.line)) {
                        self.unusable_connection(error.mark, None);
                    }
                    self.problem(error.mark, None, JsonPointer::ROOT, error.kind.to_string());
                }
                Ok(document) => {
                    let item = Item { document: &document, base: JsonPointer::ROOT, value: &document.value };
                    self.item(&item);
                }
            }
        }
    }

    fn position(&self, mark: Mark) -> Position {
        Position { file: self.file.to_string(), line: Some(mark.line), column: Some(mark.column) }
    }

    fn problem(&mut self, mark: Mark, object: Option<ObjectId>, pointer: JsonPointer, message: String) {
        if let Some(object) = object.as_ref().filter(|object| object.kind == Kind::Connection.as_str()) {
            self.unusable_connection(mark, Some(object.name.clone()));
        }
        let position = self.position(mark);
        self.loaded.problems.push(Problem { position, object, pointer, message });
    }

    /// Records that a connection can be declared here. The first mistake of a manifest is the place to begin with.
    fn unusable_connection(&mut self, mark: Mark, name: Option<String>) {
        let position = self.position(mark);
        let all = &mut self.loaded.unusable_connections;
        let is_known = name.is_some()
            && all.iter().any(|known| known.name == name && known.position.file == position.file);
        if !is_known {
            all.push(UnusableConnection { position, name });
        }
    }

    fn item(&mut self, item: &Item<'_>) {
        let type_meta = match object::type_meta(item.value) {
            Ok(type_meta) => type_meta,
            Err(error) => {
                let pointer = JsonPointer::ROOT;
                if connections::can_be_connection(item.value) {
                    self.unusable_connection(item.mark(&pointer), None);
                }
                return self.problem(item.mark(&pointer), None, pointer, error.to_string());
            }
        };
        let TypeMeta { group, version, kind } = type_meta;
        let is_list = kind.ends_with("List") && item.value.get("items").is_some_and(Value::is_array);
        if is_list && (group.is_empty() || group == GROUP) {
            if !item.base.is_root() {
                let pointer = JsonPointer::ROOT;
                let message =
                    "a List in a List, which kubectl refuses: move its items to the outer one".to_owned();
                if connections::can_be_connection(item.value) {
                    self.unusable_connection(item.mark(&pointer), None);
                }
                return self.problem(item.mark(&pointer), None, pointer, message);
            }
            let items = item.value.get("items").and_then(Value::as_array);
            for (index, value) in items.into_iter().flatten().enumerate() {
                if self.stop.is_cancelled() {
                    return;
                }
                let base = item.base.child("items").index(index);
                self.item(&Item { document: item.document, base, value });
            }
            return;
        }
        match (group, version, kind) {
            ("", "v1", "ConfigMap" | "Secret") => self.known(item, kind, true),
            ("", "v1", "Namespace") => self.known(item, kind, false),
            (GROUP, "v1alpha1", "SvixConnection") => self.known(item, kind, false),
            (GROUP, "v1alpha1", "WebhookEventType" | "WebhookEndpoint" | "WebhookEvent") => {
                self.known(item, kind, true);
            }
            _ => match misspelled_type(type_meta) {
                Some(Misspelled { pointer, message, names_object }) => {
                    let object = object::id_of(item.value, kind, kind != Kind::Connection.as_str());
                    let object = object.filter(|_| names_object);
                    if object.is_none() && connections::can_be_connection(item.value) {
                        self.unusable_connection(item.mark(&pointer), None);
                    }
                    self.problem(item.mark(&pointer), object, pointer, message);
                }
                None => {
                    let name = if group.is_empty() { kind.to_owned() } else { format!("{kind} ({group})") };
                    *self.ignored.entry(name).or_default() += 1;
                }
            },
        }
    }

    fn known(&mut self, item: &Item<'_>, kind: &str, namespaced: bool) {
        let id = object::id_of(item.value, kind, namespaced);
        let mut violations = object::check_metadata(item.value, namespaced);
        if let Ok(checker) = &self.checker {
            violations.extend(checker.check(kind, item.value));
        }
        violations.sort();
        violations.dedup();
        let Some(id) = id.clone().filter(|_| violations.is_empty()) else {
            if id.is_none() && kind == Kind::Connection.as_str() {
                self.unusable_connection(item.mark(&JsonPointer::ROOT), None);
            }
            return self.violations(item, id.as_ref(), violations);
        };
        let mark = item.mark(&JsonPointer::ROOT);
        let origin = Origin { file: self.file.clone(), line: mark.line };
        if let Some(first) = self.seen.get(&id).cloned() {
            let outcome = match self.remove_rules(&id) {
                true => "; neither is used, since they can set different rules",
                false => ", which is used",
            };
            let message = format!("declared twice, first at {first}{outcome}: remove one of the two");
            return self.problem(mark, Some(id), JsonPointer::ROOT, message);
        }
        self.seen.insert(id.clone(), origin.clone());
        self.warn(item, &id);
        self.warn_of_nulls(item, &id);
        match self.store(item.value, kind, &id, origin) {
            Err(violations) => self.violations(item, Some(&id), violations),
            Ok(()) if kind == "WebhookEventType" => self.warn_of_schema(item, &id),
            Ok(()) => {}
        }
    }

    /// Removes an object that sets rules for others and is declared twice: the one that is used must not depend on the order
    /// of files. Returns whether the kind is such a kind.
    fn remove_rules(&mut self, id: &ObjectId) -> bool {
        let is_other = |metadata: &ObjectMeta| metadata.name.as_deref() != Some(id.name.as_str());
        match id.kind.as_str() {
            "SvixConnection" => {
                self.loaded.connections.retain(|located| is_other(&located.object.metadata));
            }
            "Namespace" => self.loaded.namespaces.retain(|located| is_other(&located.object.metadata)),
            _ => return false,
        }
        true
    }

    fn violations(&mut self, item: &Item<'_>, id: Option<&ObjectId>, violations: Vec<Violation>) {
        for Violation { pointer, message } in violations {
            self.problem(item.mark(&pointer), id.cloned(), pointer, message);
        }
    }

    fn store(
        &mut self,
        value: &Value,
        kind: &str,
        id: &ObjectId,
        origin: Origin,
    ) -> Result<(), Vec<Violation>> {
        let metadata = object::metadata(value, id);
        let spec = || value.get("spec").cloned().unwrap_or_default();
        let loaded = &mut self.loaded;
        match kind {
            "ConfigMap" => {
                let object = object::config_map(value, metadata)?;
                loaded.config_maps.push(Located { object, origin });
            }
            "Secret" => {
                let object = object::secret(value, metadata)?;
                loaded.secrets.push(Located { object, origin });
            }
            "Namespace" => {
                loaded
                    .namespaces
                    .push(Located { object: Namespace { metadata, ..Namespace::default() }, origin });
            }
            "SvixConnection" => {
                let mut object = SvixConnection::new(&id.name, typed(spec())?);
                object.metadata = metadata;
                loaded.connections.push(Located { object, origin });
            }
            "WebhookEventType" => {
                let mut object = WebhookEventType::new(&id.name, typed(spec())?);
                object.metadata = metadata;
                loaded.event_types.push(Located { object, origin });
            }
            "WebhookEvent" => {
                let mut object = WebhookEvent::new(&id.name, typed(spec())?);
                object.metadata = metadata;
                loaded.events.push(Located { object, origin });
            }
            _ => {
                let mut object = WebhookEndpoint::new(&id.name, typed(spec())?);
                object.metadata = metadata;
                loaded.endpoints.push(Located { object, origin });
            }
        }
        Ok(())
    }

    /// Warns of words that kubectl reads as booleans, where a schema or a payload was most likely meant to have text.
    fn warn(&mut self, item: &Item<'_>, id: &ObjectId) {
        for word in &item.document.ambiguous {
            let Some(pointer) = item.pointer_in_object(&word.pointer) else { continue };
            let parts: Vec<_> = pointer.parts().collect();
            let is_content = matches!(
                parts.as_slice(),
                ["spec", "schema" | "payload", ..] | ["spec", "examples", _, "value", ..]
            );
            if is_content {
                let (position, object) = (self.position(word.mark), Some(id.clone()));
                self.loaded.warnings.push(Problem { position, object, pointer, message: word.to_string() });
            }
        }
    }

    /// Warns of nulls that `kubectl apply` drops when it updates the object: in a merge patch, a null removes a field.
    fn warn_of_nulls(&mut self, item: &Item<'_>, id: &ObjectId) {
        for (field, text) in [("schema", "schemaText"), ("payload", "payloadText")] {
            let pointer = JsonPointer::SPEC.child(field);
            let Some(value) = item.value.pointer(pointer.as_str()) else { continue };
            for pointer in nulls::dropped(value, &pointer) {
                let (position, object) = (self.position(item.mark(&pointer)), Some(id.clone()));
                let message = format!(
                    "a null, which kubectl apply drops from an object that exists: write {field} as JSON under {text}"
                );
                self.loaded.warnings.push(Problem { position, object, pointer, message });
            }
        }
    }

    /// Warns of parts of the schema of the event type that was stored last that are not enforced.
    fn warn_of_schema(&mut self, item: &Item<'_>, id: &ObjectId) {
        let warnings = self.loaded.event_types.last().map(|located| schema_warnings::inline(&located.object));
        for SchemaWarning { pointer, message } in warnings.into_iter().flatten() {
            let (position, object) = (self.position(item.mark(&pointer)), Some(id.clone()));
            self.loaded.warnings.push(Problem { position, object, pointer, message });
        }
    }

    fn finish(mut self) -> Loaded {
        let warnings = schema_warnings::referenced(&self.loaded, self.stop);
        self.loaded.warnings.extend(warnings);
        self.loaded.left_out = self.ignored.values().sum();
        if !self.ignored.is_empty() {
            let kinds: Vec<String> =
                self.ignored.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            self.loaded.notes.push(format!(
                "left out: {}; only {GROUP}, ConfigMap, Secret and Namespace are read",
                kinds.join(", ")
            ));
        }
        self.loaded
    }
}

/// Reads a spec that passed the CRD's schema; a violation if it does not fit the type all the same.
fn typed<T: serde::de::DeserializeOwned>(spec: Value) -> Result<T, Vec<Violation>> {
    serde_json::from_value(spec)
        .map_err(|_| vec![Violation::new(JsonPointer::SPEC, "does not have the form of this kind")])
}

#[cfg(test)]
mod tests;
