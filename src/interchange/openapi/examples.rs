//! The examples of a media type.

use serde_json::{Map, Value};

use crate::api::JsonPointer;

use super::{
    super::{
        Change, Example, MAX_EXAMPLES,
        documents::{Documents, Place},
    },
    operations::{described, resolved},
};

/// The longest name of an example.
const MAX_NAME: usize = 63;
/// The name of the one in `example`.
pub(super) const ONLY: &str = "example";

/// Returns the examples of the media type at a place, and what is left out of them.
pub(super) fn examples(
    documents: &Documents<'_>,
    media_type: &Map<String, Value>,
    place: &Place,
    pointer: &JsonPointer,
) -> (Vec<Example>, Vec<(JsonPointer, Change)>) {
    let mut found = Vec::new();
    let mut notes = Vec::new();
    if let Some(value) = media_type.get("example") {
        found.push((ONLY.to_owned(), value.clone(), pointer.child("example")));
    }
    let named = match media_type.get("examples") {
        None | Some(Value::Null) => None,
        Some(Value::Object(named)) => Some(named),
        Some(other) => {
            let why = format!("found {}, expected an object with examples by name", described(other));
            notes.push((pointer.child("examples"), Change::Example(why)));
            None
        }
    };
    for name in named.into_iter().flat_map(Map::keys) {
        let at = pointer.child("examples").child(name);
        let example = resolved(documents, &place.child(&["examples", name]));
        match example.ok().flatten().and_then(|(example, _)| example.get("value")) {
            Some(value) => found.push((name.clone(), value.clone(), at)),
            None => notes.push((at, Change::Example("it has no value here".to_owned()))),
        }
    }
    if found.len() > MAX_EXAMPLES {
        notes.push((pointer.child("examples"), Change::Examples(found.len())));
        found.truncate(MAX_EXAMPLES);
    }
    let mut examples: Vec<Example> = Vec::new();
    for (name, value, at) in found {
        if !value.is_object() {
            notes.push((at, Change::Example("a payload is a JSON object".to_owned())));
            continue;
        }
        let name = unique(&name, &examples);
        examples.push(Example { name, value });
    }
    (examples, notes)
}

fn unique(name: &str, examples: &[Example]) -> String {
    let is_taken = |name: &str| examples.iter().any(|example| example.name == name);
    let shortened = |length: usize| name.chars().take(length).collect::<String>();
    let name = if name.is_empty() { ONLY.to_owned() } else { shortened(MAX_NAME) };
    let numbered = (2..).map(|number| format!("{}-{number}", shortened(MAX_NAME - 4)));
    std::iter::once(name).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default()
}
