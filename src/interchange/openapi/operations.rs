//! The operations of an OpenAPI document that describe events: those of `webhooks`, `x-webhooks` and `callbacks`.

use serde_json::{Map, Value};

use crate::plan::quoted;

use super::super::{
    Change,
    documents::{Documents, Place},
};

/// Methods in the order in which they are taken: an event is a POST nearly everywhere.
const METHODS: [&str; 8] = ["post", "put", "patch", "get", "delete", "options", "head", "trace"];

/// An operation that describes an event.
pub(super) struct Operation<'a> {
    /// The key of the webhook or callback.
    pub(super) key: String,
    /// The path item.
    pub(super) item: &'a Map<String, Value>,
    /// The operation.
    pub(super) operation: &'a Map<String, Value>,
    /// Where it is.
    pub(super) place: Place,
}

impl Operation<'_> {
    /// Where the path item is.
    pub(super) fn item_place(&self) -> Place {
        let mut place = self.place.clone();
        place.parts.pop();
        place
    }
}

/// A place that cannot be read, and why.
pub(super) struct Unreadable {
    pub(super) place: Place,
    cause: Cause,
}

enum Cause {
    Reference(String),
    Value { found: String, expected: &'static str },
    NoOperation,
}

impl Unreadable {
    fn reference(place: Place, reference: &str) -> Self {
        Self { place, cause: Cause::Reference(reference.to_owned()) }
    }

    /// A value that is of another type than OpenAPI has there.
    pub(super) fn value(place: Place, found: &Value, expected: &'static str) -> Self {
        Self { place, cause: Cause::Value { found: described(found), expected } }
    }

    /// Returns what follows for the import.
    pub(super) fn into_change(self) -> Change {
        match self.cause {
            Cause::Reference(reference) => Change::Reference(reference),
            Cause::Value { found, expected } => Change::Invalid { found, expected },
            Cause::NoOperation => Change::NoOperation,
        }
    }
}

/// Describes a value for a message, without its parts.
pub(super) fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Finds all operations, in the order of the document's sections.
pub(super) fn find<'a>(documents: &Documents<'a>, document: &str) -> (Vec<Operation<'a>>, Vec<Unreadable>) {
    let mut finder = Finder { documents, found: Vec::new(), unreadable: Vec::new() };
    for section in ["webhooks", "x-webhooks"] {
        finder.items(&Place::new(document, &[section]), None);
    }
    finder.callbacks(&Place::new(document, &["paths"]));
    finder.callbacks(&Place::new(document, &["components", "pathItems"]));
    (finder.found, finder.unreadable)
}

struct Finder<'f, 'a> {
    documents: &'f Documents<'a>,
    found: Vec<Operation<'a>>,
    unreadable: Vec<Unreadable>,
}

impl<'a> Finder<'_, 'a> {
    /// The object at a place, after its references.
    fn object(&mut self, place: &Place) -> Option<Found<'a>> {
        match resolved(self.documents, place) {
            Ok(found) => found,
            Err(unreadable) => {
                self.unreadable.push(unreadable);
                None
            }
        }
    }

    /// Whether there is nothing at a place: YAML without a value is null.
    fn is_absent(&self, place: &Place) -> bool {
        self.documents.get(place).is_none_or(Value::is_null)
    }

    fn keys(&mut self, place: &Place) -> Vec<Place> {
        if self.is_absent(place) {
            return Vec::new();
        }
        let Some((members, at)) = self.object(place) else { return Vec::new() };
        members.keys().filter(|key| !key.starts_with("x-")).map(|key| at.child(&[key])).collect()
    }

    /// The path items of a section, each an event; with `key`, the events of a callback of this name.
    fn items(&mut self, section: &Place, key: Option<&str>) {
        for place in self.keys(section) {
            let name = place.parts.last().cloned().unwrap_or_default();
            let Some((item, at)) = self.object(&place) else { continue };
            let mut operations = Vec::new();
            let mut is_described = false;
            for (method, value) in METHODS.iter().filter_map(|method| Some((*method, item.get(*method)?))) {
                is_described = true;
                match value.as_object() {
                    Some(operation) => operations.push((method, operation)),
                    None => self.invalid_operation(at.child(&[method]), value),
                }
            }
            // One event, whatever the method: of several, the first that has a body.
            let operation = operations
                .iter()
                .find(|(_, operation)| operation.contains_key("requestBody"))
                .or(operations.first());
            let Some(&(method, operation)) = operation else {
                if !is_described {
                    self.unreadable.push(Unreadable { place: at, cause: Cause::NoOperation });
                }
                continue;
            };
            let key = key.map_or_else(|| name.clone(), str::to_owned);
            self.found.push(Operation { key, item, operation, place: at.child(&[method]) });
        }
    }

    fn invalid_operation(&mut self, place: Place, found: &Value) {
        self.unreadable.push(Unreadable::value(place, found, "an operation: an object"));
    }

    fn callbacks(&mut self, paths: &Place) {
        for path in self.keys(paths) {
            if self.is_absent(&path) {
                continue;
            }
            let Some((item, at)) = self.object(&path) else { continue };
            for (method, value) in METHODS.iter().filter_map(|method| Some((*method, item.get(*method)?))) {
                if !value.is_object() && !value.is_null() {
                    self.invalid_operation(at.child(&[method]), value);
                }
                for callback in self.keys(&at.child(&[method, "callbacks"])) {
                    let name = callback.parts.last().cloned().unwrap_or_default();
                    self.items(&callback, Some(&name));
                }
            }
        }
    }
}

/// An object, and where it is.
pub(super) type Found<'a> = (&'a Map<String, Value>, Place);

/// Returns the object at a place, or where its `$ref` leads, and the place of it. `None`: there is nothing at the place.
pub(super) fn resolved<'a>(
    documents: &Documents<'a>,
    place: &Place,
) -> Result<Option<Found<'a>>, Unreadable> {
    let mut at = place.clone();
    // Longer chains are circles.
    for _ in 0..16 {
        let Some(value) = documents.get(&at) else { return Ok(None) };
        let Some(members) = value.as_object() else { return Err(Unreadable::value(at, value, "an object")) };
        let reference = match members.get("$ref") {
            None => return Ok(Some((members, at))),
            Some(Value::String(reference)) => reference,
            Some(other) => return Err(Unreadable::value(at.child(&["$ref"]), other, "a reference: text")),
        };
        let Some(target) = documents.resolve(&at, reference) else {
            return Err(Unreadable::reference(at, reference));
        };
        at = target;
    }
    let reference = documents.get(place).and_then(|value| value.get("$ref")).and_then(Value::as_str);
    Err(Unreadable::reference(place.clone(), reference.unwrap_or_default()))
}
