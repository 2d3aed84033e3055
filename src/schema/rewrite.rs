//! The documents that the validator gets: the schema with each reference as a JSON Pointer, so that both go where
//! [`Document`] says.
//!
//! A part in another draft than what is around it becomes a document of its own, since the validator reads what a
//! pointer leads to in the draft of the document's root. Where a schema has dynamic references, each schema resource
//! becomes one as well: the validator notes the documents that it enters, and no identifier has to stay.

mod constants;
mod counted;
mod keys;

use std::collections::HashMap;

use jsonschema::Draft;
use serde_json::{Map, Value, json};

use super::{
    document::{Document, Node, Reference, ReferenceKeyword},
    formats,
    patterns::Patterns,
    pointer::push_part,
};
pub(super) use keys::original_pointer;
use keys::plain_key;

/// One document for the validator.
pub(super) struct Unit {
    /// Its address.
    pub uri: String,
    /// The draft of all that is in it.
    pub draft: Draft,
    /// The document.
    pub value: Value,
    /// Where its root stands in the schema.
    pub pointer: String,
}

/// Copies the parts of a document.
pub(super) struct Rewriter<'a, 'd> {
    document: &'d Document<'a>,
    patterns: &'d Patterns,
    /// Whether formats and content encodings are enforced.
    format_assertion: bool,
    /// The roots of the units.
    roots: Vec<Node>,
    /// The unit of each subschema, and the JSON Pointer within it.
    places: HashMap<Node, (usize, String)>,
    /// Whether references depend on the resources that they are reached through.
    is_dynamic: bool,
}

impl<'a, 'd> Rewriter<'a, 'd> {
    /// Divides a document into units.
    pub fn new(document: &'d Document<'a>, patterns: &'d Patterns, format_assertion: bool) -> Self {
        let is_dynamic = document.subschemas.iter().any(|subschema| {
            document.is_inside(subschema)
                && ["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"]
                    .iter()
                    .any(|keyword| subschema.value.get(keyword).is_some())
        });
        let mut rewriter =
            Self { format_assertion, document, patterns, roots: vec![0], places: HashMap::new(), is_dynamic };
        if let Some(root) = document.subschemas.first() {
            rewriter.divide(root.value, false, 0, &mut String::new());
        }
        rewriter
    }

    /// `are_patterns`: whether the keys of the value are patterns.
    fn divide(&mut self, value: &'a Value, are_patterns: bool, unit: usize, pointer: &mut String) {
        let mut unit = unit;
        let mut from_here = String::new();
        let mut pointer = pointer;
        let node = self.document.node_of(value);
        if let Some(node) = node {
            let own = &self.document.subschemas[node];
            let around = &self.document.subschemas[self.roots[unit]];
            if own.draft != around.draft || (self.is_dynamic && own.resource != around.resource) {
                unit = self.roots.len();
                self.roots.push(node);
                pointer = &mut from_here;
            }
            self.places.insert(node, (unit, pointer.clone()));
        }
        let patterns = self.patterns;
        let mut below = |part: &str, value: &'a Value, are_patterns: bool| {
            let length = pointer.len();
            push_part(pointer, part);
            self.divide(value, are_patterns, unit, pointer);
            pointer.truncate(length);
        };
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let part = if are_patterns { patterns.translated(key) } else { key };
                    below(part, value, node.is_some() && key == "patternProperties");
                }
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, value)| below(&index.to_string(), value, false));
            }
            _ => {}
        }
    }

    /// Whether all references as JSON Pointers have more than so many bytes: a short name may stand for a long one.
    pub fn has_longer_references(&self, most: usize) -> bool {
        let all = self.document.subschemas.iter().flat_map(|subschema| &subschema.references);
        let mut pointers = all.filter_map(|reference| Some(&self.places.get(&reference.to)?.1));
        // Each is read to know its length, so the first ones beyond the bound end it.
        pointers
            .try_fold(0, |bytes, pointer| Some(bytes + encoded(pointer)).filter(|bytes| *bytes <= most))
            .is_none()
    }

    /// The documents as the validator gets them.
    pub fn judged(&self) -> Vec<Unit> {
        self.units(Copy::Judged)
    }

    /// The documents as their meta-schemas get them: as they are, without their patterns, whose syntax is not the
    /// meta-schema's business.
    pub fn declared(&self) -> Vec<Unit> {
        self.units(Copy::Declared)
    }

    /// One subschema as its meta-schema gets it.
    pub fn declared_part(&self, node: Node) -> Value {
        let unit = self.places.get(&node).map_or(0, |(unit, _)| *unit);
        match self.document.subschemas[node].value {
            Value::Object(map) => Value::Object(self.object(map, Some(node), unit, Copy::Declared)),
            other => other.clone(),
        }
    }

    fn units(&self, copy: Copy) -> Vec<Unit> {
        let unit = |(index, root): (usize, &Node)| {
            let subschema = &self.document.subschemas[*root];
            let value = match subschema.value {
                Value::Object(map) => Value::Object(self.object(map, Some(*root), index, copy)),
                other => other.clone(),
            };
            Unit { uri: address(index), draft: subschema.draft, value, pointer: subschema.pointer.clone() }
        };
        self.roots.iter().enumerate().map(unit).collect()
    }

    fn value(&self, value: &'a Value, unit: usize, copy: Copy) -> Value {
        match value {
            Value::Object(map) => {
                let node = self.document.node_of(value);
                let own = node.and_then(|node| self.places.get(&node)).map(|(unit, _)| *unit);
                match own.filter(|own| *own != unit) {
                    Some(own) if copy == Copy::Judged => json!({ "$ref": address(own) }),
                    Some(_) => json!({}),
                    None => Value::Object(self.object(map, node, unit, copy)),
                }
            }
            Value::Array(items) => items.iter().map(|item| self.value(item, unit, copy)).collect(),
            other => other.clone(),
        }
    }

    fn object(
        &self,
        map: &'a Map<String, Value>,
        node: Option<Node>,
        unit: usize,
        copy: Copy,
    ) -> Map<String, Value> {
        let mut out = Map::new();
        if let (Some(_), Copy::Judged, Some(Value::String(format))) = (node, copy, map.get("format"))
            && let Some(bits) = formats::integer_size(format).filter(|_| self.format_assertion)
        {
            out.insert(formats::INTEGER_KEYWORD.to_owned(), bits.into());
        }
        for (key, value) in map {
            let member = match (node, copy) {
                (Some(node), Copy::Judged) => self.judged_member(node, key, value, unit),
                (Some(_), Copy::Declared) => self.declared_member(key, value, unit),
                (None, _) => Some(self.value(value, unit, copy)),
            };
            if let Some(mut member) = member {
                if copy == Copy::Judged
                    && node.is_some()
                    && matches!(key.as_str(), "allOf" | "anyOf" | "oneOf")
                {
                    counted::add_looks_to_list(&mut member);
                }
                out.insert(key.clone(), member);
            }
        }
        if let (Some(node), Copy::Judged) = (node, copy) {
            let subschema = &self.document.subschemas[node];
            constants::compare_by_digits(subschema.draft, &mut out);
            counted::add_look(subschema.draft, subschema.value, &mut out);
        }
        out
    }

    /// A member of a subschema for the validator.
    fn judged_member(&self, node: Node, key: &str, value: &'a Value, unit: usize) -> Option<Value> {
        let subschema = &self.document.subschemas[node];
        match key {
            "pattern" => Some(match value {
                Value::String(pattern) => self.patterns.translated(pattern).into(),
                other => other.clone(),
            }),
            "patternProperties" => Some(match value {
                Value::Object(patterns) => {
                    let translated = |(pattern, value): (&String, &'a Value)| {
                        (self.patterns.translated(pattern).to_owned(), self.value(value, unit, Copy::Judged))
                    };
                    Value::Object(patterns.iter().map(translated).collect())
                }
                other => other.clone(),
            }),
            "contentEncoding" | "contentMediaType" if subschema.draft <= Draft::Draft7 => {
                self.content(key, subschema.value)
            }
            "$schema" => None,
            "$id" | "id" | "$anchor" if value.is_string() => None,
            "$ref" | "$dynamicRef" => {
                let reference =
                    subschema.references.iter().find(|reference| reference.keyword.as_str() == key);
                match reference {
                    Some(reference) => Some(self.reference(reference, unit).into()),
                    // It leads nowhere and is not used, or is no reference in this draft.
                    None if value.is_string() => None,
                    None => Some(self.value(value, unit, Copy::Judged)),
                }
            }
            _ => Some(self.value(value, unit, Copy::Judged)),
        }
    }

    /// `contentEncoding` or `contentMediaType`, as far as it is enforced. jsonschema enforces neither where it does not
    /// know one of them.
    fn content(&self, key: &str, schema: &Value) -> Option<Value> {
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        let encoding = text("contentEncoding").map(str::to_ascii_lowercase);
        let encoding = encoding.as_deref().filter(|encoding| !formats::IDENTITIES.contains(encoding));
        let is_known = encoding.is_none_or(|encoding| formats::ENCODINGS.contains(&encoding));
        if !self.format_assertion || !is_known {
            return None;
        }
        match key {
            "contentEncoding" => encoding.map(Value::from),
            _ => text("contentMediaType").filter(|media| *media == formats::JSON_MEDIA_TYPE).map(Value::from),
        }
    }

    /// A member of a subschema for its meta-schema.
    fn declared_member(&self, key: &str, value: &'a Value, unit: usize) -> Option<Value> {
        match (key, value) {
            ("pattern", Value::String(_)) => None,
            ("patternProperties", Value::Object(patterns)) => {
                let plain = |(key, value): (&String, &'a Value)| {
                    (plain_key(key), self.value(value, unit, Copy::Declared))
                };
                Some(Value::Object(patterns.iter().map(plain).collect()))
            }
            _ => Some(self.value(value, unit, Copy::Declared)),
        }
    }

    /// A reference as it is written in a unit.
    fn reference(&self, reference: &Reference<'_>, from: usize) -> String {
        let to =
            if self.is_dynamic { reference.to } else { counted::end_of_chain(self.document, reference.to) };
        let target = &self.document.subschemas[to];
        let (mut text, pointer) = match self.places.get(&to) {
            Some((unit, pointer)) if *unit == from && !self.is_dynamic => (String::new(), pointer),
            Some((unit, pointer)) => (address(*unit), pointer),
            None => (self.document.document_of(target.resource).to_owned(), &target.pointer),
        };
        // jsonschema takes a document's address with an empty fragment for the `#` of its `$recursiveRef`.
        if pointer.is_empty() && reference.dynamic.is_none() && !text.is_empty() {
            return text;
        }
        text.push('#');
        match (reference.keyword, reference.dynamic) {
            // By its name, since that is what decides where it leads.
            (ReferenceKeyword::DynamicRef, Some(name)) => push_encoded(&mut text, name),
            _ => push_encoded(&mut text, pointer),
        }
        text
    }
}

/// Appends text to a fragment.
fn push_encoded(fragment: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            _ if is_plain(byte) => fragment.push(char::from(byte)),
            _ => fragment.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// The length of text in a fragment.
fn encoded(text: &str) -> usize {
    text.bytes().map(|byte| if is_plain(byte) { 1 } else { 3 }).sum()
}

/// Whether a byte is not encoded in a fragment.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/~-._$".contains(&byte)
}

/// What a copy is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copy {
    Judged,
    Declared,
}

/// The address of a unit. By the scheme the validator knows that it is not an address of the author's.
fn address(unit: usize) -> String {
    match unit {
        0 => "json-schema:///".to_owned(),
        _ => format!("json-schema:///part/{unit}"),
    }
}
