//! Random schemas and payloads. Payloads are made from what the schemas say, and independently of the solver.

use serde_json::{Map, Value, json};

/// Where choices come from.
pub enum Choices<'b> {
    /// Bytes that a test may make shorter and smaller. After the last one, the first choice is always taken.
    Bytes(std::slice::Iter<'b, u8>),
    /// A sequence that goes on forever.
    Seed(u64),
}

impl Choices<'_> {
    /// Chooses a number below `count`.
    pub fn of(&mut self, count: usize) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.next().map_or(0, |byte| usize::from(*byte) % count.max(1)),
            Self::Seed(state) => {
                *state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                usize::try_from(*state >> 33).unwrap() % count.max(1)
            }
        }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.of(from.len())].clone()
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "aa", ""];
const PATTERNS: [&str; 8] = ["^a", "b$", "^[ab]*$", "^.{2}$", "", "a|b", "^[0-9]+$", "^a?$"];
const FORMATS: [&str; 6] = ["date", "ipv4", "uuid", "email", "idn-email", "int32"];
const TYPES: [&str; 7] = ["object", "string", "integer", "array", "null", "boolean", "number"];

const REFERENCES: [&str; 3] = ["#/$defs/x", "#/$defs/y", "#"];

/// The draft of random schemas.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Draft {
    Seven,
    Newest,
}

fn constants() -> Vec<Value> {
    let Value::Array(all) = json!([
        null, true, false, 0, 1, 2, -1, 0.5, 1.5, 3, 10, "", "a", "b", "ab", "aa", "1", "aaa", [], [1], [1, 1], [1, 2], ["a"], [[]], {},
        {"a": 1}, {"b": "a"}, {"a": "a", "b": null}, "2024-02-29", "127.0.0.1", "a@example.org", "é@example.org", 3_000_000_000_u64, 1e300,
    ]) else {
        return Vec::new();
    };
    all
}

/// Makes a schema with definitions.
pub fn schema(choices: &mut Choices<'_>, draft: Draft) -> Value {
    // In one place, a reference does not lead back to it.
    let mut root = inner(choices, draft, 3, &REFERENCES[..2]);
    if let Value::Object(map) = &mut root {
        let definitions: Map<String, Value> = [("x", &REFERENCES[1..2]), ("y", &[])]
            .into_iter()
            .map(|(name, references)| (name.to_owned(), inner(choices, draft, 2, references)))
            .collect();
        map.insert("$defs".to_owned(), definitions.into());
        if draft == Draft::Newest {
            map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        }
    }
    root
}

fn inner(choices: &mut Choices<'_>, draft: Draft, depth: usize, references: &[&str]) -> Value {
    if choices.of(14) == 13 {
        return Value::Bool(choices.of(3) != 0);
    }
    let mut map = Map::new();
    for _ in 0..=choices.of(3) {
        keyword(choices, draft, depth, references, &mut map);
    }
    map.into()
}

#[allow(clippy::too_many_lines)]
fn keyword(
    choices: &mut Choices<'_>,
    draft: Draft,
    depth: usize,
    references: &[&str],
    map: &mut Map<String, Value>,
) {
    let is_newest = draft == Draft::Newest;
    let number = |choices: &mut Choices<'_>| {
        choices.pick(&[json!(0), json!(1), json!(2), json!(-1), json!(0.5), json!(1.5), json!(3)])
    };
    let (name, value) = match choices.of(if depth == 0 { 16 } else { 44 }) {
        0 => ("type", json!(choices.pick(&TYPES))),
        1 => ("type", json!([choices.pick(&TYPES[..3]), choices.pick(&TYPES[3..])])),
        2 => ("const", choices.pick(&constants())),
        3 => ("enum", (0..=choices.of(3)).map(|_| choices.pick(&constants())).collect()),
        4 => ("minimum", number(choices)),
        5 => ("maximum", number(choices)),
        6 => ("exclusiveMinimum", number(choices)),
        7 => ("exclusiveMaximum", number(choices)),
        8 => ("multipleOf", choices.pick(&[json!(1), json!(2), json!(3), json!(0.5), json!(1.5)])),
        9 => ("minLength", choices.of(4).into()),
        10 => ("maxLength", choices.of(4).into()),
        11 => ("pattern", json!(choices.pick(&PATTERNS))),
        12 => ("format", json!(choices.pick(&FORMATS))),
        13 => ("required", json!(names(choices))),
        14 => ("minProperties", choices.of(4).into()),
        15 => ("maxProperties", choices.of(4).into()),
        16..=20 => ("properties", members(choices, draft, depth, &NAMES, &REFERENCES)),
        21 => ("patternProperties", members(choices, draft, depth, &PATTERNS, &REFERENCES)),
        22 => ("additionalProperties", false.into()),
        23 => ("additionalProperties", inner(choices, draft, depth - 1, &REFERENCES)),
        24 => ("propertyNames", inner(choices, draft, depth - 1, &REFERENCES)),
        25 => ("minItems", choices.of(4).into()),
        26 => ("maxItems", choices.of(4).into()),
        27 => ("uniqueItems", true.into()),
        28 => ("items", inner(choices, draft, depth - 1, &REFERENCES)),
        29 if is_newest => ("prefixItems", list(choices, draft, depth, &REFERENCES)),
        29 => {
            map.insert("additionalItems".to_owned(), inner(choices, draft, depth - 1, &REFERENCES));
            ("items", list(choices, draft, depth, &REFERENCES))
        }
        30 => ("contains", inner(choices, draft, depth - 1, &REFERENCES)),
        31 if is_newest => {
            map.insert("maxContains".to_owned(), choices.of(3).into());
            map.insert("minContains".to_owned(), choices.of(3).into());
            ("contains", inner(choices, draft, depth - 1, &REFERENCES))
        }
        31 | 32 if is_newest => ("dependentSchemas", members(choices, draft, depth, &NAMES, references)),
        31 | 32 => ("dependencies", members(choices, draft, depth, &NAMES, references)),
        33 | 34 => ("allOf", list(choices, draft, depth, references)),
        35 | 36 => ("anyOf", list(choices, draft, depth, references)),
        37 | 38 => ("oneOf", list(choices, draft, depth, references)),
        39 => ("not", inner(choices, draft, depth - 1, references)),
        40 => {
            map.insert("then".to_owned(), inner(choices, draft, depth - 1, references));
            map.insert("else".to_owned(), inner(choices, draft, depth - 1, references));
            ("if", inner(choices, draft, depth - 1, references))
        }
        41 if is_newest => {
            ("unevaluatedProperties", choices.pick(&[json!(false), json!({"type": "string"})]))
        }
        42 if is_newest => ("unevaluatedItems", choices.pick(&[json!(false), json!({"type": "string"})])),
        _ if references.is_empty() => ("type", json!("string")),
        _ => ("$ref", json!(choices.pick(references))),
    };
    map.insert(name.to_owned(), value);
}

fn names(choices: &mut Choices<'_>) -> Vec<&'static str> {
    let mut names: Vec<_> = (0..=choices.of(2)).map(|_| choices.pick(&NAMES)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn members(
    choices: &mut Choices<'_>,
    draft: Draft,
    depth: usize,
    names: &[&str],
    references: &[&str],
) -> Value {
    let count = choices.of(3) + 1;
    (0..count)
        .map(|_| (choices.pick(names).to_owned(), inner(choices, draft, depth - 1, references)))
        .collect::<Map<_, _>>()
        .into()
}

fn list(choices: &mut Choices<'_>, draft: Draft, depth: usize, references: &[&str]) -> Value {
    (0..=choices.of(3)).map(|_| inner(choices, draft, depth - 1, references)).collect()
}

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
