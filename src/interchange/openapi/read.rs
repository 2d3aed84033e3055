//! Reads event types from an OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{api::JsonPointer, plan::ids, schema};

use super::{
    super::{
        Change, EventType, Import, MAX_DESCRIPTION,
        bundle::{Dialect, bundle},
        documents::{Documents, Place},
    },
    FEATURE_FLAGS, GROUP_NAME, NameSource,
    examples::examples,
    names::event_type_name,
    operations::{self, Found, Operation, Unreadable, described, resolved},
    version::{InvalidDocument, dialect},
    write::is_our_id,
};

/// Reads the event types of a document. `name`: the file, for notes.
pub fn read(name: &str, document: &Value, names: NameSource) -> Result<Import, InvalidDocument> {
    let dialect = dialect(document)?;
    let documents = Documents::new([(name.to_owned(), document)]);
    let mut reader =
        Reader { documents: &documents, dialect, names, import: Import::default(), document: name };
    let mut found: BTreeMap<String, (EventType, JsonPointer)> = BTreeMap::new();
    let (operations, unreadable) = operations::find(&documents, name);
    // Two callbacks may refer to one place.
    let mut noted = BTreeSet::new();
    for unreadable in unreadable {
        if noted.insert(unreadable.place.clone()) {
            reader.unreadable(unreadable);
        }
    }
    for operation in operations {
        let at = pointer(&operation.place);
        let noted = reader.import.notes.len();
        let Some(event_type) = reader.event_type(&operation, &at) else { continue };
        match found.get(&event_type.name) {
            None => {
                found.insert(event_type.name.clone(), (event_type, at));
            }
            // Documents name one event in `webhooks` and in `x-webhooks`, and one callback in several operations.
            Some((first, _)) if *first == event_type => reader.import.notes.truncate(noted),
            Some((_, first)) => {
                let duplicate = Change::Duplicate { name: event_type.name, first: first.clone() };
                reader.import.note(name, at, duplicate);
            }
        }
    }
    let mut import = reader.import;
    import.event_types = found.into_values().map(|(event_type, _)| event_type).collect();
    Ok(import)
}

fn pointer(place: &Place) -> JsonPointer {
    place.parts.iter().fold(JsonPointer::ROOT, |pointer, part| pointer.child(part))
}

struct Reader<'r> {
    documents: &'r Documents<'r>,
    dialect: Dialect,
    names: NameSource,
    import: Import,
    document: &'r str,
}

impl<'r> Reader<'r> {
    fn note(&mut self, pointer: JsonPointer, change: Change) {
        self.import.note(self.document, pointer, change);
    }

    fn unreadable(&mut self, unreadable: Unreadable) {
        self.note(pointer(&unreadable.place), unreadable.into_change());
    }

    fn event_type(&mut self, found: &Operation<'_>, at: &JsonPointer) -> Option<EventType> {
        let operation_id = self.text(found.operation, "operationId", at);
        let named = match self.names {
            NameSource::Key => &found.key,
            NameSource::OperationId => operation_id.unwrap_or(&found.key),
        };
        let Some(name) = event_type_name(named) else {
            self.note(at.clone(), Change::InvalidName(named.to_owned()));
            return None;
        };
        if name != named {
            self.note(at.clone(), Change::Renamed { found: named.to_owned(), name: name.clone() });
        }
        let mut event_type = EventType {
            description: self.description(found, at),
            group_name: self.group_name(found.operation, at),
            feature_flags: self.feature_flags(found.operation, at),
            deprecated: self.is_deprecated(found.operation, at),
            name,
            ..EventType::default()
        };
        self.content(found, at, &mut event_type)?;
        Some(event_type)
    }

    /// The object at a place, after its references. The inner `None`: there is nothing; the outer: it cannot be read, which is noted.
    fn object(&mut self, place: &Place) -> Option<Option<Found<'r>>> {
        match resolved(self.documents, place) {
            Ok(found) => Some(found),
            Err(unreadable) => {
                self.unreadable(unreadable);
                None
            }
        }
    }

    /// The object at a place. `None`: it is something else, which is noted.
    fn members(&mut self, place: &Place) -> Option<&'r Map<String, Value>> {
        match self.documents.get(place)? {
            Value::Object(members) => Some(members),
            other => {
                self.unreadable(Unreadable::value(place.clone(), other, "an object"));
                None
            }
        }
    }

    fn description(&mut self, found: &Operation<'_>, at: &JsonPointer) -> Option<String> {
        let item = pointer(&found.item_place());
        let texts = [(found.operation, at), (found.item, &item)]
            .map(|(object, at)| ["description", "summary"].map(|key| self.text(object, key, at)));
        let text = texts.into_iter().flatten().flatten().find(|text| !text.trim().is_empty())?;
        let length = text.chars().count();
        if length > MAX_DESCRIPTION {
            self.note(at.child("description"), Change::Description(length));
        }
        Some(text.chars().take(MAX_DESCRIPTION).collect())
    }

    /// Returns the text of a member, if it has one. Another value is left out.
    fn text<'v>(&mut self, object: &'v Map<String, Value>, key: &str, at: &JsonPointer) -> Option<&'v str> {
        match object.get(key)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => {
                self.note(at.child(key), Change::Field { found: described(other), expected: "text" });
                None
            }
        }
    }

    fn is_deprecated(&mut self, operation: &Map<String, Value>, at: &JsonPointer) -> bool {
        match operation.get("deprecated") {
            Some(Value::Bool(deprecated)) => *deprecated,
            None | Some(Value::Null) => false,
            Some(other) => {
                let change = Change::Field { found: described(other), expected: "true or false" };
                self.note(at.child("deprecated"), change);
                false
            }
        }
    }

    fn group_name(&mut self, operation: &Map<String, Value>, at: &JsonPointer) -> Option<String> {
        let group = operation.get(GROUP_NAME)?;
        let name = group.as_str().filter(|name| ids::is_name(name));
        if name.is_none() {
            let expected = "1 to 256 letters, digits, `-`, `_` and `.`";
            let change = Change::Field { found: group.to_string(), expected };
            self.note(at.child(GROUP_NAME), change);
        }
        name.map(str::to_owned)
    }

    fn feature_flags(&mut self, operation: &Map<String, Value>, at: &JsonPointer) -> Vec<String> {
        let flags = match operation.get(FEATURE_FLAGS) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(flags)) => flags.clone(),
            Some(flag) => vec![flag.clone()],
        };
        let mut names = Vec::new();
        for flag in flags {
            match flag.as_str().filter(|flag| ids::is_name(flag)) {
                Some(name) if !names.iter().any(|other| other == name) => names.push(name.to_owned()),
                Some(_) => {}
                None => {
                    let expected = "a list of flags: 1 to 256 letters, digits, `-`, `_` and `.`";
                    let change = Change::Field { found: flag.to_string(), expected };
                    self.note(at.child(FEATURE_FLAGS), change);
                }
            }
        }
        names
    }

    /// Reads the schema and the examples. `None`: the event type is left out.
    fn content(&mut self, found: &Operation<'_>, at: &JsonPointer, event_type: &mut EventType) -> Option<()> {
        let body_place = found.place.child(&["requestBody"]);
        if self.documents.get(&body_place).is_none_or(Value::is_null) {
            self.note(at.clone(), Change::NoBody);
            return Some(());
        }
        let (body, body_place) = self.object(&body_place)??;
        let content_place = body_place.child(&["content"]);
        let content = match body.get("content") {
            None | Some(Value::Null) => None,
            Some(_) => Some(self.members(&content_place)?),
        };
        let media_types: Vec<&String> = content.into_iter().flat_map(Map::keys).collect();
        let Some(media_type) = json_media_type(&media_types) else {
            let found: Vec<_> = media_types.iter().map(|media_type| media_type.as_str()).collect();
            let found = if found.is_empty() { "no media types".to_owned() } else { found.join(", ") };
            self.note(pointer(&body_place).child("content"), Change::NoJson { found });
            return Some(());
        };
        let place = content_place.child(&[media_type]);
        let at = pointer(&place);
        let media_type = self.members(&place)?;
        let schema_place = place.child(&["schema"]);
        if self.documents.get(&schema_place).is_some() {
            let bundled = bundle(self.documents, &schema_place, &self.dialect);
            match bundled {
                Ok(schema) => event_type.schema = without_our_id(schema, &event_type.name),
                Err(error) => {
                    self.import.note_left_out(error);
                    return None;
                }
            }
        }
        let (examples, notes) = examples(self.documents, media_type, &place, &at);
        notes.into_iter().for_each(|(pointer, change)| self.note(pointer, change));
        event_type.examples = examples;
        self.check(&at, event_type)
    }

    /// Leaves out what cannot be declared: a schema that is not usable, examples that do not match it.
    fn check(&mut self, at: &JsonPointer, event_type: &mut EventType) -> Option<()> {
        let Some(schema) = &event_type.schema else {
            // Examples are written to Svix as part of the schema.
            event_type.examples.clear();
            return Some(());
        };
        let compiled = match schema::Compiled::new(schema, true) {
            Ok(compiled) => compiled,
            Err(error) => {
                self.note(at.child("schema"), Change::UnusableSchema(error.to_string()));
                return None;
            }
        };
        if let Err(error) = schema::draft7::check(schema) {
            self.note(at.child("schema"), Change::UnusableSchema(error.to_string()));
            return None;
        }
        let (matching, others): (Vec<_>, Vec<_>) = std::mem::take(&mut event_type.examples)
            .into_iter()
            .map(|example| (compiled.violations(&example.value).0.into_iter().next(), example))
            .partition(|(violation, _)| violation.is_none());
        event_type.examples = matching.into_iter().map(|(_, example)| example).collect();
        for (violation, example) in others {
            let message = violation.map(|violation| violation.to_string()).unwrap_or_default();
            let change = Change::Example(format!("{:?} does not match the schema: {message}", example.name));
            self.note(at.clone(), change);
        }
        Some(())
    }
}

/// The media type of JSON among those of a body.
fn json_media_type<'a>(media_types: &[&'a String]) -> Option<&'a str> {
    let essence = |media_type: &str| {
        let name = media_type.split(';').next().unwrap_or_default();
        name.trim().to_ascii_lowercase()
    };
    let find =
        |matches: fn(&str) -> bool| media_types.iter().find(|media_type| matches(&essence(media_type)));
    find(|name| name == "application/json")
        .or_else(|| find(|name| name.ends_with("+json") || name == "text/json"))
        .or_else(|| find(|name| matches!(name, "application/*" | "*/*")))
        .map(|media_type| media_type.as_str())
}

/// The schema without the identifier that [`super::write`] gives it; `None` for one that any payload matches.
fn without_our_id(mut schema: Value, name: &str) -> Option<Value> {
    if let Value::Object(members) = &mut schema
        && members.get("$id").and_then(Value::as_str).is_some_and(|id| is_our_id(id, name))
    {
        members.remove("$id");
    }
    Some(schema).filter(|schema| *schema != Value::Bool(true))
}
