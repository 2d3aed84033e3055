//! The operations of an OpenAPI document that describe events: those of `webhooks`, `x-webhooks` and `callbacks`.

use serde_json::{Map, Value};

use super::super::documents::{Documents, Place};

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

/// A place whose reference leads nowhere.
pub(super) struct BrokenReference {
    pub(super) place: Place,
    pub(super) reference: String,
}

/// Finds all operations, in the order of the document's sections.
pub(super) fn find<'a>(
    documents: &Documents<'a>,
    document: &str,
) -> (Vec<Operation<'a>>, Vec<BrokenReference>) {
    let mut finder = Finder { documents, found: Vec::new(), broken: Vec::new() };
    for section in ["webhooks", "x-webhooks"] {
        finder.items(&Place::new(document, &[section]), None);
    }
    finder.callbacks(&Place::new(document, &["paths"]));
    finder.callbacks(&Place::new(document, &["components", "pathItems"]));
    (finder.found, finder.broken)
}

struct Finder<'f, 'a> {
    documents: &'f Documents<'a>,
    found: Vec<Operation<'a>>,
    broken: Vec<BrokenReference>,
}

impl<'a> Finder<'_, 'a> {
    /// The object at a place, after its references.
    fn object(&mut self, place: &Place) -> Option<Found<'a>> {
        match resolved(self.documents, place) {
            Ok(found) => found,
            Err(broken) => {
                self.broken.push(broken);
                None
            }
        }
    }

    fn keys(&mut self, place: &Place) -> Vec<Place> {
        let Some((members, at)) = self.object(place) else { return Vec::new() };
        members.keys().filter(|key| !key.starts_with("x-")).map(|key| at.child(&[key])).collect()
    }

    /// The path items of a section, each an event; with `key`, the events of a callback of this name.
    fn items(&mut self, section: &Place, key: Option<&str>) {
        for place in self.keys(section) {
            let name = place.parts.last().cloned().unwrap_or_default();
            let Some((item, at)) = self.object(&place) else { continue };
            let described =
                METHODS.iter().filter_map(|method| Some((*method, item.get(*method)?.as_object()?)));
            // One event, whatever the method: of several, the first that has a body.
            let described: Vec<_> = described.collect();
            let operation = described
                .iter()
                .find(|(_, operation)| operation.contains_key("requestBody"))
                .or(described.first());
            let Some(&(method, operation)) = operation else { continue };
            let key = key.map_or_else(|| name.clone(), str::to_owned);
            self.found.push(Operation { key, item, operation, place: at.child(&[method]) });
        }
    }

    fn callbacks(&mut self, paths: &Place) {
        for path in self.keys(paths) {
            let Some((item, at)) = self.object(&path) else { continue };
            for method in METHODS.iter().filter(|method| item.contains_key(**method)) {
                let callbacks = at.child(&[method, "callbacks"]);
                if self.documents.get(&callbacks).is_none() {
                    continue;
                }
                for callback in self.keys(&callbacks) {
                    let name = callback.parts.last().cloned().unwrap_or_default();
                    self.items(&callback, Some(&name));
                }
            }
        }
    }
}

/// An object, and where it is.
pub(super) type Found<'a> = (&'a Map<String, Value>, Place);

/// Returns the object at a place, or where its `$ref` leads, and the place of it. `None`: there is none.
pub(super) fn resolved<'a>(
    documents: &Documents<'a>,
    place: &Place,
) -> Result<Option<Found<'a>>, BrokenReference> {
    let mut at = place.clone();
    // Longer chains are circles.
    for _ in 0..16 {
        let Some(members) = documents.get(&at).and_then(Value::as_object) else { return Ok(None) };
        let Some(reference) = members.get("$ref").and_then(Value::as_str) else {
            return Ok(Some((members, at)));
        };
        let Some(target) = documents.resolve(&at, reference) else {
            return Err(BrokenReference { place: at, reference: reference.to_owned() });
        };
        at = target;
    }
    let reference = documents.get(place).and_then(|value| value.get("$ref")).and_then(Value::as_str);
    Err(BrokenReference { place: place.clone(), reference: reference.unwrap_or_default().to_owned() })
}
