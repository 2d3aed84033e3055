//! Payloads that a schema may permit, made from what it says and independently of the solver.

use serde_json::{Map, Value};

use super::sample::{Choices, constants};

/// Makes a payload that may match a schema, or just may not.
pub fn payload(choices: &mut Choices<'_>, schema: &Value) -> Value {
    guided(choices, schema, schema, 6)
}

fn any(choices: &mut Choices<'_>) -> Value {
    choices.pick(&constants())
}

fn guided(choices: &mut Choices<'_>, schema: &Value, root: &Value, depth: usize) -> Value {
    let Value::Object(map) = schema else { return any(choices) };
    if depth == 0 || choices.of(16) == 0 {
        return any(choices);
    }
    let mut value = own(choices, map, root, depth);
    // Parts of the schema that apply in the same place.
    for keyword in
        ["$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "not", "dependentSchemas", "dependencies"]
    {
        let Some(inner) = map.get(keyword) else { continue };
        let inner = match inner {
            Value::String(pointer) => root.pointer(pointer.trim_start_matches('#')),
            Value::Array(items) if !items.is_empty() => Some(&items[choices.of(items.len())]),
            Value::Object(entries) if keyword.starts_with("dep") => entries.values().next(),
            inner => Some(inner),
        };
        let Some(inner) = inner else { continue };
        let other = guided(choices, inner, root, depth - 1);
        value = match (value, other, choices.of(4)) {
            (Value::Object(mut value), Value::Object(other), 1..) => {
                value.extend(other);
                value.into()
            }
            (Value::Array(mut value), Value::Array(other), 2..) => {
                value.extend(other);
                value.into()
            }
            (_, other, 0 | 1) => other,
            (value, ..) => value,
        };
    }
    value
}

fn own(choices: &mut Choices<'_>, map: &Map<String, Value>, root: &Value, depth: usize) -> Value {
    if let Some(value) = map.get("const")
        && choices.of(4) != 0
    {
        return value.clone();
    }
    if let Some(Value::Array(values)) = map.get("enum")
        && !values.is_empty()
        && choices.of(4) != 0
    {
        return choices.pick(values);
    }
    let has = |names: &[&str]| names.iter().any(|name| map.contains_key(*name));
    let mut kinds: Vec<&str> = match map.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if kinds.is_empty() {
        if has(&[
            "properties",
            "required",
            "patternProperties",
            "additionalProperties",
            "minProperties",
            "maxProperties",
            "propertyNames",
            "unevaluatedProperties",
            "dependentSchemas",
            "dependencies",
        ]) {
            kinds.push("object");
        }
        if has(&[
            "items",
            "prefixItems",
            "contains",
            "minItems",
            "maxItems",
            "uniqueItems",
            "unevaluatedItems",
        ]) {
            kinds.push("array");
        }
        if has(&["minLength", "maxLength", "pattern", "format"]) {
            kinds.push("string");
        }
        if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
            kinds.push("number");
        }
    }
    if kinds.is_empty() {
        return any(choices);
    }
    match choices.pick(&kinds) {
        "object" => object(choices, map, root, depth),
        "array" => array(choices, map, root, depth),
        "string" => {
            let length =
                |name: &str| map.get(name).and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
            let length = match choices.of(3) {
                0 => length("minLength").unwrap_or_default(),
                1 => length("maxLength").map_or(1, |most| most.min(9) + choices.of(2)),
                _ => return any(choices),
            };
            (0..length).map(|_| choices.pick(&['a', 'b', '1', 'é'])).collect::<String>().into()
        }
        "number" | "integer" => {
            let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
            let bounds: Vec<f64> = bounds.iter().filter_map(|name| map.get(*name)?.as_f64()).collect();
            let base = if bounds.is_empty() { 0.0 } else { choices.pick(&bounds) };
            let number = base + choices.pick(&[0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 6.0]);
            #[allow(clippy::cast_possible_truncation)]
            if number.fract() == 0.0 && number.abs() < 1e15 { (number as i64).into() } else { number.into() }
        }
        "boolean" => (choices.of(2) == 0).into(),
        "null" => Value::Null,
        _ => any(choices),
    }
}

fn object(choices: &mut Choices<'_>, map: &Map<String, Value>, root: &Value, depth: usize) -> Value {
    let mut object = Map::new();
    let rest = map
        .get("additionalProperties")
        .or(map.get("unevaluatedProperties"))
        .cloned()
        .unwrap_or(Value::Bool(true));
    if let Some(Value::Array(required)) = map.get("required") {
        for name in required.iter().filter_map(Value::as_str) {
            if choices.of(8) != 0 {
                object.insert(name.to_owned(), any(choices));
            }
        }
    }
    let empty = Map::new();
    let properties = map.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    for (name, inner) in properties {
        if object.contains_key(name) || choices.of(3) != 0 {
            object.insert(name.clone(), guided(choices, inner, root, depth - 1));
        }
    }
    let patterns = map.get("patternProperties").and_then(Value::as_object).unwrap_or(&empty);
    for inner in patterns.values() {
        if choices.of(2) == 0 {
            let name = choices.pick(&["a", "b", "ab", "1", "", "aa", "ba"]);
            object.insert(name.to_owned(), guided(choices, inner, root, depth - 1));
        }
    }
    let least = map.get("minProperties").and_then(Value::as_u64).unwrap_or_default();
    for name in ["a", "b", "c", "ab", "1", "zz", ""] {
        if (object.len() as u64) < least || choices.of(8) == 0 {
            object.insert(name.to_owned(), guided(choices, &rest, root, depth - 1));
        }
    }
    object.into()
}

fn array(choices: &mut Choices<'_>, map: &Map<String, Value>, root: &Value, depth: usize) -> Value {
    let length = |name: &str| map.get(name).and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok());
    let length = match choices.of(3) {
        0 => length("minItems").unwrap_or_default(),
        1 => length("maxItems").map_or(2, |most| most.min(9) + choices.of(2)),
        _ => choices.of(5),
    };
    let prefix =
        map.get("prefixItems").or(map.get("items")).and_then(Value::as_array).cloned().unwrap_or_default();
    let items = map.get("items").filter(|items| !items.is_array());
    let rest = items
        .or(map.get("additionalItems"))
        .or(map.get("unevaluatedItems"))
        .cloned()
        .unwrap_or(Value::Bool(true));
    let item = |choices: &mut Choices<'_>, index: usize| match map.get("contains") {
        Some(contains) if choices.of(3) == 0 => guided(choices, contains, root, depth - 1),
        _ => guided(choices, prefix.get(index).unwrap_or(&rest), root, depth - 1),
    };
    (0..length).map(|index| item(choices, index)).collect()
}
