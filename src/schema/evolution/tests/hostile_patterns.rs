//! Pairs with many patterns end in bounded steps and bounded memory.

use serde_json::{Map, Value, json};

use super::cost::{MAX_ALLOCATIONS, MAX_BYTES, MAX_STEPS, cost, members, objects, texts};
use crate::schema::evolution::Level;

/// `patternProperties` of so many patterns, each with another bound.
fn patterns(count: usize, pattern: impl Fn(usize) -> String) -> Value {
    let of = |index: usize| (pattern(index), json!({"minimum": index}));
    json!({"patternProperties": (0..count).map(of).collect::<Map<_, _>>()})
}

fn with(mut schema: Value, keyword: &str, value: Value) -> Value {
    schema[keyword] = value;
    schema
}

const NEWEST: &str = "https://json-schema.org/draft/2020-12/schema";

fn pairs() -> Vec<(String, Value, Value)> {
    let text = json!({"type": "string"});
    let mut pairs: Vec<(String, Value, Value)> = Vec::new();
    let mut add = |name: &str, old: Value, new: Value| pairs.push((name.to_owned(), old, new));
    let closed = |schema: Value| with(schema, "additionalProperties", json!({"type": "string"}));
    let counts = |count: usize| patterns(count, |it| format!("^a{{{}}}b*$", it + 1));
    let counts_too = |count: usize| closed(patterns(count, |it| format!("^a{{{}}}b*c?$", it + 1)));
    for count in [10, 24, 34, 59] {
        add(&format!("counters {count}"), counts(count), counts_too(count));
    }
    let prefixes = |count: usize| patterns(count, |it| format!("^k{it}"));
    let prefixes_too = |count: usize| closed(patterns(count, |it| format!("^k{it}.")));
    for count in [20, 30, 60] {
        add(&format!("prefixes {count}"), prefixes(count), prefixes_too(count));
    }
    let common = |count: usize| patterns(count, |it| format!("^common-prefix-of-names-{}", "x".repeat(it)));
    add("a common prefix", common(60), closed(common(59)));
    let independent =
        |count: usize| patterns(count, |it| char::from(b'A' + it as u8 + 6 * (it as u8 / 26)).to_string());
    for count in [8, 12, 30] {
        add(&format!("independent {count}"), independent(count), closed(independent(count - 1)));
    }
    let alternations = |count: usize, last: &str| {
        patterns(count, |it| format!("^(?:a{{{}}}|b{{{}}}|(?:ab|ba){{{}}}){last}$", it + 1, it + 2, it + 1))
    };
    add("alternations", alternations(40, ""), closed(alternations(40, "c?")));
    let wide = |count: usize, one: char| patterns(count, |it| format!("^(?:[ab]*{one}[ab]{{{it}}})$"));
    add("patterns that remember", wide(30, 'a'), closed(wide(30, 'b')));
    let alphabets = |count: usize, last: &str| {
        patterns(count, |it| format!(r"^[\p{{L}}\p{{N}}]{{{}}}{last}$", 1 + it / 2))
    };
    add("large alphabets", alphabets(20, ""), closed(alphabets(20, r"\p{P}?")));
    let long = |count: usize, last: &str| patterns(count, |it| format!("^(?:.{{{}}}){last}$", 20 + it));
    add("long", long(60, ""), closed(long(60, "x")));
    add(
        "nested",
        with(counts(20), "additionalProperties", counts(20)),
        with(counts_too(20), "additionalProperties", counts_too(20)),
    );
    add(
        "recursive",
        json!({"patternProperties": (1..40).map(|it| (format!("^a{{{it}}}b*$"), json!({"$ref": "#"}))).collect::<Map<_, _>>(), "additionalProperties": {"type": "string"}}),
        json!({"patternProperties": (1..40).map(|it| (format!("^a{{{it}}}b*c?$"), json!({"$ref": "#"}))).collect::<Map<_, _>>(), "additionalProperties": {"type": "integer"}}),
    );
    let dialect = |schema: Value| {
        with(with(schema, "$schema", json!(NEWEST)), "unevaluatedProperties", json!({"type": "string"}))
    };
    add(
        "unevaluated",
        dialect(
            json!({"anyOf": objects(4, |it| patterns(12, |index| format!("^{}{{{index}}}b*$", char::from(b'c' + it as u8))))}),
        ),
        dialect(
            json!({"anyOf": objects(4, |it| patterns(12, |index| format!("^{}{{{index}}}b*c?$", char::from(b'c' + it as u8))))}),
        ),
    );
    let names = |last: &str, count: usize| json!({"type": "object", "minProperties": 3, "propertyNames": {"anyOf": objects(count, |it| json!({"pattern": format!("^a{{{it}}}b*{last}$")}))}});
    add("names", names("", 60), names("c?", 60));
    let names = |last: &str, count: usize| json!({"type": "object", "minProperties": 3, "propertyNames": {"not": {"anyOf": objects(count, |it| json!({"pattern": format!("^a{{{it}}}b*{last}$")}))}}});
    add("names that are excluded", names("", 60), names("c?", 60));
    add(
        "members of patterns",
        with(counts(30), "maxProperties", json!(600)),
        with(counts_too(30), "minProperties", json!(700)),
    );
    add(
        "members of prefixes",
        with(prefixes(30), "maxProperties", json!(600)),
        with(with(prefixes_too(30), "minProperties", json!(700)), "propertyNames", json!({"pattern": "^k"})),
    );
    let each = |last: &str| json!({"type": "object", "allOf": objects(30, |it| json!({"patternProperties": {format!("^a{{{it}}}b*{last}$"): {"minimum": it}}, "additionalProperties": {"maximum": 1000 - it}}))});
    add("an object for each pattern", each(""), each("c?"));
    let one_of = |last: &str| json!({"oneOf": objects(20, |it| json!({"required": ["t"], "patternProperties": {"^t$": {"const": it}, format!("^a{{{it}}}b*{last}$"): {"minimum": it}}, "additionalProperties": {"maximum": 1000 - it}}))});
    add("alternatives with patterns", one_of(""), one_of("c?"));
    let negated = |last: &str| json!({"not": {"anyOf": objects(20, |it| json!({"patternProperties": {format!("^a{{{it}}}b*{last}$"): {"minimum": it}}, "additionalProperties": false}))}});
    add("refused objects with patterns", negated(""), negated("c?"));
    let arrays = |count: usize| {
        (0..4).fold(text.clone(), |inner, _| json!({"type": "array", "minItems": count, "items": inner}))
    };
    add("long arrays of long arrays", text.clone(), arrays(300));
    add("arrays", json!({"maxItems": 3}), arrays(50));
    add(
        "objects of objects",
        json!({"maxProperties": 3}),
        (0..4).fold(
            text.clone(),
            |inner, _| json!({"type": "object", "required": texts(100, "m"), "additionalProperties": inner}),
        ),
    );
    add(
        "long names",
        json!({"maxProperties": 3}),
        json!({"type": "array", "minItems": 900, "items": {"type": "object", "required": (0..20).map(|it| "x".repeat(2000 + it)).collect::<Vec<_>>()}}),
    );
    add(
        "long texts in long arrays",
        json!({"maxItems": 3}),
        json!({"type": "array", "minItems": 900, "items": {"type": "array", "minItems": 9, "items": {"type": "string", "minLength": 9_000}}}),
    );
    add(
        "long constants",
        json!({"maxItems": 3}),
        json!({"type": "array", "minItems": 900, "items": {"enum": ["x".repeat(90_000)]}}),
    );
    add(
        "different texts",
        json!({"maxItems": 3}),
        json!({"type": "array", "minItems": 900, "uniqueItems": true, "items": {"type": "string", "minLength": 900}}),
    );
    add(
        "names of members",
        json!({"properties": members(4_000, "a", &text), "patternProperties": counts(30)["patternProperties"]}),
        json!({"properties": members(4_000, "a", &text), "patternProperties": counts_too(30)["patternProperties"], "additionalProperties": false, "minProperties": 900}),
    );
    let medium = |last: &str| json!({"$schema": "http://json-schema.org/draft-07/schema#", "properties": (0..1_500).map(|it| (format!("m{it}"), json!({"contentMediaType": format!("a/{it}{last}")}))).collect::<Map<_, _>>()});
    add("many media types", medium(""), medium("x"));
    let levels = |count: usize| {
        let next = |it: usize| json!({"required": ["a"], "properties": {"a": {"$ref": format!("#/definitions/d{}", (it + 1) % count)}}});
        json!({"$ref": "#/definitions/d0", "definitions": (0..count).map(|it| (format!("d{it}"), next(it))).collect::<Map<_, _>>()})
    };
    let mut wide = json!({"properties": members(4_000, "name-of-a-member", &text)});
    wide["properties"]["a"] = json!({"$ref": "#"});
    add("many alternatives in each level", wide, levels(110));
    let key = "x".repeat(100_000);
    add(
        "long names of places",
        json!({"properties": {key.clone(): {"items": false}}}),
        json!({"type": "object", "required": [key.clone()], "properties": {key: {"type": "array", "minItems": 900}}}),
    );
    pairs
}

#[test]
fn many_patterns_end_in_bounded_work() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, old, new) in
        pairs().into_iter().chain(super::hostile::pairs().into_iter().map(|(a, b, c)| (a.to_owned(), b, c)))
    {
        if !name.contains(&only) {
            continue;
        }
        for level in [Level::ConsumerSafe, Level::Backward] {
            let start = std::time::Instant::now();
            let cost = cost(&old, &new, level);
            let time = start.elapsed().as_millis();
            let line = format!(
                "{name:40} {level:12} {:12} {:>8} steps {:>5} MiB {:>9} allocations {time:>6} ms",
                cost.verdict,
                cost.steps,
                cost.bytes >> 20,
                cost.allocations
            );
            eprintln!("{line}");
            if cost.steps > MAX_STEPS || cost.bytes > MAX_BYTES || cost.allocations > MAX_ALLOCATIONS {
                failed.push(line)
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
