//! Makes a schema that is part of a larger document a document of its own: what it references comes with it, as
//! definitions, and references are written as JSON Pointers into the result.
//!
//! A schema that references nothing outside itself stays as it is, but for the pointers, which begin at another root.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jsonschema::Draft;
use serde_json::{Map, Value};

use crate::{api::JsonPointer, schema::keywords::map_children};

use super::{
    component::{is_data, remove_openapi_only, translate_3_0},
    documents::{Documents, Place},
};

/// How the schemas of a document are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// The schema objects of OpenAPI 3.0, which become Draft 7.
    OpenApi30,
    /// JSON Schema within OpenAPI 3.1, of this draft unless a schema has `$schema`.
    OpenApi31(Draft),
    /// JSON Schema, of Draft 7 unless a schema has `$schema`.
    JsonSchema,
}

/// Why a schema cannot be a document of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct BundleError {
    /// The file.
    pub document: String,
    /// The place in it.
    pub pointer: JsonPointer,
    /// What is wrong there.
    #[source]
    pub kind: BundleErrorKind,
}

/// What keeps a schema from being a document of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleErrorKind {
    /// A reference leads nowhere, or out of the documents.
    #[error("the reference {0:?} leads to nothing here; references to other places are not followed")]
    Reference(String),
    /// A dynamic reference leads out of the schema.
    #[error("a dynamic reference out of the schema cannot be kept; use $ref")]
    Dynamic,
    /// References lead in a circle.
    #[error("the reference leads back to itself")]
    Circle,
    /// A part is written in another draft.
    #[error("found a part in another draft, {0}, than the schema; write both in one")]
    Draft(String),
}

impl BundleErrorKind {
    fn at(self, place: &Place) -> BundleError {
        let pointer = place.parts.iter().fold(JsonPointer::ROOT, |pointer, part| pointer.child(part));
        BundleError { document: place.document.clone(), pointer, kind: self }
    }
}

/// Returns the schema at a place as a document of its own.
pub(super) fn bundle(
    documents: &Documents<'_>,
    place: &Place,
    dialect: &Dialect,
) -> Result<Value, BundleError> {
    let root = follow(documents, place, dialect)?;
    let Some(schema) = documents.get(&root).and_then(Value::as_object) else {
        return Ok(documents.get(&root).cloned().unwrap_or(Value::Bool(true)));
    };
    let draft = match (dialect, schema.get("$schema").and_then(Value::as_str)) {
        (Dialect::OpenApi30, _) => Draft::Draft7,
        (_, Some(named)) => Draft::from_schema_uri(named),
        (Dialect::OpenApi31(draft), None) => *draft,
        (Dialect::JsonSchema, None) => Draft::Draft7,
    };
    let definitions = match draft {
        Draft::Draft201909 | Draft::Draft202012 => "$defs",
        _ => "definitions",
    };
    let existing = schema.get(definitions).and_then(Value::as_object);
    let mut bundler = Bundler {
        documents,
        dialect,
        draft,
        definitions,
        is_whole: is_self_contained(documents, &root),
        names: existing.map(|existing| existing.keys().cloned().collect()).unwrap_or_default(),
        taken: BTreeMap::new(),
        queue: VecDeque::new(),
        root,
    };
    let mut bundled = match bundler.copy(&bundler.root.clone())? {
        Value::Object(schema) => schema,
        other => return Ok(other),
    };
    let mut added = Map::new();
    while let Some((name, place)) = bundler.queue.pop_front() {
        added.insert(name, bundler.copy(&place)?);
    }
    if !added.is_empty() {
        let entry = bundled.entry(definitions).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(entries) = entry {
            entries.extend(added);
        }
    }
    // Without `$schema`, a schema is Draft 7 here and in Svix.
    if draft != Draft::Draft7 && !bundled.contains_key("$schema") {
        bundled.insert("$schema".to_owned(), draft_uri(draft).into());
    }
    Ok(Value::Object(bundled))
}

fn draft_uri(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft4 => "http://json-schema.org/draft-04/schema#",
        Draft::Draft6 => "http://json-schema.org/draft-06/schema#",
        Draft::Draft201909 => "https://json-schema.org/draft/2019-09/schema",
        Draft::Draft202012 => "https://json-schema.org/draft/2020-12/schema",
        _ => "http://json-schema.org/draft-07/schema#",
    }
}

/// The place that a schema with nothing but a reference leads to.
fn follow(documents: &Documents<'_>, place: &Place, dialect: &Dialect) -> Result<Place, BundleError> {
    let mut at = place.clone();
    let mut visited = BTreeSet::new();
    loop {
        let Some(schema) = documents.get(&at).and_then(Value::as_object) else { return Ok(at) };
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return Ok(at) };
        if schema.len() > 1 && *dialect != Dialect::OpenApi30 {
            return Ok(at);
        }
        let unknown = || BundleErrorKind::Reference(reference.to_owned()).at(&at);
        let next = documents.resolve(&at, reference).ok_or_else(unknown)?;
        // A document that is only a reference to its own definition stays as it is.
        if next.within(&at).is_some_and(|rest| !rest.is_empty())
            && at == *place
            && *dialect != Dialect::OpenApi30
        {
            return Ok(at);
        }
        if !visited.insert(at.clone()) || next == at {
            return Err(BundleErrorKind::Circle.at(&at));
        }
        at = next;
    }
}

/// Whether no reference in a schema leads out of it.
fn is_self_contained(documents: &Documents<'_>, root: &Place) -> bool {
    fn check(documents: &Documents<'_>, root: &Place, place: &Place, value: &Value) -> bool {
        match value {
            Value::Object(members) => members.iter().all(|(key, member)| match (key.as_str(), member) {
                ("$ref", Value::String(reference)) => {
                    documents.resolve(place, reference).is_some_and(|target| target.within(root).is_some())
                }
                (key, _) if is_data(place.parts.last().map(String::as_str), key) => true,
                (key, member) => check(documents, root, &place.child(&[key]), member),
            }),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .all(|(index, item)| check(documents, root, &place.child(&[&index.to_string()]), item)),
            _ => true,
        }
    }
    documents.get(root).is_some_and(|value| check(documents, root, root, value))
}

struct Bundler<'d> {
    documents: &'d Documents<'d>,
    dialect: &'d Dialect,
    draft: Draft,
    /// The keyword that definitions are under.
    definitions: &'static str,
    /// Whether the schema references nothing outside it.
    is_whole: bool,
    root: Place,
    /// The names of definitions that are in use.
    names: BTreeSet<String>,
    /// The definition that a place has become.
    taken: BTreeMap<Place, String>,
    queue: VecDeque<(String, Place)>,
}

impl Bundler<'_> {
    fn copy(&mut self, place: &Place) -> Result<Value, BundleError> {
        let value = self.documents.get(place).cloned().unwrap_or(Value::Null);
        self.schema(place, &value)
    }

    fn schema(&mut self, place: &Place, value: &Value) -> Result<Value, BundleError> {
        let Value::Object(schema) = value else { return Ok(value.clone()) };
        let mut copied =
            map_children(self.draft, schema, |parts, child| self.schema(&place.child(parts), child))?;
        if let Some(Value::String(reference)) = copied.get("$ref") {
            let reference = self.reference(place, &reference.clone())?;
            copied.insert("$ref".to_owned(), reference.into());
        }
        if !self.is_whole {
            self.flatten(place, &mut copied)?;
        }
        match self.dialect {
            Dialect::OpenApi30 => return Ok(translate_3_0(copied)),
            Dialect::OpenApi31(_) => remove_openapi_only(&mut copied),
            Dialect::JsonSchema => {}
        }
        Ok(Value::Object(copied))
    }

    /// Removes the identifiers that references are not written with any more.
    fn flatten(&self, place: &Place, schema: &mut Map<String, Value>) -> Result<(), BundleError> {
        if ["$dynamicRef", "$recursiveRef"].iter().any(|keyword| schema.contains_key(*keyword)) {
            return Err(BundleErrorKind::Dynamic.at(place));
        }
        for keyword in ["$anchor", "$dynamicAnchor", "$recursiveAnchor"] {
            schema.remove(keyword);
        }
        if *place == self.root {
            return Ok(());
        }
        schema.remove("$id");
        match schema.remove("$schema") {
            Some(Value::String(named)) if Draft::from_schema_uri(&named) != self.draft => {
                Err(BundleErrorKind::Draft(named).at(place))
            }
            _ => Ok(()),
        }
    }

    fn reference(&mut self, place: &Place, reference: &str) -> Result<String, BundleError> {
        // In a schema resource of its own, references do not depend on where the resource is.
        let (resource, _) = self.documents.resource(place);
        if self.is_whole
            && (resource.within(&self.root).is_some() || !reference.starts_with("#/"))
            && reference != "#"
        {
            return Ok(reference.to_owned());
        }
        let unknown = || BundleErrorKind::Reference(reference.to_owned()).at(place);
        let target = self.documents.resolve(place, reference).ok_or_else(unknown)?;
        Ok(format!("#{}", self.pointer_to(&target)))
    }

    /// The pointer that a place has in the result.
    fn pointer_to(&mut self, target: &Place) -> String {
        if let Some(rest) = target.within(&self.root)
            // Translating moves subschemas, so references to them lead to a copy.
            && (rest.is_empty() || *self.dialect != Dialect::OpenApi30)
        {
            return escaped(rest);
        }
        let container = match self.dialect {
            Dialect::OpenApi30 => target.clone(),
            Dialect::OpenApi31(_) | Dialect::JsonSchema => container(target),
        };
        let rest = target.within(&container).map(escaped).unwrap_or_default();
        let name = match self.taken.get(&container) {
            Some(name) => name.clone(),
            None => {
                let name = self.new_name(&container);
                self.taken.insert(container.clone(), name.clone());
                self.queue.push_back((name.clone(), container));
                name
            }
        };
        format!("{}{rest}", escaped(&[self.definitions.to_owned(), name]))
    }

    fn new_name(&mut self, place: &Place) -> String {
        let file = place.document.rsplit('/').next().unwrap_or_default();
        let file = file.split('.').next().unwrap_or_default();
        let name = place.parts.last().map_or(file, String::as_str);
        let name = if name.is_empty() { "part" } else { name };
        let mut unique = name.to_owned();
        let mut number = 2;
        while !self.names.insert(unique.clone()) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        unique
    }
}

/// The definition that a place is in: an entry of `components/schemas`, `definitions` or `$defs`; else the place itself.
fn container(place: &Place) -> Place {
    let parts: Vec<&str> = place.parts.iter().map(String::as_str).collect();
    let length = match parts.as_slice() {
        ["components", "schemas", _, ..] => 3,
        ["definitions" | "$defs", _, ..] => 2,
        parts => parts.len(),
    };
    Place { document: place.document.clone(), parts: place.parts[..length].to_vec() }
}

fn escaped(parts: &[String]) -> String {
    let pointer = parts.iter().fold(JsonPointer::ROOT, |pointer, part| pointer.child(part));
    // In the fragment of a URI.
    pointer.as_str().replace('%', "%25")
}
