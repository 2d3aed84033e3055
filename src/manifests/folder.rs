//! A folder of manifests as typed objects, checked as an API server would check them.
//!
//! One bad document never hides the others. Everything here blocks on the file system: call it where that
//! is allowed.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use serde_json::Value;

use super::check::{Checker, Violation};
use super::yaml::{self, Ambiguous, Document, Mark};
use super::{Declared, ObjectId, Origin, Problem, messages, object, walk};
use crate::api::{ConfigMapKeyRef, GROUP, SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType};
use crate::plan::schema_source::{self, Source};
use crate::schema;

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Connections, in the order of files and lines, as all lists here.
    pub connections: Vec<Declared<SvixConnection>>,
    /// Event types.
    pub event_types: Vec<Declared<WebhookEventType>>,
    /// Endpoints.
    pub endpoints: Vec<Declared<WebhookEndpoint>>,
    /// Events.
    pub events: Vec<Declared<WebhookEvent>>,
    /// ConfigMaps, which schemas may come from.
    pub config_maps: Vec<Declared<ConfigMap>>,
    /// Secrets, which tokens, addresses, headers and signing keys may come from.
    pub secrets: Vec<Declared<Secret>>,
    /// Namespaces, whose labels the rules of connections speak of.
    pub namespaces: Vec<Declared<Namespace>>,
    /// What is wrong. An object with a problem is in none of the lists above.
    pub problems: Vec<Problem>,
    /// What is probably not meant as it is written; the objects are there none the less.
    pub warnings: Vec<Problem>,
    /// What was left out on purpose.
    pub notes: Vec<String>,
    /// How many objects were left out, since their kinds are others'.
    pub left_out: usize,
    /// How many files were found.
    pub files: usize,
}

impl Loaded {
    /// Whether there may be objects that are not listed and not named by a problem either: something could
    /// not be read. Then an object that is missing is not known to have been deleted.
    #[must_use]
    pub fn may_lack_objects(&self) -> bool {
        self.problems.iter().any(|problem| problem.object.is_none())
    }

    /// What to say of a folder in which nothing is ours, and nothing wrong either: most likely it is the wrong one.
    #[must_use]
    pub fn nothing_of_ours(&self, root: &Path) -> Option<String> {
        let ours = self.connections.len() + self.event_types.len() + self.endpoints.len() + self.events.len();
        if ours > 0 || !self.problems.is_empty() {
            return None;
        }
        let number =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut read = format!("{} read", number(self.files, "file"));
        let others = self.left_out + self.config_maps.len() + self.secrets.len() + self.namespaces.len();
        if others > 0 {
            read = format!("{read}, {} of other kinds left out", number(others, "object"));
        }
        Some(format!("no manifest of {GROUP} in {} ({read})", root.display()))
    }

    /// Whether an object is declared, though perhaps wrongly: then it must not be taken for deleted.
    #[must_use]
    pub fn is_broken(&self, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        self.problems.iter().filter_map(|problem| problem.object.as_ref()).any(|object| {
            object.kind == kind && object.namespace.as_deref() == namespace && object.name == name
        })
    }
}

/// Reads a folder, or one file.
#[must_use]
pub fn load(root: &Path) -> Loaded {
    let mut loader = Loader {
        checker: Checker::new(),
        loaded: Loaded::default(),
        seen: HashMap::new(),
        ignored: BTreeMap::new(),
        file: root.display().to_string(),
    };
    if let Err(error) = &loader.checker {
        let message = error.to_string();
        loader.file_problem(root, message);
        return loader.loaded;
    }
    let found = walk::files(root);
    for (path, message) in found.failures {
        loader.file_problem(&path, message);
    }
    loader.loaded.files = found.files.len();
    for path in found.files {
        match walk::read(&path) {
            Ok(text) => loader.file(&path, &text),
            Err(message) => loader.file_problem(&path, message),
        }
    }
    loader.finish()
}

struct Loader {
    checker: Result<Checker, super::check::CheckerError>,
    loaded: Loaded,
    seen: HashMap<ObjectId, Origin>,
    ignored: BTreeMap<String, usize>,
    file: String,
}

/// One object of a document: the document itself, or an item of a List.
struct Item<'a> {
    document: &'a Document,
    /// JSON Pointer of the object in the document.
    base: String,
    value: &'a Value,
}

impl Item<'_> {
    fn mark(&self, pointer: &str) -> Mark {
        self.document.locate(&format!("{}{pointer}", self.base))
    }
}

impl Loader {
    fn file_problem(&mut self, path: &Path, message: String) {
        let (pointer, object) = (String::new(), None);
        self.loaded.problems.push(Problem {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            object,
            pointer,
            message,
        });
    }

    fn file(&mut self, path: &Path, text: &str) {
        let is_kustomization =
            path.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case("kustomization"));
        if is_kustomization {
            *self.ignored.entry("Kustomization".into()).or_default() += 1;
            return;
        }
        self.file = path.display().to_string();
        for document in yaml::documents(text) {
            match document {
                Err(error) => self.problem(error.mark, None, String::new(), error.message),
                Ok(document) => {
                    self.item(&Item { document: &document, base: String::new(), value: &document.value });
                }
            }
        }
    }

    fn problem(&mut self, mark: Mark, object: Option<ObjectId>, pointer: String, message: String) {
        let file = self.file.clone();
        let Mark { line, column } = mark;
        self.loaded.problems.push(Problem { file, line, column, object, pointer, message });
    }

    fn item(&mut self, item: &Item<'_>) {
        let (group, version, kind) = match object::kind_of(item.value) {
            Ok(found) => found,
            Err(message) => return self.problem(item.mark(""), None, String::new(), message),
        };
        let is_list = kind.ends_with("List") && item.value.get("items").is_some_and(Value::is_array);
        if is_list && (group.is_empty() || group == GROUP) {
            for (index, value) in
                item.value.get("items").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                let base = format!("{}/items/{index}", item.base);
                // A List of Lists is not a thing: its depth is bounded by that of the document.
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
            (GROUP, _, _) => {
                let (pointer, message) = self.unknown_kind(version, kind);
                let object = object::id_of(item.value, kind, kind != "SvixConnection");
                let object = object.filter(|_| pointer == "/apiVersion");
                self.problem(item.mark(&pointer), object, pointer, message);
            }
            _ => match foreign_group(group, version, kind) {
                Some(message) => {
                    let object = object::id_of(item.value, kind, kind != "SvixConnection");
                    self.problem(item.mark("/apiVersion"), object, "/apiVersion".into(), message);
                }
                None => {
                    let name = if group.is_empty() { kind.to_owned() } else { format!("{kind} ({group})") };
                    *self.ignored.entry(name).or_default() += 1;
                }
            },
        }
    }

    fn unknown_kind(&self, version: &str, kind: &str) -> (String, String) {
        let kinds: Vec<&str> = self.checker.iter().flat_map(Checker::kinds).collect();
        if !kinds.contains(&kind) {
            let message = match messages::closest(kind, kinds.iter().copied()) {
                Some(meant) => format!("{GROUP} has no kind {kind:?}; did you mean {meant}?"),
                None => format!("{GROUP} has no kind {kind:?}, expected one of {}", kinds.join(", ")),
            };
            return ("/kind".into(), message);
        }
        ("/apiVersion".into(), format!("{GROUP} has no version {version:?}, expected {GROUP}/v1alpha1"))
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
            return self.violations(item, id.as_ref(), violations);
        };
        let origin = Origin { file: self.file.clone(), line: item.mark("").line };
        if let Some(first) = self.seen.get(&id) {
            let message = format!("declared twice, first at {first}, which is used: remove one of the two");
            return self.problem(item.mark(""), Some(id), String::new(), message);
        }
        self.seen.insert(id.clone(), origin.clone());
        self.warn(item, &id);
        match self.store(item.value, kind, &id, origin) {
            Err(violations) => self.violations(item, Some(&id), violations),
            Ok(()) if kind == "WebhookEventType" => self.warn_of_schema(item, &id),
            Ok(()) => {}
        }
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
                loaded.config_maps.push(Declared { object, origin });
            }
            "Secret" => {
                let object = object::secret(value, metadata)?;
                loaded.secrets.push(Declared { object, origin });
            }
            "Namespace" => {
                loaded
                    .namespaces
                    .push(Declared { object: Namespace { metadata, ..Namespace::default() }, origin });
            }
            "SvixConnection" => {
                let mut object = SvixConnection::new(&id.name, typed(spec())?);
                object.metadata = metadata;
                loaded.connections.push(Declared { object, origin });
            }
            "WebhookEventType" => {
                let mut object = WebhookEventType::new(&id.name, typed(spec())?);
                object.metadata = metadata;
                loaded.event_types.push(Declared { object, origin });
            }
            "WebhookEvent" => {
                let mut object = WebhookEvent::new(&id.name, typed(spec())?);
                object.metadata = metadata;
                loaded.events.push(Declared { object, origin });
            }
            _ => {
                let mut object = WebhookEndpoint::new(&id.name, typed(spec())?);
                object.metadata = metadata;
                loaded.endpoints.push(Declared { object, origin });
            }
        }
        Ok(())
    }

    /// Words that kubectl reads as booleans, where a schema or a payload was most likely meant to have text.
    fn warn(&mut self, item: &Item<'_>, id: &ObjectId) {
        for word in &item.document.ambiguous {
            let Some(pointer) = word.pointer.strip_prefix(&item.base) else { continue };
            let mut parts = pointer.split('/').skip(1);
            let inside = match (parts.next(), parts.next()) {
                (Some("spec"), Some("schema" | "payload")) => true,
                (Some("spec"), Some("examples")) => parts.nth(1) == Some("value"),
                _ => false,
            };
            if inside {
                let Mark { line, column } = word.mark;
                self.loaded.warnings.push(Problem {
                    file: self.file.clone(),
                    line,
                    column,
                    object: Some(id.clone()),
                    pointer: pointer.to_owned(),
                    message: ambiguity(word),
                });
            }
        }
    }

    /// What in the schema of the event type that was stored last has no effect. A schema in a ConfigMap may be in a file
    /// that comes later.
    fn warn_of_schema(&mut self, item: &Item<'_>, id: &ObjectId) {
        let Some(Declared { object, .. }) = self.loaded.event_types.last() else { return };
        let Ok(Source::Inline(schema)) = schema_source::schema_text(object) else { return };
        for schema::Warning { pointer, message } in schema_source::warnings(object, &schema.to_value()) {
            let Mark { line, column } = item.mark(&pointer);
            let (file, object) = (self.file.clone(), Some(id.clone()));
            self.loaded.warnings.push(Problem { file, line, column, object, pointer, message });
        }
    }

    /// The same for schemas in ConfigMaps.
    fn warn_of_referenced_schemas(&mut self) {
        let text = |namespace: Option<&str>, reference: &ConfigMapKeyRef| {
            let declared = self.loaded.config_maps.iter().map(|declared| &declared.object);
            let mut of_name = declared.filter(|map| {
                map.metadata.namespace.as_deref() == namespace
                    && map.metadata.name.as_deref() == Some(&reference.name)
            });
            of_name.find_map(|map| map.data.as_ref()?.get(&reference.key))
        };
        let mut warnings = Vec::new();
        for Declared { object, origin } in &self.loaded.event_types {
            let Ok(Source::ConfigMap(reference)) = schema_source::schema_text(object) else { continue };
            let namespace = object.metadata.namespace.as_deref();
            let Some(text) = text(namespace, reference) else { continue };
            let Ok(schema) = schema_source::parse_schema(object, text) else { continue };
            let id = ObjectId {
                kind: "WebhookEventType".to_owned(),
                namespace: namespace.map(ToOwned::to_owned),
                name: object.metadata.name.clone().unwrap_or_default(),
            };
            for schema::Warning { pointer, message } in schema_source::warnings(object, &schema.to_value()) {
                let (file, line) = (origin.file.clone(), origin.line);
                warnings.push(Problem { file, line, column: 0, object: Some(id.clone()), pointer, message });
            }
        }
        self.loaded.warnings.extend(warnings);
    }

    fn finish(mut self) -> Loaded {
        self.warn_of_referenced_schemas();
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

/// What is wrong with the group of a kind of ours that stands under another; `None`: it is somebody else's kind.
/// Others have a `WebhookEndpoint`, too, so the group must look like ours.
fn foreign_group(group: &str, version: &str, kind: &str) -> Option<String> {
    let ours = ["SvixConnection", "WebhookEventType", "WebhookEndpoint", "WebhookEvent"];
    if !ours.contains(&kind) {
        return None;
    }
    let hint = format!("did you mean {GROUP}/v1alpha1?");
    if group.is_empty() {
        return Some(format!(
            "found {version:?}, which names no API group, expected {GROUP}/v1alpha1; {hint}"
        ));
    }
    let near = messages::closest(group, [GROUP]).is_some() || group.to_lowercase().contains("svix");
    near.then(|| format!("found \"{group}/{version}\", expected {GROUP}/v1alpha1 for a {kind}; {hint}"))
}

fn ambiguity(word: &Ambiguous) -> String {
    let text = &word.text;
    let value = matches!(text.as_bytes(), [b'y' | b'Y', ..] | [b'o' | b'O', b'n' | b'N']);
    if word.is_key {
        format!("the key {text} is read as {value}: write \"{text}\" in quotes")
    } else {
        format!(
            "{text} is read as {value}: write \"{text}\" in quotes for the text, or {value} for the boolean"
        )
    }
}

/// What passed the CRD's schema fits the type; if not, that is said instead of left out.
fn typed<T: serde::de::DeserializeOwned>(spec: Value) -> Result<T, Vec<Violation>> {
    serde_json::from_value(spec).map_err(|_| {
        vec![Violation { pointer: "/spec".into(), message: "does not have the form of this kind".into() }]
    })
}

#[cfg(test)]
mod tests;
