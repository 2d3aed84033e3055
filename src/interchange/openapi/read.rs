//! Reads event types from an OpenAPI document.

use std::collections::BTreeMap;

use jsonschema::Draft;
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
    operations::{self, Operation, resolved},
    write::is_our_id,
};

/// A document that is not one of OpenAPI 3.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// It names no version.
    #[error("/openapi: found nothing, expected an OpenAPI document of version 3.0 or 3.1")]
    NoVersion,
    /// It is of another version.
    #[error("/openapi: found {0}, expected version 3.0 or 3.1")]
    Version(String),
    /// The version is a number.
    #[error(
        "/openapi: found the number {0}, expected text such as \"3.1.0\": write it in quotes, with three parts"
    )]
    NumberVersion(String),
    /// The schemas are in a dialect that is not JSON Schema.
    #[error(
        "/jsonSchemaDialect: found {0:?}, expected a draft of JSON Schema, or the dialect of OpenAPI 3.1"
    )]
    Dialect(String),
}

impl InvalidDocument {
    /// The member that is wrong.
    #[must_use]
    pub fn pointer(&self) -> JsonPointer {
        match self {
            Self::NoVersion => JsonPointer::ROOT,
            Self::Version(_) | Self::NumberVersion(_) => JsonPointer::from_static("/openapi"),
            Self::Dialect(_) => JsonPointer::from_static("/jsonSchemaDialect"),
        }
    }
}

/// OpenAPI 3.1's own dialect: 2020-12 with members that say nothing about which values are valid.
const OAS_DIALECT: &str = "https://spec.openapis.org/oas/3.1/dialect/";

fn dialect(document: &Value) -> Result<Dialect, InvalidDocument> {
    let version = match (document.get("openapi"), document.get("swagger")) {
        (Some(Value::String(version)), _) => version,
        (Some(Value::Number(number)), _) => return Err(InvalidDocument::NumberVersion(number.to_string())),
        (Some(other), _) | (None, Some(other)) => return Err(InvalidDocument::Version(other.to_string())),
        (None, None) => return Err(InvalidDocument::NoVersion),
    };
    let mut parts = version.split('.');
    match (parts.next(), parts.next()) {
        (Some("3"), Some("0")) => return Ok(Dialect::OpenApi30),
        (Some("3"), Some("1")) => {}
        _ => return Err(InvalidDocument::Version(version.clone())),
    }
    match document.get("jsonSchemaDialect").and_then(Value::as_str) {
        None => Ok(Dialect::OpenApi31(Draft::Draft202012)),
        Some(uri) if uri.starts_with(OAS_DIALECT) => Ok(Dialect::OpenApi31(Draft::Draft202012)),
        Some(uri) => match Draft::from_schema_uri(uri) {
            Draft::Unknown => Err(InvalidDocument::Dialect(uri.to_owned())),
            draft => Ok(Dialect::OpenApi31(draft)),
        },
    }
}

/// Reads the event types of a document. `name`: the file, for notes.
pub fn read(name: &str, document: &Value, names: NameSource) -> Result<Import, InvalidDocument> {
    let dialect = dialect(document)?;
    let documents = Documents::new([(name.to_owned(), document)]);
    let mut reader =
        Reader { documents: &documents, dialect, names, import: Import::default(), document: name };
    let mut found: BTreeMap<String, (EventType, JsonPointer)> = BTreeMap::new();
    let (operations, broken) = operations::find(&documents, name);
    for broken in broken {
        reader.import.note(name, pointer(&broken.place), Change::Reference(broken.reference));
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

impl Reader<'_> {
    fn note(&mut self, pointer: JsonPointer, change: Change) {
        self.import.note(self.document, pointer, change);
    }

    fn event_type(&mut self, found: &Operation<'_>, at: &JsonPointer) -> Option<EventType> {
        let operation_id = found.operation.get("operationId").and_then(Value::as_str);
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
            deprecated: found.operation.get("deprecated") == Some(&Value::Bool(true)),
            name,
            ..EventType::default()
        };
        self.content(found, at, &mut event_type)?;
        Some(event_type)
    }

    fn description(&mut self, found: &Operation<'_>, at: &JsonPointer) -> Option<String> {
        let texts = [(found.operation, "description"), (found.operation, "summary")]
            .into_iter()
            .chain([(found.item, "description"), (found.item, "summary")]);
        let text = texts
            .filter_map(|(object, key)| object.get(key)?.as_str())
            .find(|text| !text.trim().is_empty())?;
        let length = text.chars().count();
        if length > MAX_DESCRIPTION {
            self.note(at.child("description"), Change::Description(length));
        }
        Some(text.chars().take(MAX_DESCRIPTION).collect())
    }

    fn group_name(&mut self, operation: &Map<String, Value>, at: &JsonPointer) -> Option<String> {
        let group = operation.get(GROUP_NAME)?;
        let name = group.as_str().filter(|name| ids::is_name(name));
        if name.is_none() {
            let expected = "1 to 256 letters, digits, `-`, `_` and `.`";
            let change = Change::Extension { found: group.to_string(), expected };
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
                    let change = Change::Extension { found: flag.to_string(), expected };
                    self.note(at.child(FEATURE_FLAGS), change);
                }
            }
        }
        names
    }

    /// Reads the schema and the examples. `None`: the event type is left out.
    fn content(&mut self, found: &Operation<'_>, at: &JsonPointer, event_type: &mut EventType) -> Option<()> {
        let body = match resolved(self.documents, &found.place.child(&["requestBody"])) {
            Ok(body) => body,
            Err(broken) => {
                self.note(pointer(&broken.place), Change::Reference(broken.reference));
                return None;
            }
        };
        let Some((body, body_place)) = body else {
            self.note(at.clone(), Change::NoBody);
            return Some(());
        };
        let content = body.get("content").and_then(Value::as_object);
        let media_types: Vec<&String> = content.into_iter().flat_map(Map::keys).collect();
        let Some(media_type) = json_media_type(&media_types) else {
            let found: Vec<_> = media_types.iter().map(|media_type| media_type.as_str()).collect();
            let found = if found.is_empty() { "no media types".to_owned() } else { found.join(", ") };
            self.note(pointer(&body_place).child("content"), Change::NoJson { found });
            return Some(());
        };
        let place = body_place.child(&["content", media_type]);
        let at = pointer(&place);
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
        let media_type = content.and_then(|content| content.get(media_type)?.as_object())?;
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
