//! Warnings about parts of a valid schema that are not enforced: keywords of another draft, names that are nearly
//! keywords, unknown formats, keywords of other dialects. Other keywords that no draft knows are annotations, and cause no
//! warning.

mod vocabulary;

use std::collections::HashMap;

use jsonschema::Draft;
use serde_json::{Map, Value};

use super::{
    document::{Document, Subschema},
    draft::draft,
    formats, limits,
    patterns::{self, ecma},
    pointer::push_part,
    text::quoted,
};
use vocabulary::{draft_address, draft_name};

/// Most warnings about one schema.
const MAX_WARNINGS: usize = 20;

/// Something in a schema that has no effect, or another one than its author probably thinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where in the schema, as a JSON Pointer.
    pub pointer: String,
    /// What it is, and what to do.
    pub message: String,
}

/// The warnings about a schema that can be compiled, in the order of the document; the same one of several places is
/// given once. `format_assertion`: whether formats are enforced at all.
#[must_use]
pub fn warnings(schema: &Value, format_assertion: bool) -> Vec<Warning> {
    let read = || {
        limits::check(schema).ok()?;
        Document::read(schema, draft(schema).ok()?).ok()
    };
    let Some(document) = read() else { return Vec::new() };
    let mut found =
        Found { format_assertion, names_draft: schema.get("$schema").is_some(), ..Found::default() };
    for subschema in document.subschemas.iter().filter(|subschema| document.is_inside(subschema)) {
        found.subschema(subschema);
    }
    found.patterns(&document);
    found.all()
}

#[derive(Default)]
struct Found {
    format_assertion: bool,
    /// Whether the schema names the draft that it is written in.
    names_draft: bool,
    warnings: Vec<Warning>,
    /// By message: the index of the first place, and the number of further places.
    seen: HashMap<String, (usize, usize)>,
}

impl Found {
    fn add(&mut self, place: &str, keyword: &str, message: String) {
        if let Some((_, more)) = self.seen.get_mut(&message) {
            *more += 1;
            return;
        }
        self.seen.insert(message.clone(), (self.warnings.len(), 0));
        let mut pointer = place.to_owned();
        push_part(&mut pointer, keyword);
        self.warnings.push(Warning { pointer, message });
    }

    fn all(mut self) -> Vec<Warning> {
        for (index, more) in self.seen.into_values() {
            let message = &mut self.warnings[index].message;
            match more {
                0 => {}
                1 => message.push_str(" (and in 1 more place)"),
                _ => message.push_str(&format!(" (and in {more} more places)")),
            }
        }
        self.warnings.truncate(MAX_WARNINGS);
        self.warnings
    }

    fn subschema(&mut self, subschema: &Subschema<'_>) {
        let Value::Object(map) = subschema.value else { return };
        let (place, draft) = (subschema.pointer.as_str(), subschema.draft);
        if map.get("nullable") == Some(&Value::Bool(true)) {
            let instead = match map.get("type").and_then(Value::as_str) {
                Some(kind) => format!("\"type\": [\"{kind}\", \"null\"]"),
                None => "an anyOf with {\"type\": \"null\"}".to_owned(),
            };
            let message = format!("a keyword of OpenAPI, which JSON Schema ignores; write {instead}");
            self.add(place, "nullable", message);
        }
        if Document::is_only_a_reference(draft, subschema.value) {
            self.siblings_of_reference(place, draft, map);
            return;
        }
        for (name, value) in map {
            self.keyword(place, draft, name, value);
        }
        self.without_effect(place, draft, map);
        if self.format_assertion {
            self.format(place, draft, map);
        }
    }

    /// A keyword of another draft, or a name that is nearly one.
    fn keyword(&mut self, place: &str, draft: Draft, name: &str, value: &Value) {
        let unnamed = if self.names_draft { "" } else { ", in which a schema without $schema is read" };
        let own = draft_name(draft);
        if name == "$schema" {
            let is_without_version = value
                .as_str()
                .and_then(|named| named.split_once("://"))
                .is_some_and(|(_, rest)| rest.trim_end_matches('#') == "json-schema.org/schema");
            if is_without_version {
                let address = draft_address(Draft::Draft7);
                self.add(
                    place,
                    name,
                    format!("names no draft and is read as 2020-12, by Svix as Draft 7; name one, such as {address}"),
                );
            }
        } else if let Some(keyword) = vocabulary::find(name) {
            let instead = keyword.instead.map(|instead| format!("write {instead}"));
            if draft < keyword.first {
                let (first, address) = (draft_name(keyword.first), draft_address(keyword.first));
                let instead = instead.map(|instead| format!("{instead}, or ")).unwrap_or_default();
                self.add(
                    place,
                    name,
                    format!(
                        "a keyword of {first}, ignored in {own}{unnamed}; {instead}name the draft with \"$schema\": \
                         \"{address}\""
                    ),
                );
            } else if draft > keyword.last {
                let last = draft_name(keyword.last);
                let instead = instead.unwrap_or_else(|| "take it out".to_owned());
                self.add(place, name, format!("a keyword up to {last}, ignored in {own}; {instead}"));
            }
        } else if name == "id" && draft != Draft::Draft4 && value.is_string() {
            self.add(place, name, format!("a keyword of Draft 4, ignored in {own}; write $id"));
        } else if let Some(successor) = vocabulary::successor(name) {
            self.add(place, name, format!("a keyword of Draft 3, ignored in {own}; write {successor}"));
        } else if let Some(meant) = vocabulary::meant(name) {
            self.add(place, name, format!("no keyword of JSON Schema, and ignored; did you mean {meant}?"));
        }
    }

    /// Keywords that are ignored as siblings of a `$ref`.
    fn siblings_of_reference(&mut self, place: &str, draft: Draft, map: &Map<String, Value>) {
        let names = map.keys().filter(|name| {
            let names_a_part = ["$ref", "$schema", "$id", "$anchor", "$defs", "definitions", "contentSchema"];
            vocabulary::find(name).is_some() && !names_a_part.contains(&name.as_str())
        });
        let own = draft_name(draft);
        for name in names {
            self.add(
                place,
                name,
                format!("ignored as a sibling of $ref in {own}; put the $ref into a list under allOf"),
            );
        }
    }

    /// Keywords that have no effect without another one.
    fn without_effect(&mut self, place: &str, draft: Draft, map: &Map<String, Value>) {
        let has = |name: &str| map.contains_key(name);
        let mut add = |name: &str, message: &str| {
            let is_known = vocabulary::find(name).is_some_and(|it| (it.first..=it.last).contains(&draft));
            if has(name) && is_known {
                self.add(place, name, format!("ignored without {message}"));
            }
        };
        if !has("if") {
            add("then", "if; add it, or write allOf");
            add("else", "if; add it, or write not");
        } else if !has("then") && !has("else") {
            add("if", "then or else; add one");
        }
        if !has("contains") {
            add("minContains", "contains; add it, or write minItems");
            add("maxContains", "contains; add it, or write maxItems");
        }
        if !map.get("items").is_some_and(Value::is_array) {
            add("additionalItems", "items that is a list; write items");
        }
    }

    /// Formats and content encodings that are not known.
    fn format(&mut self, place: &str, draft: Draft, map: &Map<String, Value>) {
        if let Some(Value::String(format)) = map.get("format")
            && !formats::is_known(format)
        {
            let names = formats::FORMATS.iter().map(|known| known.name);
            self.add(place, "format", unknown("format", format, names));
        }
        if let Some(Value::String(encoding)) = map.get("contentEncoding")
            && (Draft::Draft6..=Draft::Draft7).contains(&draft)
        {
            let known =
                || formats::ENCODINGS.into_iter().chain(formats::IDENTITIES).chain(["quoted-printable"]);
            if !known().any(|known| known.eq_ignore_ascii_case(encoding)) {
                self.add(place, "contentEncoding", unknown("content encoding", encoding, known()));
            }
        }
    }

    /// What in a pattern is probably meant otherwise.
    fn patterns(&mut self, document: &Document<'_>) {
        for found in patterns::all(document) {
            let Ok(pattern) = ecma::parse(found.pattern) else { continue };
            let Some((place, keyword)) = found.pointer.rsplit_once('/') else { continue };
            let keyword = keyword.replace("~1", "/").replace("~0", "~");
            for ecma::Remark { kind, at } in pattern.remarks {
                let message = match kind {
                    ecma::RemarkKind::LetterEscape(letter) => {
                        let instead = match letter {
                            'A' => "; write ^ for the beginning of the text",
                            'z' | 'Z' => "; write $ for the end of the text",
                            'h' => "; write [ \\t] for blanks",
                            'p' | 'P' => "; a property has braces, as in \\p{L}",
                            _ => "",
                        };
                        format!(
                            "\\{letter} at character {at} is the letter {letter} in a regular expression of ECMA-262{instead}"
                        )
                    }
                    ecma::RemarkKind::LiteralBraces(text) => {
                        format!(
                            "{text} at character {at} is text in a regular expression of ECMA-262; write {{0,n}} or {{m,n}}"
                        )
                    }
                };
                self.add(place, &keyword, message);
            }
        }
    }
}

fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let plain = |name: &str| name.to_lowercase().replace(['_', ' '], "-");
    let near = known.map(|known| (strsim::osa_distance(&plain(known), &plain(name)), known)).min();
    let meant = match near {
        Some((distance, known)) if distance <= 1 + known.len() / 6 => format!("; did you mean {known}?"),
        _ => String::new(),
    };
    format!("the {what} {} is not known and not enforced{meant}", quoted(name))
}

#[cfg(test)]
mod tests;
