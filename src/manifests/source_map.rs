//! Where objects stand in files, and the fields that an engine's messages speak of.
//!
//! Only file and line of each object are kept. The place of a field is looked for when it is asked for: at ten
//! thousand objects, the places of all fields would be more than the objects.

use std::{collections::HashMap, path::Path};

use kube::Resource;
use serde_json::Value;

use crate::engine::{Kind, ObjectKey};

use super::{
    Declared, Loaded, Origin, walk,
    yaml::{self, Document},
};

/// Where the objects of a folder are declared.
#[derive(Debug, Default)]
pub(super) struct Places {
    origins: HashMap<ObjectKey, Origin>,
    /// The lines of fields that were asked for. They hold until the folder is read again.
    found: HashMap<(ObjectKey, String), usize>,
    /// The file that was read last, for the other objects in it.
    open: Option<(String, Vec<Document>)>,
}

impl Places {
    /// The places in a folder, as it was read now.
    pub(super) fn new(loaded: &Loaded) -> Self {
        let mut places = Self::default();
        places.add(Kind::Connection, &loaded.connections);
        places.add(Kind::EventType, &loaded.event_types);
        places.add(Kind::Endpoint, &loaded.endpoints);
        places.add(Kind::Event, &loaded.events);
        places
    }

    fn add<T: Resource>(&mut self, kind: Kind, all: &[Declared<T>]) {
        self.origins.extend(all.iter().map(|declared| {
            let meta = declared.object.meta();
            let [namespace, name] =
                [&meta.namespace, &meta.name].map(|text| text.as_deref().unwrap_or_default());
            (ObjectKey { kind, namespace: namespace.into(), name: name.into() }, declared.origin.clone())
        }));
    }

    /// Where an object is declared.
    pub(super) fn object(&self, key: &ObjectKey) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// Where a field of an object stands; the object itself where that cannot be told.
    pub(super) fn field(&mut self, key: &ObjectKey, pointer: &str) -> Option<Origin> {
        let origin = self.origins.get(key)?.clone();
        let asked = (key.clone(), pointer.to_owned());
        if let Some(line) = self.found.get(&asked) {
            return Some(Origin { line: *line, ..origin });
        }
        if self.open.as_ref().is_none_or(|(file, _)| *file != origin.file) {
            // What cannot be read any more was read a moment ago, and will be reported by the next reading.
            let text = walk::read(Path::new(&origin.file)).unwrap_or_default();
            self.open = Some((origin.file.clone(), yaml::documents(&text).filter_map(Result::ok).collect()));
        }
        let documents = self.open.iter().flat_map(|(_, documents)| documents);
        let line = documents
            .filter_map(|document| {
                let base = begins_at(document, String::new(), &document.value, origin.line)?;
                Some(document.locate(&format!("{base}{pointer}")).line)
            })
            .next()
            .unwrap_or(origin.line);
        self.found.insert(asked, line);
        Some(Origin { line, ..origin })
    }

    /// Lets go of the file that was read last.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

/// JSON Pointer of the object that begins on a line of a document: the document itself, or an item of a List.
fn begins_at(document: &Document, base: String, value: &Value, line: usize) -> Option<String> {
    let items = value.get("items").and_then(Value::as_array);
    let inner = items.into_iter().flatten().enumerate();
    let mut inner = inner.map(|(index, item)| (format!("{base}/items/{index}"), item));
    let found = inner.find_map(|(base, item)| begins_at(document, base, item, line));
    found.or_else(|| (document.locate(&base).line == line).then_some(base))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::manifests::load;

    #[test]
    fn a_field_is_found_in_documents_and_in_lists() {
        let dir = tempfile::tempdir().unwrap();
        let event_type = "apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {name: NAME}\n\
                          spec:\n  schema:\n    type: strin\n";
        let listed = event_type.replace("NAME", "c").replace('\n', "\n  ");
        let text = format!(
            "{}---\n# a comment\n{}---\napiVersion: v1\nkind: List\nitems:\n- {listed}\n",
            event_type.replace("NAME", "a"),
            event_type.replace("NAME", "b"),
        );
        std::fs::write(dir.path().join("a.yaml"), text).unwrap();
        let mut places = Places::new(&load(dir.path()));
        let mut line = |name: &str, pointer: &str| {
            let key = ObjectKey { kind: Kind::EventType, namespace: "default".into(), name: name.into() };
            places.field(&key, pointer).map(|origin| origin.line)
        };
        assert_eq!(line("a", "/spec/schema/type"), Some(6));
        assert_eq!(line("b", "/spec/schema/type"), Some(14));
        assert_eq!(line("c", "/spec/schema/type"), Some(24));
        assert_eq!(line("c", "/spec/schema/none"), Some(23), "the nearest part that is there");
        assert_eq!(line("d", "/spec"), None);
    }
}
