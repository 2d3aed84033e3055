//! Maps objects and their fields to lines of files.
//!
//! Only file and line of each object are kept. The line of a field is found when it is needed: at ten thousand objects,
//! the lines of all fields would take more memory than the objects.

use std::{borrow::Cow, collections::HashMap, path::Path, sync::Arc};

use kube::Resource;
use serde_json::Value;

use crate::{
    api::JsonPointer,
    engine::{Kind, ObjectKey},
};

use super::{
    folder::Input,
    loaded::Loaded,
    problem::{Located, Origin, Position},
    read,
    yaml::{self, Document, Mark},
};

/// The origins of a folder's objects.
#[derive(Debug, Default)]
pub struct SourceMap {
    origins: HashMap<ObjectKey, Origin>,
    /// The texts of inputs that are no files, by name.
    texts: HashMap<String, String>,
    /// The positions of fields that were found before. They are valid until the folder is read again.
    found: HashMap<(ObjectKey, JsonPointer), Mark>,
    /// The file that was read last, for the other objects in it.
    open: Option<(Arc<str>, Vec<Document>)>,
}

impl SourceMap {
    /// The map of a folder that was read just now.
    #[must_use]
    pub fn new(loaded: &Loaded) -> Self {
        let mut map = Self::default();
        map.add(Kind::Connection, &loaded.connections);
        map.add(Kind::EventType, &loaded.event_types);
        map.add(Kind::Endpoint, &loaded.endpoints);
        map.add(Kind::Event, &loaded.events);
        map
    }

    /// The same, with the texts of inputs that are no files.
    #[must_use]
    pub fn with_texts(self, inputs: &[Input]) -> Self {
        let texts = inputs.iter().filter_map(|input| match input {
            Input::Path(_) => None,
            Input::Text { name, text } => Some((name.clone(), text.clone())),
        });
        Self { texts: texts.collect(), ..self }
    }

    /// Replaces the keys by copies that are shared.
    pub(super) fn share_keys(&mut self, shared: impl Fn(&ObjectKey) -> ObjectKey) {
        let origins = std::mem::take(&mut self.origins);
        self.origins = origins.into_iter().map(|(key, origin)| (shared(&key), origin)).collect();
    }

    /// Returns the copy of a key that is kept here; the key itself, if no file declares the object.
    pub(super) fn shared_key(&self, key: ObjectKey) -> ObjectKey {
        self.origins.get_key_value(&key).map_or(key, |(known, _)| known.clone())
    }

    /// The file and line of an object.
    #[must_use]
    pub fn origin(&self, key: &ObjectKey) -> Option<&Origin> {
        self.origins.get(key)
    }

    fn add<T: Resource>(&mut self, kind: Kind, all: &[Located<T>]) {
        self.origins.extend(
            all.iter().map(|located| (ObjectKey::of(kind, located.object.meta()), located.origin.clone())),
        );
    }

    /// Returns the origin of an object.
    pub(super) fn object(&self, key: &ObjectKey) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// Returns the origin of a field; that of the object if the field cannot be found.
    pub(super) fn field(&mut self, key: &ObjectKey, pointer: &JsonPointer) -> Option<Origin> {
        let (file, mark) = self.locate(key, pointer)?;
        Some(Origin { file, line: mark.line })
    }

    /// Returns the position of a field; that of the object if the field cannot be found. `None`: no file declares the
    /// object.
    pub fn position(&mut self, key: &ObjectKey, pointer: &JsonPointer) -> Option<Position> {
        let (file, Mark { line, column }) = self.locate(key, pointer)?;
        Some(Position { file: file.to_string(), line: Some(line), column: Some(column) })
    }

    fn locate(&mut self, key: &ObjectKey, pointer: &JsonPointer) -> Option<(Arc<str>, Mark)> {
        let origin = self.origins.get(key)?.clone();
        let field = (key.clone(), pointer.clone());
        if let Some(mark) = self.found.get(&field) {
            return Some((origin.file, *mark));
        }
        if self.open.as_ref().is_none_or(|(file, _)| *file != origin.file) {
            // A file that cannot be read any more could be read a moment ago; the next reading reports it.
            let read = || read::read(Path::new(&*origin.file)).unwrap_or_default();
            let text = self.texts.get(&*origin.file).map_or_else(|| Cow::Owned(read()), Cow::from);
            self.open = Some((origin.file.clone(), yaml::documents(&text).filter_map(Result::ok).collect()));
        }
        let documents = self.open.iter().flat_map(|(_, documents)| documents);
        let mark = documents
            .filter_map(|document| {
                let base = object_at(document, JsonPointer::ROOT, &document.value, origin.line)?;
                Some(document.locate(&base.join(pointer.as_str())))
            })
            .next()
            .unwrap_or(Mark { line: origin.line, column: 1 });
        self.found.insert(field, mark);
        Some((origin.file, mark))
    }

    /// Drops the file that was read last.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

/// Returns the object that begins on a line of a document: the document itself, or an item of a List.
fn object_at(document: &Document, base: JsonPointer, value: &Value, line: usize) -> Option<JsonPointer> {
    let items = value.get("items").and_then(Value::as_array);
    let mut inner = items.into_iter().flatten().enumerate();
    let found =
        inner.find_map(|(index, item)| object_at(document, base.child("items").index(index), item, line));
    found.or_else(|| (document.locate(&base).line == line).then_some(base))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::manifests::folder::load;

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
        let mut map = SourceMap::new(&load(dir.path()));
        let mut line = |name: &str, pointer: &'static str| {
            let key = ObjectKey::new(Kind::EventType, "default", name);
            map.field(&key, &pointer.into()).map(|origin| origin.line)
        };
        assert_eq!(line("a", "/spec/schema/type"), Some(6));
        assert_eq!(line("b", "/spec/schema/type"), Some(14));
        assert_eq!(line("c", "/spec/schema/type"), Some(24));
        assert_eq!(line("c", "/spec/schema/none"), Some(23), "the innermost part that exists");
        assert_eq!(line("d", "/spec"), None);
    }
}
