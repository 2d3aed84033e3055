//! What judging a payload may cost has a bound: beyond it less is reported, or the judgement is given up.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use svix_operator::schema::{Compiled, Effort, Findings, Payload, parse};

use crate::support::hostile;

/// A hundred thousand objects, none of which has what ten keys ask for: jsonschema collects all violations before it
/// tells the first, which takes more than a hundred megabytes here.
fn hostile() -> Value {
    parse(format!(r#"{{"a":[{}{{}}]}}"#, "{},".repeat(100_000)).as_bytes()).unwrap()
}

fn items() -> Value {
    let names: Vec<String> = (0..10).map(|i| format!("k{i}")).collect();
    json!({"items": {"required": names}})
}

#[test]
fn a_million_violations_report_the_first_only() {
    let compiled = Compiled::new(&json!({"properties": {"a": items()}}), true).unwrap();
    let (reported, more) = compiled.violations(&hostile());
    assert_eq!((reported.len(), more), (2, 0), "{reported:?}");
    assert!(reported[0].message.starts_with("found no \"k"), "{reported:?}");
    assert!(reported[1].message.contains("too large a payload to say what else"), "{reported:?}");
}

#[test]
fn multiplying_alternatives_report_no_violations() {
    let alternatives = json!({"properties": {"a": {"anyOf": [items(), items()]}}});
    let (reported, _) = Compiled::new(&alternatives, true).unwrap().violations(&hostile());
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert!(reported[0].message.contains("too large to say where"), "{reported:?}");
}

#[test]
fn too_many_enum_comparisons_are_refused() {
    let numbers: Vec<f64> = (0..60_000).map(|i| f64::from(i) + 0.5).collect();
    let compiled = Compiled::new(&json!({"properties": {"a": {"items": {"enum": numbers}}}}), true).unwrap();
    let payload = parse(format!(r#"{{"a":[{}59999.5]}}"#, "59999.5,".repeat(8_000)).as_bytes()).unwrap();
    let (reported, _) = compiled.violations(&payload);
    assert!(reported[0].message.contains("more than 40000000 steps"), "{reported:?}");
    assert!(reported[0].pointer.starts_with("/a/"), "{reported:?}");
    let (reported, _) = compiled.violations(&json!({"a": [1]}));
    assert!(reported[0].message.starts_with("found 1, expected one of 0.5"), "{reported:?}");
}

/// Judges a payload within an effort, and prints what it took.
fn judge(name: &str, schema: &Value, text: &str, effort: &Effort) -> Findings {
    let begun = Instant::now();
    let compiled = Compiled::new(schema, true).unwrap();
    let compile = begun.elapsed();
    let begun = Instant::now();
    let payload = Payload::parse(text.as_bytes()).unwrap();
    let read = begun.elapsed();
    let begun = Instant::now();
    let findings = compiled.judge_within(&payload, effort);
    println!(
        "{name}: compiled in {compile:.0?}, read in {read:.0?}, judged in {:.0?}, {} steps, given up: {}",
        begun.elapsed(),
        findings.steps,
        findings.is_given_up
    );
    findings
}

fn list(item: &str, times: usize) -> String {
    format!("[{}{item}]", format!("{item},").repeat(times - 1))
}

/// Definitions, each of which refers twice to the one before, and a reference to the last one.
fn doubling(levels: u32, leaf: &Value) -> Value {
    let definitions = hostile::doubling(levels, leaf);
    json!({"allOf": [{"$ref": format!("#/definitions/d{levels}")}], "definitions": definitions})
}

/// Schemas within the limits, and payloads of up to a megabyte, which would take seconds.
fn attacks() -> Vec<(&'static str, Value, String)> {
    let media: Vec<_> = (0..4_900).map(|_| json!({"contentMediaType": "application/json"})).collect();
    let text = json!({"a": list("1", 200_000)}).to_string();
    let numbers: Vec<String> = (0..150_000).map(|i| (i * 7).to_string()).collect();
    let numbers = format!("[{}]", numbers.join(","));
    let not: Vec<_> = (0..4_898).map(|i| json!({"not": {"const": i}})).collect();
    let hash: Vec<String> = nested(11).into_iter().take(30_000).collect();
    let with = |schema: Value| json!({"properties": {"a": schema}});
    let items = |leaf: &Value| {
        let all = doubling(14, leaf);
        json!({"items": {"allOf": all["allOf"]}, "definitions": all["definitions"]})
    };
    // One part of an `anyOf` is decided after the other.
    let of_long = |leaf: &Value| {
        let all = doubling(12, &json!({"anyOf": [leaf, {}]}));
        json!({"properties": {"a": {"allOf": all["allOf"]}}, "definitions": all["definitions"]})
    };
    let long = format!("{{\"a\":0.{}}}", "7".repeat(900_000));
    let mut all = vec![
        ("media types", with(json!({"allOf": media})), text),
        ("unique items", doubling(14, &json!({"uniqueItems": true})), numbers.clone()),
        (
            "pattern",
            with(json!({"pattern": "a[ab]{2000}c|d$"})),
            json!({"a": hostile::bits(900_000)}).to_string(),
        ),
        (
            "pattern of names",
            json!({"patternProperties": {"a[ab]{2000}c|d$": {}}}),
            json!({hostile::bits(900_000): 1}).to_string(),
        ),
        ("not const", json!({"items": {"allOf": not}}), list("-9", 300_000)),
        ("nothing to see", items(&json!({})), list("9", 500_000)),
        (
            "booleans",
            json!({"items": {"anyOf": (0..9_000).map(|_| json!(false)).chain([json!(true)]).collect::<Vec<_>>()}}),
            list("9", 500_000),
        ),
        ("patterns of numbers", items(&json!({"pattern": "a[ab]{100}c"})), list("7", 500_000)),
        ("lengths of numbers", items(&json!({"minLength": 1})), list("7", 500_000)),
        ("integers of long decimals", of_long(&json!({"type": "integer"})), long.clone()),
        ("bounds of long decimals", of_long(&json!({"maximum": 1.5})), long.clone()),
        ("multiples of long decimals", of_long(&json!({"not": {"multipleOf": 0.7}})), long.clone()),
        ("constants of long decimals", of_long(&json!({"not": {"const": 0.5}})), long.clone()),
        ("formats of long decimals", of_long(&json!({"not": {"format": "int64"}})), long.clone()),
        ("colliding digests", json!({"uniqueItems": true}), format!("[{}]", hash.join(","))),
    ];
    for (name, pattern) in [
        ("back references", r"(a)".to_owned() + &r"\1".repeat(400_000)),
        ("named references", format!("(?<a>b){}", r"\k<a>".repeat(150_000))),
        (
            "nested names",
            format!(
                "{}{}{}",
                "(".repeat(190),
                (0..60_000).map(|i| format!("(?<n{i}>)")).collect::<String>(),
                ")".repeat(190)
            ),
        ),
        ("negated sets", r"\W".repeat(400_000)),
        ("properties", r"\p{L}".repeat(150_000)),
        ("negated properties", r"\P{Lu}".repeat(140_000)),
        ("classes", r"[\p{L}\p{N}\w]".repeat(60_000)),
        ("braces", "{".repeat(900_000)),
        ("braces with digits", "a{1".repeat(300_000)),
        ("numbers", "a{1,11111}".repeat(90_000)),
        ("modifiers", "(?i:a)".repeat(150_000)),
        ("octal", r"\9".repeat(400_000)),
        ("open classes", "[".repeat(900_000)),
        ("long number", format!(r"\{}", "1".repeat(900_000))),
        ("names", r"\k<".repeat(300_000)),
        ("group names", "(?<a".repeat(200_000)),
    ] {
        all.push((name, with(json!({"format": "regex"})), json!({ "a": cut(&pattern) }).to_string()));
    }
    for format in [
        "idn-hostname",
        "idn-email",
        "hostname",
        "email",
        "uri",
        "iri",
        "uri-template",
        "uri-reference",
        "date-time",
        "duration",
        "json-pointer",
        "ipv6",
        "byte",
        "uuid",
        "time",
    ] {
        for text in [
            "ü.".repeat(300_000),
            "a.".repeat(500_000),
            "xn--a.".repeat(150_000),
            format!("a@{}", "b.".repeat(400_000)),
            format!("http://[{}", ":1".repeat(400_000)),
            "{a}".repeat(300_000),
            "\u{0300}".repeat(400_000),
            "/~0".repeat(300_000),
        ] {
            all.push((format, with(json!({"format": format})), json!({ "a": cut(&text) }).to_string()));
        }
    }
    all
}

/// An error of `not`, `enum` or `const` copies what is not allowed.
#[test]
fn errors_that_copy_the_schema_are_few() {
    let many: Vec<_> = (0..3_000).map(|n| json!({"minProperties": n})).collect();
    let members: serde_json::Map<_, _> = (0..3_000).map(|n| (format!("k{n}"), json!(n))).collect();
    let schema = json!({"additionalProperties": {"not": {"anyOf": many}}});

    let memory = allocation_counter::measure(|| {
        let compiled = Compiled::new(&schema, true).unwrap();
        let (reported, _) = compiled.violations(&members.clone().into());
        assert!(!reported.is_empty());
    });

    // All 3,000 copies would take four gigabytes.
    assert!(memory.bytes_max < 200 * 1024 * 1024, "{memory:?}");
}

/// The errors of alternatives are copies, with the values that they are about.
#[test]
fn errors_that_copy_the_payload_are_few() {
    let alternatives = json!({"oneOf": vec![json!({"enum": ["a"]}); 20]});
    let mut schema = doubling(8, &alternatives);
    schema["type"] = json!("array");
    let payload = parse(list("[1,[2],{\"a\":[3]}]", 10_000).as_bytes()).unwrap();
    let compiled = Compiled::new(&schema, true).unwrap();

    let memory = allocation_counter::measure(|| drop(compiled.violations(&payload)));

    // All copies would take fifty gigabytes.
    assert!(memory.bytes_max < 200 * 1024 * 1024, "{memory:?}");
}

/// An error lists all members that are not allowed.
#[test]
fn errors_that_list_members_are_few() {
    let schema = json!({"allOf": vec![json!({"additionalProperties": false}); 1_000]});
    let members: serde_json::Map<_, _> = (0..10_000).map(|n| (format!("k{n}"), json!(n))).collect();
    let payload = members.into();
    let compiled = Compiled::new(&schema, true).unwrap();

    let memory = allocation_counter::measure(|| drop(compiled.violations(&payload)));

    assert!(memory.bytes_max < 100 * 1024 * 1024, "{memory:?}");
}

/// Errors copy names: of the payload, in their place and in what they list, and of the schema.
#[test]
fn errors_that_copy_long_names_are_few() {
    let long = "x".repeat(100_000);
    let texts = json!({"items": {"type": "string"}});
    let numbers = json!(vec![1; 20_000]);
    let empty = json!(vec![json!({}); 20_000]);
    let strings = json!(vec!["y"; 20_000]);
    let by_name = |value: Value| json!({ &long: value });
    let deep = (0..20).fold(numbers.clone(), |below, _| json!({ &long[..5_000]: below }));
    let escaped = json!({ "/~".repeat(50_000): &numbers });
    let recursive = json!({
        "additionalProperties": {"$ref": "#"}, "items": {"type": "string"},
    });
    let closed = json!({"allOf": vec![json!({"additionalProperties": false}); 2_000]});
    let unevaluated = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": vec![json!({"unevaluatedProperties": false}); 2_000],
    });
    let names = json!({"allOf": vec![json!({"propertyNames": {"maxLength": 5}}); 2_000]});
    let first = json!({"required": ["a"], "additionalProperties": &texts});
    let alternatives = json!({"additionalProperties": {"items": {"anyOf": vec![&texts; 20]}}});
    let cases = [
        ("members", json!({"additionalProperties": &texts}), by_name(numbers.clone())),
        ("patterns", json!({"patternProperties": {"^x": &texts}}), by_name(numbers.clone())),
        ("declared", json!({"properties": {&long: &texts}}), by_name(numbers.clone())),
        ("escaped", json!({"additionalProperties": &texts}), escaped),
        ("deep", recursive, deep),
        ("after another", first, by_name(numbers.clone())),
        ("alternatives", alternatives, by_name(json!(vec![json!([1]); 5_000]))),
        ("closed", closed, by_name(json!(1))),
        ("unevaluated", unevaluated, by_name(json!(1))),
        ("names", names, by_name(json!(1))),
        ("required", json!({"items": {"required": [&long]}}), empty.clone()),
        (
            "dependencies",
            json!({"items": {"dependencies": {"a": [&long]}}}),
            json!(vec![json!({"a": 1}); 20_000]),
        ),
        ("pattern", json!({"items": {"pattern": format!("{}z", "x".repeat(2_000))}}), strings.clone()),
        (
            "path",
            json!({"definitions": {&long: {"type": "string"}}, "items": {"$ref": format!("#/definitions/{long}")}}),
            numbers,
        ),
    ];
    for (name, schema, payload) in cases {
        let compiled = Compiled::new(&schema, true).unwrap();

        let memory = allocation_counter::measure(|| {
            let (violations, _) = compiled.violations(&payload);
            let bytes: usize = violations.iter().map(|it| it.pointer.len() + it.message.len()).sum();
            assert!(!violations.is_empty(), "{name}");
            assert!(bytes < 16 * 1024, "{name}: {bytes}");
        });

        assert!(memory.bytes_max < 64 * 1024 * 1024, "{name}: {memory:?}");
    }
}

/// Attacks that no bound but that of the steps ends.
const GIVEN_UP: [&str; 12] = [
    "integers of long decimals",
    "bounds of long decimals",
    "multiples of long decimals",
    "formats of long decimals",
    "media types",
    "unique items",
    "not const",
    "nothing to see",
    "booleans",
    "pattern",
    "patterns of numbers",
    "lengths of numbers",
];

#[test]
fn each_attack_is_counted() {
    for (name, schema, text) in &attacks() {
        // What is given up is so at any number of steps, and a debug build is slow. The others may finish.
        let is_endless = GIVEN_UP.contains(name);
        let steps = if is_endless { 1_000_000 } else { 10_000_000 };
        let findings = judge(name, schema, text, &Effort::of(steps));

        assert!(findings.steps <= 4 * steps, "{name}: {findings:?}");
        assert!(findings.is_given_up || !is_endless, "{name}: {findings:?}");
    }
}

#[test]
#[ignore = "only a release build is fast enough: cargo test --release --test it schema_costs -- --ignored"]
fn each_attack_takes_less_than_a_second() {
    for (name, schema, text) in &attacks() {
        let compiled = Compiled::new(schema, true).unwrap();
        let payload = Payload::parse(text.as_bytes()).unwrap();
        let begun = Instant::now();
        let findings = compiled.judge(&payload);
        let took = begun.elapsed();
        println!("{name}: {took:.0?}, {} steps, given up: {}", findings.steps, findings.is_given_up);
        assert!(took < Duration::from_secs(1), "{name}: {took:?}");
    }
    for (name, genes) in hostile::found_before() {
        let (findings, [_, _, took]) = genes.pair().judge(&Effort::full()).unwrap();
        println!("{name}: {took:.0?}, {} steps, given up: {}", findings.steps, findings.is_given_up);
        assert!(took < Duration::from_secs(1), "{name}: {took:?}");
    }
}

/// Whatever a keyword is about: a value that it ignores is counted, too.
#[test]
fn each_visit_is_counted() {
    const LEVELS: u32 = 10;
    for kind in 0..hostile::LEAVES {
        let leaf = hostile::leaf(kind, 1);
        let compiled = Compiled::new(&doubling(LEVELS, &leaf), true).unwrap();
        for text in ["1", "1.5", "\"a\"", "{}", "[]", "null", "true"] {
            let findings = compiled.judge(&Payload::parse(text.as_bytes()).unwrap());

            let visits = if findings.violations.is_empty() { 1 << LEVELS } else { 1 };
            assert!(findings.steps >= visits, "{leaf} and {text}: {} steps", findings.steps);
        }
    }
}

#[test]
fn pairs_that_searches_found_are_counted() {
    for (name, genes) in hostile::found_before() {
        const STEPS: u64 = 1_000_000;

        let (findings, _) = genes.pair().judge(&Effort::of(STEPS)).unwrap();

        assert!(findings.is_given_up && findings.steps <= 4 * STEPS, "{name}: {findings:?}");
    }
}

#[test]
fn random_pairs_are_counted() {
    const STEPS: u64 = 100_000;
    let found = hostile::search(7, 60, |pair| {
        let (findings, _) = pair.judge(&Effort::of(STEPS))?;
        let again = pair.judge(&Effort::of(STEPS))?.0;

        assert_eq!(findings, again, "the same steps in every process");
        assert!(findings.steps <= 4 * STEPS, "{findings:?}");
        Some(findings.steps as f64)
    });

    assert!(found[0].cost >= STEPS as f64, "the search finds pairs that are given up");
}

/// As much of a text as a payload may have.
fn cut(text: &str) -> String {
    let mut bytes = 0;
    let is_within = |c: &char| {
        bytes += if *c == '\\' { 2 } else { c.len_utf8() };
        bytes < 1_000_000
    };
    text.chars().take_while(is_within).collect()
}

/// Arrays of nothing but arrays, all of one number of brackets.
fn nested(pairs: usize) -> Vec<String> {
    if pairs == 0 {
        return vec![String::new()];
    }
    let mut all = Vec::new();
    for inner in 0..pairs {
        for first in nested(inner) {
            for rest in nested(pairs - 1 - inner) {
                all.push(if rest.is_empty() { format!("[{first}]") } else { format!("[{first}],{rest}") });
            }
        }
    }
    if pairs == 11 { all.into_iter().map(|it| format!("[{it}]")).collect() } else { all }
}
