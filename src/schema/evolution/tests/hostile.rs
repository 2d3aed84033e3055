//! Pairs that take much work end in bounded steps and bounded memory, and large ones that are ordinary are decided.

use serde_json::{Map, Value, json};

use super::cost::{MAX_ALLOCATIONS, MAX_BYTES, MAX_STEPS, cost, members, objects, texts};
use crate::schema::evolution::{
    Counts, Level, Obstruction, Verdict, Version, Work, budget::JUDGING_STEPS, compare, compare_counted,
    with_stack,
};

/// Definitions, each of which refers to the next one twice.
fn doubling(depth: usize, make: impl Fn(Value) -> Value, last: Value) -> Value {
    let mut definitions: Map<String, Value> = (0..depth)
        .map(|index| (format!("d{index}"), make(json!({"$ref": format!("#/definitions/d{}", index + 1)}))))
        .collect();
    definitions.insert(format!("d{depth}"), last);
    json!({"$ref": "#/definitions/d0", "definitions": definitions})
}

/// A formula of clauses of three members that are present or absent.
fn formula(variables: u64, clauses: u64, seed: u64) -> Value {
    let mut state = seed;
    let mut next = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let mut literal = || {
        let required = json!({"required": [format!("v{}", next(variables))]});
        if next(2) == 0 { required } else { json!({"not": required}) }
    };
    let clauses: Vec<_> = (0..clauses).map(|_| json!({"anyOf": [literal(), literal(), literal()]})).collect();
    json!({"type": "object", "allOf": clauses})
}

/// Pairs that take much work.
#[allow(clippy::too_many_lines)]
pub(super) fn pairs() -> Vec<(&'static str, Value, Value)> {
    let text = json!({"type": "string"});
    let number = json!({"type": "number"});
    let deep =
        |inner: Value| (0..28).fold(inner, |inner, _| json!({"properties": {"a": inner}, "required": ["a"]}));
    let nots = |inner: Value| (0..61).fold(inner, |inner, _| json!({"not": inner}));
    vec![
        (
            "many values against a pattern",
            json!({"type": "string", "pattern": "^a[0-9]+$"}),
            json!({"enum": texts(40_000, "a")}),
        ),
        (
            "a pattern against many values",
            json!({"enum": texts(40_000, "a")}),
            json!({"type": "string", "pattern": "^a[0-9]{1,4}$"}),
        ),
        (
            "many lists of values",
            json!({"not": {"anyOf": objects(3_000, |index| json!({"enum": [index, 2 * index, 3 * index]}))}}),
            json!({"type": "integer", "minimum": 0, "maximum": 5_000}),
        ),
        (
            "values with many characters",
            json!({"enum": (0..8_000).filter_map(|index| char::from_u32(0x4e00 + index)).map(|it| it.to_string()).collect::<Vec<_>>()}),
            json!({"type": "string", "pattern": r"^\w\w?$"}),
        ),
        (
            "many patterns",
            json!({"type": "string", "allOf": objects(115, |index| json!({"pattern": format!("a.{{{index}}}b")}))}),
            json!({"type": "string", "allOf": objects(115, |index| json!({"pattern": format!("b.{{{index}}}a")}))}),
        ),
        (
            "patterns that count",
            json!({"type": "string", "not": {"pattern": "^(?:[ab]*a[ab]{12})$"}}),
            json!({"type": "string", "allOf": objects(14, |index| json!({"pattern": format!("^(?:[ab]*b[ab]{{{index}}}|c)$")}))}),
        ),
        (
            "many patterns of names",
            json!({"patternProperties": members(300, "x", &text)}),
            json!({"patternProperties": members(300, "y", &number)}),
        ),
        (
            "a large object from doubling references",
            doubling(50, |next| json!({"properties": {"a": next, "b": next}}), json!(false)),
            doubling(
                50,
                |next| json!({"required": ["a", "b"], "properties": {"a": next, "b": next}}),
                text.clone(),
            ),
        ),
        (
            "doubling references in one place",
            doubling(
                12,
                |next| json!({"anyOf": [{"allOf": [next, {"maxLength": 9}]}, {"allOf": [next, {"minLength": 2}]}]}),
                json!({"pattern": "^a"}),
            ),
            doubling(
                12,
                |next| json!({"oneOf": [{"allOf": [next, {"maxLength": 8}]}, {"allOf": [next, {"minLength": 3}]}]}),
                json!({"pattern": "^b"}),
            ),
        ),
        ("a formula without a solution", json!({"not": formula(60, 330, 1)}), formula(60, 330, 2)),
        (
            "many alternatives",
            json!({"oneOf": objects(1_200, |index| json!({"required": ["t"], "properties": {"t": {"const": index}, "a": {"minLength": 3}}}))}),
            json!({"oneOf": objects(1_200, |index| json!({"required": ["t"], "properties": {"t": {"const": index}, "a": {"minLength": 2 + index % 3}}}))}),
        ),
        (
            "alternatives that are not exclusive",
            json!({"oneOf": objects(2_000, |index| json!({"minimum": index}))}),
            json!({"oneOf": objects(2_000, |index| json!({"maximum": index}))}),
        ),
        (
            "small multiples",
            json!({"multipleOf": 3e-300}),
            json!({"multipleOf": 1e-300, "exclusiveMinimum": 0}),
        ),
        (
            "multiples without a small common one",
            json!({"not": {"multipleOf": 7}}),
            json!({"allOf": objects(2_000, |index| json!({"multipleOf": 2 * index + 1_000_003}))}),
        ),
        (
            "numbers that are no multiples",
            json!({"anyOf": objects(3_000, |index| json!({"multipleOf": 1.0 + index as f64 / 1_024.0}))}),
            json!({"type": "number", "minimum": 1}),
        ),
        (
            "a huge text",
            json!({"maxLength": 1_000_000_000}),
            json!({"type": "string", "minLength": 2_000_000_000}),
        ),
        (
            "a long text of patterns",
            json!({"not": {"pattern": "^(?:abc)*$"}}),
            json!({"type": "string", "minLength": 90_001, "pattern": "^(?:ab|bc|ca)*c?$"}),
        ),
        (
            "long texts in many members",
            json!({"maxProperties": 3}),
            json!({"type": "object", "required": texts(2_000, "m"), "additionalProperties": {"type": "string", "minLength": 90_000}}),
        ),
        (
            "deep nesting",
            deep(json!({"not": {"type": "string"}})),
            deep(json!({"type": ["string", "number"]})),
        ),
        ("deep negation", nots(text.clone()), nots(number.clone())),
        (
            "many members",
            json!({"properties": members(4_000, "a", &text), "additionalProperties": false}),
            json!({"properties": members(4_000, "b", &text), "minProperties": 900}),
        ),
        (
            "many demands of names",
            json!({"anyOf": objects(800, |index| json!({"propertyNames": {"minLength": index + 2}}))}),
            json!({"type": "object", "properties": members(800, "b", &text)}),
        ),
        (
            "many positions, two of which are equal",
            json!({"uniqueItems": true}),
            json!({"items": objects(3_000, |index| json!({"const": index})), "additionalItems": false, "type": "array", "minItems": 3_000}),
        ),
        (
            "many different elements",
            json!({"maxItems": 3}),
            json!({"type": "array", "uniqueItems": true, "minItems": 900, "items": {"type": "array", "uniqueItems": true, "minItems": 30}}),
        ),
        (
            "many elements that are asked for",
            json!({"allOf": objects(60, |index| json!({"not": {"contains": {"const": index}}}))}),
            json!({"type": "array", "items": {"minimum": 0}, "allOf": objects(60, |index| json!({"contains": {"enum": [index, index + 1]}}))}),
        ),
        (
            "evaluated members of many branches",
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema", "unevaluatedProperties": false,
                "allOf": objects(9, |index| json!({"$ref": format!("#/$defs/a{index}")})),
                "$defs": (0..9).map(|index| (format!("a{index}"), json!({"anyOf": [{"properties": members(200, &format!("p{index}"), &text)}, {"properties": members(200, "q", &text)}]}))).collect::<Map<_, _>>(),
            }),
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "properties": members(900, "p1", &text), "additionalProperties": false}),
        ),
        (
            "many references that depend on where they are reached from",
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "properties": members(250, "a", &json!({"$dynamicRef": "#n"})),
                "$defs": {"base": {"$dynamicAnchor": "n", "type": "string"}, "two": {"$id": "two", "$dynamicAnchor": "n"}},
            }),
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "properties": members(250, "a", &text)}),
        ),
    ]
}

#[test]
fn hostile_pairs_end_in_bounded_work() {
    for (name, old, new) in pairs() {
        for level in [Level::ConsumerSafe, Level::Backward] {
            let cost = cost(&old, &new, level);

            assert!(cost.steps <= MAX_STEPS, "{name}: {} steps", cost.steps);
            assert!(cost.bytes <= MAX_BYTES, "{name}: {} bytes", cost.bytes);
            assert!(cost.allocations <= MAX_ALLOCATIONS, "{name}: {} allocations", cost.allocations);
        }
    }
}

/// More steps of the solver than any brief comparison in one direction may take.
const MAX_BRIEF_STEPS: u64 = 260_000;

#[test]
fn brief_work_on_hostile_pairs_ends_early_and_decides_alike() {
    let (mut decided, mut given_up) = (0, 0);
    for (name, old, new) in pairs() {
        let [old, new] = [&old, &new].map(|schema| Version::new(schema, true).unwrap());
        for level in [Level::ConsumerSafe, Level::Backward] {
            let (brief, counts) = with_stack(|| compare_counted(&old, &new, level, Work::Brief)).unwrap();

            assert!(counts.steps <= MAX_BRIEF_STEPS, "{name}: {counts:?}");
            match brief {
                None => given_up += 1,
                Some(brief) => {
                    decided += 1;
                    assert_eq!(brief, compare(&old, &new, level), "{name} {level}");
                }
            }
        }
    }
    assert!(decided > 10 && given_up > 10, "{decided} {given_up}");
}

fn counted(old: &Value, new: &Value, level: Level, work: Work) -> (Option<Verdict>, Counts) {
    let [old, new] = [old, new].map(|schema| Version::new(schema, true).unwrap());
    with_stack(|| compare_counted(&old, &new, level, work)).unwrap()
}

/// A schema with which one payload of 150 members takes a million steps of a validator.
fn judges_again_and_again() -> Value {
    let members = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let doubled = doubling(13, |next| json!({"allOf": [next, next]}), members);
    json!({
        "type": "object", "allOf": [{"$ref": "#/definitions/d0"}, {"required": texts(150, "m")}],
        "definitions": doubled["definitions"],
    })
}

#[test]
fn a_payload_is_made_small_within_bounded_work() {
    let old =
        json!({"type": "object", "required": texts(150, "m"), "properties": {"m0": {"type": "integer"}}});
    let new = judges_again_and_again();

    let (full, counts) = counted(&old, &new, Level::Strict, Work::Full);
    let (brief, brief_counts) = counted(&old, &new, Level::Strict, Work::Brief);

    assert!(matches!(full, Some(Verdict::Breaking(_))), "{full:?}");
    assert_eq!(counts.judged, JUDGING_STEPS);
    assert_eq!(brief, None, "a payload is not smaller since the work is to be brief");
    assert!(brief_counts.judged < JUDGING_STEPS / 10, "{brief_counts:?}");
}

/// A pair where only the validators know that each of 199 values is permitted. One value takes more than `20 * 2^depth` steps.
fn expensive_values(depth: usize) -> (Value, Value) {
    let texts_only = json!({"items": {"type": "string"}});
    let mut new = doubling(depth, |next| json!({"allOf": [next, next]}), texts_only);
    new["allOf"] = json!([{"$ref": new["$ref"].take()}]);
    new.as_object_mut().unwrap().remove("$ref");
    new["enum"] = (0..199).map(|index| vec![format!("m{index}"); 20]).collect();
    let old = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "items": {"$dynamicRef": "#n"},
        "$defs": {"base": {"$dynamicAnchor": "n", "type": "string"}, "two": {"$id": "two", "$dynamicAnchor": "n"}},
    });
    (old, new)
}

#[test]
fn few_values_are_tried_within_bounded_work() {
    let [cheap, expensive] = [4, 13].map(|depth| {
        let (old, new) = expensive_values(depth);
        counted(&old, &new, Level::Strict, Work::Full)
    });

    let (verdict, counts) = cheap;
    assert_eq!(verdict, Some(Verdict::Safe));
    assert!(counts.judged < JUDGING_STEPS, "{counts:?}");
    let (verdict, counts) = expensive;
    let Some(Verdict::NotDecided { places }) = verdict else { panic!("{verdict:?}") };
    assert_eq!(places.first(), Some(&Obstruction::Steps), "{places:?}");
    assert_eq!(counts.judged, JUDGING_STEPS);
}

#[test]
fn large_enumerations_are_decided() {
    let text = |count| json!({"type": "object", "properties": {"country": {"enum": texts(count, "v")}}});
    let numbers = |count: usize| json!({"items": {"enum": (0..count).collect::<Vec<_>>()}});
    let described = |count: usize| json!({"properties": {"a": {"oneOf": objects(count, |index| json!({"const": index, "title": "t"}))}}});

    for (smaller, larger) in [
        (text(250), text(251)),
        (text(50_000), text(50_001)),
        (numbers(49_999), numbers(50_000)),
        (described(4_000), described(4_001)),
    ] {
        for (old, new, verdict) in
            [(&smaller, &larger, "breaking"), (&larger, &smaller, "safe"), (&larger, &larger.clone(), "safe")]
        {
            assert_eq!(cost(old, new, Level::ConsumerSafe).verdict, verdict);
        }
    }
}

#[test]
fn work_grows_with_the_size_of_an_enumeration_not_with_its_square() {
    let pair = |count| {
        let old = json!({"type": "object", "properties": {"a": {"enum": texts(count, "v")}, "b": {"enum": texts(count, "w")}}});
        let mut new = old.clone();
        new["properties"]["b"]["enum"][0] = json!("x");
        (old, new)
    };

    let [one, four] = [5_000, 20_000].map(|count| {
        let (old, new) = pair(count);
        cost(&old, &new, Level::Strict)
    });

    assert_eq!([one.verdict, four.verdict], ["breaking"; 2]);
    assert!(four.steps < one.steps * 6 && four.allocations < one.allocations * 6);
}

#[test]
fn work_grows_with_the_members_of_an_object_not_with_their_square() {
    let object = |count, kind: &str| {
        let required: Vec<_> = (0..count).map(|index| format!("m{index}")).collect();
        json!({"type": "object", "required": required, "properties": members(count, "m", &json!({"type": kind}))})
    };

    let [one, four] =
        [200, 800].map(|count| cost(&object(count, "number"), &object(count, "integer"), Level::Strict));

    assert_eq!([one.verdict, four.verdict], ["safe"; 2]);
    assert!(four.steps < one.steps * 6, "{} and {} steps", one.steps, four.steps);
    assert!(four.allocations < one.allocations * 6, "{} and {}", one.allocations, four.allocations);
}

#[test]
fn many_patterns_are_decided() {
    let all =
        |count| json!({"anyOf": objects(count, |index| json!({"pattern": format!("^{index}-[a-z]+$")}))});
    let names = |count| json!({"additionalProperties": false, "patternProperties": (0..count).map(|index| (format!("^x-{index}$"), json!({"type": "string"}))).collect::<Map<_, _>>()});

    assert_eq!(cost(&all(40), &all(41), Level::Strict).verdict, "breaking");
    assert_eq!(cost(&all(41), &all(40), Level::Strict).verdict, "safe");
    assert_eq!(cost(&names(20), &names(21), Level::Strict).verdict, "breaking");
    assert_eq!(cost(&names(21), &names(20), Level::Strict).verdict, "safe");
}
