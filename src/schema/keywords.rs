//! The keywords of JSON Schema that have subschemas, in which drafts they exist, and which part of a payload their
//! subschemas validate.

use jsonschema::Draft;
use serde_json::{Map, Value};

/// The part of a payload that a subschema validates, relative to the place that its parent validates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applies {
    /// The same place.
    Here,
    /// The member of this name.
    Member,
    /// Each member whose name matches a pattern.
    MatchingMembers,
    /// Each member that no other keyword names.
    OtherMembers,
    /// The elements of an array.
    Elements,
    /// The names of members.
    Names,
    /// Nothing: the subschema validates only where a reference leads to it.
    Nothing,
}

/// How subschemas are contained in the value of a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    One,
    List,
    OneOrList,
    /// An object whose values are subschemas.
    Map,
    /// An object whose values are subschemas or lists of names.
    Dependencies,
}

struct Keyword {
    name: &'static str,
    first: Draft,
    last: Draft,
    shape: Shape,
    applies: Applies,
}

const fn keyword(
    name: &'static str,
    (first, last): (Draft, Draft),
    shape: Shape,
    applies: Applies,
) -> Keyword {
    Keyword { name, first, last, shape, applies }
}

const EVERY: (Draft, Draft) = (Draft::Draft4, Draft::Draft202012);
const FROM_6: (Draft, Draft) = (Draft::Draft6, Draft::Draft202012);
const FROM_7: (Draft, Draft) = (Draft::Draft7, Draft::Draft202012);
const FROM_2019: (Draft, Draft) = (Draft::Draft201909, Draft::Draft202012);
const TO_2019: (Draft, Draft) = (Draft::Draft4, Draft::Draft201909);
const IN_2020: (Draft, Draft) = (Draft::Draft202012, Draft::Draft202012);

/// `$defs` and `definitions` contain subschemas in every draft: bundlers write either, whatever draft a schema names.
const KEYWORDS: [Keyword; 22] = [
    keyword("not", EVERY, Shape::One, Applies::Here),
    keyword("if", FROM_7, Shape::One, Applies::Here),
    keyword("then", FROM_7, Shape::One, Applies::Here),
    keyword("else", FROM_7, Shape::One, Applies::Here),
    keyword("allOf", EVERY, Shape::List, Applies::Here),
    keyword("anyOf", EVERY, Shape::List, Applies::Here),
    keyword("oneOf", EVERY, Shape::List, Applies::Here),
    keyword("dependentSchemas", FROM_2019, Shape::Map, Applies::Here),
    keyword("dependencies", EVERY, Shape::Dependencies, Applies::Here),
    keyword("properties", EVERY, Shape::Map, Applies::Member),
    keyword("patternProperties", EVERY, Shape::Map, Applies::MatchingMembers),
    keyword("additionalProperties", EVERY, Shape::One, Applies::OtherMembers),
    keyword("unevaluatedProperties", FROM_2019, Shape::One, Applies::OtherMembers),
    keyword("propertyNames", FROM_6, Shape::One, Applies::Names),
    keyword("items", EVERY, Shape::OneOrList, Applies::Elements),
    keyword("prefixItems", IN_2020, Shape::List, Applies::Elements),
    keyword("additionalItems", TO_2019, Shape::One, Applies::Elements),
    keyword("unevaluatedItems", FROM_2019, Shape::One, Applies::Elements),
    keyword("contains", FROM_6, Shape::One, Applies::Elements),
    keyword("contentSchema", FROM_2019, Shape::One, Applies::Nothing),
    keyword("definitions", EVERY, Shape::Map, Applies::Nothing),
    keyword("$defs", EVERY, Shape::Map, Applies::Nothing),
];

/// Keywords whose value is data: nothing in it is a schema.
pub(super) const DATA: [&str; 5] = ["enum", "const", "default", "examples", "example"];

/// A subschema under a keyword.
pub(super) struct Child<'a> {
    /// The keyword.
    pub keyword: &'a str,
    /// The key or the index under the keyword, if it has several.
    pub part: Option<Part<'a>>,
    /// The part of a payload that it validates.
    pub applies: Applies,
    /// The subschema.
    pub value: &'a Value,
}

/// The place of a subschema within its keyword's value.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    Key(&'a str),
    Index(usize),
}

/// Calls `each` with every subschema under the keywords of a schema.
pub(super) fn children<'a>(draft: Draft, schema: &'a Map<String, Value>, mut each: impl FnMut(Child<'a>)) {
    for (name, value) in schema {
        let Some(keyword) = find(draft, name) else { continue };
        let applies = keyword.applies;
        let mut child = |part, value| each(Child { keyword: name, part, applies, value });
        match (keyword.shape, value) {
            (Shape::List | Shape::OneOrList, Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    child(Some(Part::Index(index)), item);
                }
            }
            (Shape::One | Shape::OneOrList, value) => child(None, value),
            (Shape::Map | Shape::Dependencies, Value::Object(entries)) => {
                for (key, entry) in entries {
                    if keyword.shape == Shape::Map || !entry.is_array() {
                        child(Some(Part::Key(key)), entry);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Returns a schema in which each subschema under a keyword is replaced by what `each` returns for it. `each` is given the
/// keyword, and the key or index under it.
pub(crate) fn map_children<E>(
    draft: Draft,
    schema: &Map<String, Value>,
    mut each: impl FnMut(&[&str], &Value) -> Result<Value, E>,
) -> Result<Map<String, Value>, E> {
    let mut mapped = Map::new();
    for (name, value) in schema {
        let shape = find(draft, name).map(|keyword| keyword.shape);
        let value = match (shape, value) {
            (Some(Shape::List | Shape::OneOrList), Value::Array(items)) => {
                let items = items.iter().enumerate();
                items
                    .map(|(index, item)| each(&[name, &index.to_string()], item))
                    .collect::<Result<_, _>>()?
            }
            (Some(Shape::One | Shape::OneOrList), value) => each(&[name], value)?,
            (Some(Shape::Map), Value::Object(entries)) => {
                let entries = entries.iter();
                let entries = entries.map(|(key, entry)| Ok((key.clone(), each(&[name, key], entry)?)));
                Value::Object(entries.collect::<Result<_, E>>()?)
            }
            (Some(Shape::Dependencies), Value::Object(entries)) => {
                let entries = entries.iter().map(|(key, entry)| match entry {
                    Value::Array(_) => Ok((key.clone(), entry.clone())),
                    entry => Ok((key.clone(), each(&[name, key], entry)?)),
                });
                Value::Object(entries.collect::<Result<_, E>>()?)
            }
            (_, value) => value.clone(),
        };
        mapped.insert(name.clone(), value);
    }
    Ok(mapped)
}

/// Whether the value of a keyword contains subschemas in a draft.
pub(super) fn holds_schemas(draft: Draft, name: &str) -> bool {
    find(draft, name).is_some()
}

fn find(draft: Draft, name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name && (keyword.first..=keyword.last).contains(&draft))
}
