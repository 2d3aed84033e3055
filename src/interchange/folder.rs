//! Reads event types from a folder of JSON Schemas, a file for each. References between the files are followed.
//!
//! The name of an event type is the path of its file, with dots: `order/placed.schema.json` is `order.placed`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{api::JsonPointer, plan::ids, schema};

use super::{
    Change, EventType, Import, MAX_DESCRIPTION,
    bundle::{Dialect, bundle},
    component::is_data,
    documents::{Documents, Place},
};

/// Members of a file that say nothing about which values are valid.
const ANNOTATIONS: [&str; 8] =
    ["$schema", "$id", "id", "title", "description", "$comment", "$defs", "definitions"];

/// Endings of file names that are not part of the name of an event type.
const ENDINGS: [&str; 5] = [".schema.json", ".schema.yaml", ".schema.yml", ".schema", ".json"];

/// Reads the event types of files: the schema of each, by its path in the folder, with `/`. A file that another one
/// references is an event type only with `include_referenced`.
#[must_use]
pub fn read(files: &BTreeMap<String, Value>, include_referenced: bool) -> Import {
    let documents = Documents::new(files.iter().map(|(name, value)| (name.clone(), value)));
    let referenced = if include_referenced { BTreeMap::new() } else { referenced(&documents, files) };
    let mut import = Import::default();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (file, value) in files {
        let note = |import: &mut Import, change| import.note(file, JsonPointer::ROOT, change);
        let is_definitions = |members: &serde_json::Map<String, Value>| {
            members.contains_key("$defs") || members.contains_key("definitions")
        };
        let Value::Object(members) = value else {
            note(&mut import, Change::UnusableSchema("expected a JSON object".to_owned()));
            continue;
        };
        if is_definitions(members) && members.keys().all(|key| ANNOTATIONS.contains(&key.as_str())) {
            note(&mut import, Change::DefinitionsOnly);
            continue;
        }
        if let Some(by) = referenced.get(file) {
            note(&mut import, Change::Referenced(by.clone()));
            continue;
        }
        let name = name_of(file);
        if !ids::is_name(&name) {
            note(&mut import, Change::InvalidName(name));
            continue;
        }
        if let Some(first) = names.get(&name) {
            let first = format!("{first} has the same name, {name}");
            note(&mut import, Change::Unreadable(first));
            continue;
        }
        match event_type(&documents, file, &name) {
            Ok((event_type, cut)) => {
                if let Some(length) = cut {
                    import.note(file, JsonPointer::from_static("/description"), Change::Description(length));
                }
                names.insert(name, file.clone());
                import.event_types.push(event_type);
            }
            Err(Change::Schema(error)) => import.note_left_out(error),
            Err(change) => note(&mut import, change),
        }
    }
    import.event_types.sort_by(|one, other| one.name.cmp(&other.name));
    import
}

fn event_type(
    documents: &Documents<'_>,
    file: &str,
    name: &str,
) -> Result<(EventType, Option<usize>), Change> {
    let schema = bundle(documents, &Place::new(file, &[]), &Dialect::JsonSchema)?;
    if let Err(error) = schema::Compiled::new(&schema, true) {
        return Err(Change::UnusableSchema(error.to_string()));
    }
    if let Err(error) = schema::draft7::check(&schema) {
        return Err(Change::UnusableSchema(error.to_string()));
    }
    let text = |key: &str| schema.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let description = text("description").or_else(|| text("title"));
    let length = description.map(|text| text.chars().count()).filter(|length| *length > MAX_DESCRIPTION);
    let description = description.map(|text| text.chars().take(MAX_DESCRIPTION).collect());
    let deprecated = schema.get("deprecated") == Some(&Value::Bool(true));
    let event_type = EventType {
        name: name.to_owned(),
        description,
        deprecated,
        schema: Some(schema),
        ..EventType::default()
    };
    Ok((event_type, length))
}

/// The name of the event type of a file.
fn name_of(file: &str) -> String {
    let stem = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending));
    let stem = stem.or_else(|| file.strip_suffix(".yaml")).or_else(|| file.strip_suffix(".yml"));
    stem.unwrap_or(file).replace('/', ".")
}

/// The files that others reference, each with one of those.
fn referenced(documents: &Documents<'_>, files: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (file, value) in files {
        let mut targets = BTreeSet::new();
        references(documents, &Place::new(file, &[]), value, &mut targets);
        for target in targets.into_iter().filter(|target| target != file) {
            found.entry(target).or_insert_with(|| file.clone());
        }
    }
    found
}

fn references(documents: &Documents<'_>, place: &Place, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let parent = place.parts.last().map(String::as_str);
            for (key, member) in members.iter().filter(|(key, _)| !is_data(parent, key)) {
                match (key.as_str(), member) {
                    ("$ref", Value::String(reference)) => {
                        found.extend(documents.resolve(place, reference).map(|target| target.document));
                    }
                    (key, member) => references(documents, &place.child(&[key]), member, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                references(documents, &place.child(&[&index.to_string()]), item, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn files(files: &[(&str, Value)]) -> BTreeMap<String, Value> {
        files.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn names(import: &Import) -> Vec<&str> {
        import.event_types.iter().map(|event_type| event_type.name.as_str()).collect()
    }

    #[test]
    fn the_path_is_the_name() {
        let schema = json!({"type": "object"});
        let files = files(&[
            ("order/placed.schema.json", schema.clone()),
            ("order/paid.yaml", schema.clone()),
            ("user.created.json", schema),
        ]);

        assert_eq!(names(&read(&files, false)), ["order.paid", "order.placed", "user.created"]);
    }

    #[test]
    fn files_bring_what_they_reference() {
        let files = files(&[
            (
                "order/placed.json",
                json!({"properties": {
                    "address": {"$ref": "../common/address.json"},
                    "city": {"$ref": "../common/address.json#/definitions/city"},
                    "money": {"$ref": "https://example.org/money"},
                }}),
            ),
            (
                "common/address.json",
                json!({"properties": {"city": {"$ref": "#/definitions/city"}}, "definitions": {"city": {"type": "string"}}}),
            ),
            ("common/money.json", json!({"$id": "https://example.org/money", "type": "number"})),
            ("common/all.json", json!({"definitions": {"x": true}})),
        ]);

        let import = read(&files, false);

        assert_eq!(names(&import), ["order.placed"]);
        let expected = json!({
            "properties": {
                "address": {"$ref": "#/definitions/address"},
                "city": {"$ref": "#/definitions/city"},
                "money": {"$ref": "#/definitions/money"},
            },
            "definitions": {
                "address": {
                    "properties": {"city": {"$ref": "#/definitions/city"}},
                    "definitions": {"city": {"type": "string"}},
                },
                "city": {"type": "string"},
                "money": {"type": "number"},
            },
        });
        assert_eq!(import.event_types[0].schema, Some(expected));
        assert_eq!(names(&read(&files, true)), ["common.address", "common.money", "order.placed"]);
    }

    #[test]
    fn references_out_of_the_folder_are_reported() {
        for reference in ["../other.json", "../../etc/passwd", "https://example.org/x", "b.json#/none"] {
            let files = files(&[("a.b.json", json!({"items": {"$ref": reference}})), ("b.json", json!({}))]);

            let import = read(&files, true);

            assert_eq!(import.left_out(), 1, "{reference}");
            assert!(import.notes[0].to_string().contains(&format!("{reference:?}")), "{:?}", import.notes);
        }
    }
}
