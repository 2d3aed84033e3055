//! The keywords of a subschema, one by one, with the rules by which closed objects are opened.
//!
//! Opening makes a schema match more values and never fewer, so what is opened stands where "more" stays "more":
//! * not under `not` (but under a second one again), and not in an `if`, which is read both ways;
//! * not in `contains` with `maxContains`, which counts the elements that match;
//! * in a `oneOf`, a value that no branch matches as it is written may match an opened branch. One that two branches
//!   match as they are written stays refused.
//!
//! `propertyNames` and `maxProperties` close objects, too, and stay: they say that a name or a size is wrong, not that
//! the receiver does not know a member.

use std::rc::Rc;

use jsonschema::Draft;
use serde_json::{Map, Value, json};

use super::{Mode, RawId, Reader, closed::is_never};
use crate::schema::{
    document::Node,
    evolution::{
        constants::Constants,
        decimal::Decimal,
        model::{Facet, Keyword, Members, Type, Types},
    },
    formats,
};

impl<'a> Reader<'a, '_, '_> {
    #[allow(clippy::too_many_arguments, clippy::too_many_lines)]
    pub(super) fn keyword(
        &mut self,
        node: Node,
        mode: Mode,
        map: &'a Map<String, Value>,
        name: &'a str,
        value: &'a Value,
        members: &mut Members,
        out: &mut Vec<Keyword>,
    ) {
        let draft = self.source.document.subschemas[node].draft;
        let from = |first: Draft| draft >= first;
        let counted = |make: fn(u64) -> Keyword| count(value).map(make);
        match (name, value) {
            ("type", _) => out.extend(types(draft, value)),
            ("const", _) if from(Draft::Draft6) => {
                out.push(Keyword::Enum(Rc::new(Constants::of([value.clone()]))));
            }
            ("enum", Value::Array(values)) => {
                let constants = Constants::of(values.iter().cloned());
                out.push(if constants.is_empty() {
                    Keyword::Never
                } else {
                    Keyword::Enum(Rc::new(constants))
                });
            }
            ("allOf", Value::Array(items)) => out.push(Keyword::AllOf(self.list(items, mode))),
            ("anyOf", Value::Array(items)) => out.push(Keyword::AnyOf(self.list(items, mode))),
            ("oneOf", Value::Array(items)) => {
                let inner = if mode == Mode::Opened { Mode::Opened } else { Mode::Written };
                out.push(Keyword::AnyOf(self.list(items, inner)));
                if items.len() > 1 {
                    out.push(Keyword::AtMostOne(self.list(items, Mode::Written)));
                }
            }
            ("not", _) => {
                let inner = match mode {
                    Mode::Written => Mode::Written,
                    Mode::Opened => Mode::Negated,
                    Mode::Negated => Mode::Opened,
                };
                out.extend(self.at(value, inner).map(Keyword::Not));
            }
            ("if", _) if from(Draft::Draft7) => {
                let (then, otherwise) = (map.get("then"), map.get("else"));
                if then.is_some() || otherwise.is_some() {
                    let then = then.and_then(|then| self.at(then, mode));
                    let otherwise = otherwise.and_then(|otherwise| self.at(otherwise, mode));
                    let condition = self.at(value, Mode::Written);
                    out.extend(condition.map(|condition| Keyword::If { condition, then, otherwise }));
                }
            }
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", Value::Number(number)) => {
                let is_exclusive = match name {
                    "minimum" => is_draft_4_flag(draft, map, "exclusiveMinimum"),
                    "maximum" => is_draft_4_flag(draft, map, "exclusiveMaximum"),
                    _ if draft == Draft::Draft4 => return,
                    _ => true,
                };
                let Some(bound) = Decimal::of(number) else { return };
                out.push(match name {
                    "minimum" | "exclusiveMinimum" => Keyword::Minimum { bound, is_exclusive },
                    _ => Keyword::Maximum { bound, is_exclusive },
                });
            }
            ("multipleOf", Value::Number(number)) => {
                out.extend(Decimal::of(number).filter(|it| !it.is_zero()).map(Keyword::MultipleOf));
            }
            ("minLength", _) => {
                out.extend(counted(Keyword::MinLength).filter(|it| *it != Keyword::MinLength(0)))
            }
            ("maxLength", _) => out.extend(counted(Keyword::MaxLength)),
            ("pattern", Value::String(pattern)) => {
                let pattern = self.model.add_pattern(self.source.patterns.translated(pattern));
                out.push(Keyword::Pattern(pattern));
            }
            ("format", Value::String(format)) if self.source.format_assertion => {
                out.extend(self.format(draft, format));
            }
            ("contentEncoding" | "contentMediaType", Value::String(_))
                if self.source.format_assertion && (Draft::Draft6..=Draft::Draft7).contains(&draft) =>
            {
                let schema = json!({
                    "$schema": uri(draft), "contentEncoding": map.get("contentEncoding"),
                    "contentMediaType": map.get("contentMediaType"),
                });
                let mut schema = schema;
                if let Value::Object(schema) = &mut schema {
                    schema.retain(|_, value| value.is_string());
                }
                let facet = self.model.add_facet(Facet { schema: schema.to_string(), format: None });
                out.push(Keyword::Facet(facet));
            }
            ("minItems", _) => {
                out.extend(counted(Keyword::MinItems).filter(|it| *it != Keyword::MinItems(0)))
            }
            ("maxItems", _) => out.extend(counted(Keyword::MaxItems)),
            ("uniqueItems", Value::Bool(true)) => out.push(Keyword::UniqueItems),
            ("items", Value::Array(items)) if draft <= Draft::Draft201909 => {
                let prefix = self.list(items, mode);
                let rest = map.get("additionalItems").and_then(|rest| self.at(rest, mode));
                out.push(Keyword::Items { prefix, rest });
            }
            ("items", _) => {
                let prefix = match map.get("prefixItems") {
                    Some(Value::Array(items)) if draft == Draft::Draft202012 => self.list(items, mode),
                    _ => Vec::new(),
                };
                let rest = self.at(value, mode);
                out.push(Keyword::Items { prefix, rest });
            }
            ("prefixItems", Value::Array(items))
                if draft == Draft::Draft202012 && !map.contains_key("items") =>
            {
                let prefix = self.list(items, mode);
                out.push(Keyword::Items { prefix, rest: None });
            }
            ("contains", _) if from(Draft::Draft6) => {
                let bound = |name: &str| map.get(name).and_then(count).filter(|_| from(Draft::Draft201909));
                let (min, max) = (bound("minContains").unwrap_or(1), bound("maxContains"));
                let inner = match (max, mode) {
                    (Some(_), _) | (_, Mode::Negated) => Mode::Written,
                    (None, mode) => mode,
                };
                if min > 0 || max.is_some() {
                    out.extend(self.at(value, inner).map(|node| Keyword::Contains { node, min, max }));
                }
            }
            ("minProperties", _) => {
                out.extend(counted(Keyword::MinProperties).filter(|it| *it != Keyword::MinProperties(0)));
            }
            ("maxProperties", _) => out.extend(counted(Keyword::MaxProperties)),
            ("required", Value::Array(names)) => {
                out.extend(
                    names.iter().filter_map(Value::as_str).map(|name| Keyword::Required(name.to_owned())),
                );
            }
            ("properties", Value::Object(entries)) => {
                for (key, value) in entries {
                    members.named.extend(self.at(value, mode).map(|node| (key.clone(), node)));
                }
            }
            ("patternProperties", Value::Object(entries)) => {
                for (key, value) in entries {
                    let pattern = self.model.add_pattern(self.source.patterns.translated(key));
                    members.patterns.extend(self.at(value, mode).map(|node| (pattern, node)));
                }
            }
            ("additionalProperties", _) if mode == Mode::Opened && is_never(value) => {}
            ("additionalProperties", _) => members.additional = self.at(value, mode),
            ("propertyNames", _) if from(Draft::Draft6) => {
                out.extend(self.at(value, Mode::Written).map(Keyword::PropertyNames));
            }
            ("dependencies" | "dependentRequired" | "dependentSchemas", Value::Object(entries)) => {
                if name != "dependencies" && draft < Draft::Draft201909 {
                    return;
                }
                for (key, value) in entries {
                    let dependent = match value {
                        Value::Array(names) => {
                            let required = names.iter().filter_map(Value::as_str);
                            let required = required.map(|name| Keyword::Required(name.to_owned())).collect();
                            Some(self.made(required, node))
                        }
                        value => self.at(value, mode),
                    };
                    out.extend(dependent.map(|node| Keyword::Dependent { name: key.clone(), node }));
                }
            }
            ("unevaluatedProperties" | "unevaluatedItems", _) if from(Draft::Draft201909) => {
                let is_properties = name == "unevaluatedProperties";
                if is_properties && mode == Mode::Opened && is_never(value) {
                    return;
                }
                out.extend(self.unevaluated(node, is_properties, value));
            }
            _ => {}
        }
    }

    fn list(&mut self, items: &'a [Value], mode: Mode) -> Vec<RawId> {
        items.iter().filter_map(|item| self.at(item, mode)).collect()
    }

    /// What an enforced format asserts.
    fn format(&mut self, draft: Draft, format: &str) -> Vec<Keyword> {
        if let Some(bits) = formats::integer_size(format) {
            let (least, most) = match bits {
                32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
                _ => (i64::MIN, i64::MAX),
            };
            return vec![
                Keyword::MultipleOf(Decimal::whole(1)),
                Keyword::Minimum { bound: Decimal::whole(least), is_exclusive: false },
                Keyword::Maximum { bound: Decimal::whole(most), is_exclusive: false },
            ];
        }
        if !formats::is_enforced(format) {
            return Vec::new();
        }
        // The only format that drafts define differently.
        let schema = match format {
            "hostname" => {
                json!({ "$schema": uri(draft.clamp(Draft::Draft6, Draft::Draft7)), "format": format })
            }
            _ => json!({ "format": format }),
        };
        let facet = Facet { schema: schema.to_string(), format: Some(format.to_owned()) };
        vec![Keyword::Facet(self.model.add_facet(facet))]
    }
}

fn is_draft_4_flag(draft: Draft, map: &Map<String, Value>, flag: &str) -> bool {
    draft == Draft::Draft4 && map.get(flag) == Some(&Value::Bool(true))
}

/// A size; drafts from 6 on permit `2.0`.
fn count(value: &Value) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let of_float =
        |number: f64| (number.fract() == 0.0 && (0.0..1e18).contains(&number)).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(of_float))
}

fn types(draft: Draft, value: &Value) -> Option<Keyword> {
    let names: Vec<&str> = match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let mut types = Types { whole: 0, integer: false, is_by_spelling: false };
    for name in names {
        let kind = match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "number" => Type::Number,
            "string" => Type::String,
            "array" => Type::Array,
            "object" => Type::Object,
            _ => {
                types.integer = true;
                continue;
            }
        };
        types.whole |= kind as u8;
    }
    types.integer &= !types.has(Type::Number);
    types.is_by_spelling = types.integer && draft == Draft::Draft4;
    (types.whole.count_ones() < 6).then_some(Keyword::Types(types))
}

/// The address of a draft's meta-schema.
fn uri(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft4 => "http://json-schema.org/draft-04/schema#",
        Draft::Draft6 => "http://json-schema.org/draft-06/schema#",
        Draft::Draft7 => "http://json-schema.org/draft-07/schema#",
        Draft::Draft201909 => "https://json-schema.org/draft/2019-09/schema",
        _ => "https://json-schema.org/draft/2020-12/schema",
    }
}
