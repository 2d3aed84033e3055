//! Pairs with many patterns, and pairs whose payloads are large, end in bounded steps and bounded memory.

use serde_json::{Map, Value, json};

use super::cost::{MAX_ALLOCATIONS, MAX_BYTES, MAX_STEPS, cost, members, objects, texts};
use crate::schema::evolution::{
    Counts, Level, Version, Work, budget::Budgets, compare, compare_one, not_compared, with_stack,
};

const NEWEST: &str = "https://json-schema.org/draft/2020-12/schema";

/// More bytes than a comparison may leave behind, beside its verdict.
const MAX_REST: i64 = 64 * 1024;

/// A pair of schemas with its name.
type Pair = (&'static str, Value, Value);

/// `patternProperties` of so many patterns, each with another bound.
fn patterns(count: usize, pattern: impl Fn(usize) -> String) -> Value {
    let bound = |index: usize| (pattern(index), json!({"minimum": index}));
    json!({"patternProperties": (0..count).map(bound).collect::<Map<_, _>>()})
}

fn with(mut schema: Value, keyword: &str, value: Value) -> Value {
    schema[keyword] = value;
    schema
}

/// With a schema of all members that no pattern names.
fn rest(schema: Value) -> Value {
    with(schema, "additionalProperties", json!({"type": "string"}))
}

/// Patterns that count, with something at their ends.
fn counters(count: usize, end: &str) -> Value {
    patterns(count, |index| format!("^a{{{}}}b*{end}$", index + 1))
}

/// Beginnings, with something behind them.
fn beginnings(count: usize, end: &str) -> Value {
    patterns(count, |index| format!("^k{index}{end}"))
}

/// Many patterns of names on both sides.
fn of_names() -> Vec<Pair> {
    let common = |count| patterns(count, |index| format!("^common-beginning-{}", "x".repeat(index)));
    let independent = |count: u8| {
        patterns(count.into(), |index| {
            u8::try_from(index).map(|index| char::from(b'a' + index)).unwrap_or('z').to_string()
        })
    };
    let alternations = |end| {
        let of = |it| format!("^(?:a{{{it}}}|b{{{}}}|(?:ab|ba){{{it}}}){end}$", it + 1);
        patterns(40, move |index| of(index + 1))
    };
    let remembering = |one| patterns(30, move |index| format!("^(?:[ab]*{one}[ab]{{{index}}})$"));
    let alphabets = |end| patterns(20, move |index| format!(r"^[\p{{L}}\p{{N}}]{{{}}}{end}$", 1 + index / 2));
    let long = |end| patterns(60, move |index| format!("^(?:.{{{}}}){end}$", 20 + index));
    let texts = |end: &str| {
        let of = |index| (format!("p{index}"), json!({"pattern": format!("^a{index}{end}$")}));
        json!({"properties": (0..660).map(of).collect::<Map<_, _>>()})
    };
    let repeating = |end: &str| {
        let of = |index| {
            let pattern = format!("^(?:[\u{100}-\u{101}{index}]|x{{1,22}}){{1,40}}{end}$");
            (format!("p{index}"), json!({"pattern": pattern}))
        };
        json!({"properties": (0..70).map(of).collect::<Map<_, _>>()})
    };
    vec![
        ("patterns of texts", texts("a"), texts("b")),
        ("repeating patterns of texts", repeating(""), repeating("b?")),
        ("34 counters", counters(34, ""), rest(counters(34, "c?"))),
        ("59 counters", counters(59, ""), rest(counters(59, "c?"))),
        ("60 beginnings", beginnings(60, ""), rest(beginnings(60, "."))),
        ("a common beginning", common(60), rest(common(59))),
        ("independent patterns", independent(20), rest(independent(19))),
        ("alternations", alternations(""), rest(alternations("c?"))),
        ("patterns that remember", remembering('a'), rest(remembering('b'))),
        ("large alphabets", alphabets(""), rest(alphabets(r"\p{P}?"))),
        ("long patterns", long(""), rest(long("x"))),
    ]
}

/// Many patterns together with other keywords.
fn of_other_keywords() -> Vec<Pair> {
    let nested = |end| with(counters(20, end), "additionalProperties", counters(20, end));
    let recursive = |end: &str, kind| {
        let each = |count: usize| (format!("^a{{{count}}}b*{end}$"), json!({"$ref": "#"}));
        let each = (1..40).map(each).collect::<Map<_, _>>();
        json!({"patternProperties": each, "additionalProperties": {"type": kind}})
    };
    let unevaluated = |end| {
        let of = |one: usize| {
            patterns(12, move |count| format!("^{}{{{count}}}b*{end}$", ["c", "d", "e", "f"][one]))
        };
        json!({"$schema": NEWEST, "anyOf": objects(4, of), "unevaluatedProperties": {"type": "string"}})
    };
    let any_name =
        |end| json!({"anyOf": objects(60, |count| json!({"pattern": format!("^a{{{count}}}b*{end}$")}))});
    let named = |end| json!({"type": "object", "minProperties": 3, "propertyNames": any_name(end)});
    let not_named =
        |end| json!({"type": "object", "minProperties": 3, "propertyNames": {"not": any_name(end)}});
    let one = |index: usize, end| {
        let one = json!({"patternProperties": {format!("^a{{{index}}}b*{end}$"): {"minimum": index}}});
        with(one, "additionalProperties", json!({"maximum": 1_000 - index}))
    };
    let all = |end| json!({"type": "object", "allOf": objects(30, |index| one(index, end))});
    let none = |end| json!({"not": {"anyOf": objects(20, |index| one(index, end))}});
    let mentioned =
        |end| with(counters(30, end), "properties", members(4_000, "a", &json!({"type": "string"})).into());
    vec![
        ("patterns in patterns", nested(""), nested("c?")),
        ("recursive patterns", recursive("", "string"), recursive("c?", "integer")),
        ("unevaluated members", unevaluated(""), unevaluated("c?")),
        ("names", named(""), named("c?")),
        ("names that are refused", not_named(""), not_named("c?")),
        ("objects of one pattern", all(""), all("c?")),
        ("refused objects of one pattern", none(""), none("c?")),
        (
            "members of beginnings",
            with(beginnings(30, ""), "maxProperties", json!(600)),
            with(rest(beginnings(30, ".")), "minProperties", json!(700)),
        ),
        (
            "patterns beside many names",
            mentioned(""),
            with(with(mentioned("c?"), "additionalProperties", json!(false)), "minProperties", json!(900)),
        ),
    ]
}

/// Payloads, or what is read of a schema, that are much larger than the schemas.
fn of_large_parts() -> Vec<Pair> {
    let few = json!({"maxItems": 3});
    let array = |count: usize, items| json!({"type": "array", "minItems": count, "items": items});
    let text = json!({"type": "string"});
    let long_names: Vec<_> = (0..20).map(|index| "x".repeat(2_000 + index)).collect();
    let media = |end: &str| {
        let of = |index| json!({"contentMediaType": format!("a/{index}{end}")});
        let all = (0..1_000).map(|index| (format!("m{index}"), of(index))).collect::<Map<_, _>>();
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "properties": all})
    };
    let cases = |kind| {
        let case = |index| json!({"properties": {format!("x{index}"): {"type": kind}}});
        let all = members(12_000, "name-", &json!(true));
        json!({"$schema": NEWEST, "properties": all, "anyOf": objects(4, case), "unevaluatedProperties": false})
    };
    let contents = |end| {
        let text = format!("{}{end}", "x".repeat(50_000));
        json!({
            "$schema": NEWEST, "properties": members(200, "a", &json!({"$dynamicRef": "#n"})),
            "$defs": {"base": {"$dynamicAnchor": "n", "description": text}, "two": {"$id": "two", "$dynamicAnchor": "n"}},
        })
    };
    let name = "x".repeat(100_000);
    vec![
        ("long arrays in long arrays", text.clone(), (0..4).fold(text.clone(), |inner, _| array(300, inner))),
        (
            "large objects in large objects",
            json!({"maxProperties": 3}),
            (0..4).fold(text.clone(), |inner, _| json!({"type": "object", "required": texts(100, "m"), "additionalProperties": inner})),
        ),
        ("long names", few.clone(), array(900, json!({"type": "object", "required": long_names}))),
        ("long texts", few.clone(), array(900, array(9, json!({"type": "string", "minLength": 9_000})))),
        ("a long value again and again", few.clone(), array(900, json!({"enum": ["x".repeat(90_000)]}))),
        ("a long value", few.clone(), json!({"const": vec![0; 100_000]})),
        ("different texts", few, with(array(600, json!({"type": "string", "minLength": 600})), "uniqueItems", json!(true))),
        ("many media types", media(""), media("x")),
        ("many cases with many members", cases("string"), cases("number")),
        ("many references to a long text", contents("a"), contents("b")),
        (
            "places with long names",
            json!({"properties": {name.clone(): {"items": false}}}),
            json!({"type": "object", "required": [name.clone()], "properties": {name: array(900, json!({}))}}),
        ),
    ]
}

fn end_in_bounded_work(pairs: Vec<Pair>) {
    for (name, old, new) in pairs {
        for level in [Level::ConsumerSafe, Level::Backward] {
            let cost = cost(&old, &new, level);

            assert!(cost.steps <= MAX_STEPS, "{name} {level}: {} steps", cost.steps);
            assert!(cost.bytes <= MAX_BYTES, "{name} {level}: {} bytes", cost.bytes);
            assert!(cost.allocations <= MAX_ALLOCATIONS, "{name} {level}: {} allocations", cost.allocations);
        }
    }
}

#[test]
fn many_patterns_of_names_end_in_bounded_work() {
    end_in_bounded_work(of_names());
}

#[test]
fn patterns_beside_other_keywords_end_in_bounded_work() {
    end_in_bounded_work(of_other_keywords());
}

#[test]
fn large_payloads_end_in_bounded_memory() {
    end_in_bounded_work(of_large_parts());
}

#[test]
fn a_comparison_keeps_nothing_but_its_verdict() {
    let pairs = [of_names().swap_remove(0), of_large_parts().swap_remove(0)];
    for (name, old, new) in pairs {
        let [old, new] = [&old, &new].map(|schema| Version::new(schema, true).unwrap());

        let allocated = with_stack(|| {
            allocation_counter::measure(|| {
                let budgets = Budgets::of(Work::Full, 0);
                drop(compare_one(&old, &new, Level::Backward, &budgets, &mut Counts::default()));
            })
        });

        let kept = allocated.unwrap().bytes_current;
        assert!(kept <= MAX_REST, "{name}: {kept} bytes");
    }
}

#[test]
fn versions_with_too_many_patterns_are_not_compared() {
    let of = |end: &'static str| {
        let pattern = move |index| (format!("p{index}"), json!({"pattern": format!("^a{index}{end}$")}));
        json!({"properties": (0..1_000).map(pattern).collect::<Map<_, _>>()})
    };
    let (large, other) = (of("a"), json!({"type": "string"}));
    let [large, other] = [&large, &other].map(|schema| Version::new(schema, true).unwrap());

    for (old, new) in [(&large, &other), (&other, &large)] {
        assert_eq!(compare(old, new, Level::Strict), not_compared());
    }
}
