//! Random schemas.

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

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
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

pub fn constants() -> Vec<Value> {
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
