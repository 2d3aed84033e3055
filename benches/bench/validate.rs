//! Judging payloads: against the bare library, against Python's, and in memory.

use std::{
    hint::black_box,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use svix_operator::{
    api::{JsonObject, PayloadPolicy},
    catalogue::{Catalogue, Declared, Judgement},
    schema::Compiled,
};

use crate::{
    process::{memory, mib},
    table::{Table, median},
};

const CONNECTION: &str = "default";
/// Event types in the measurements of memory.
const EVENT_TYPES: usize = 1_000;
/// Payloads judged to see whether memory stays flat.
const REQUESTS: usize = 1_000_000;
const ROUND: Duration = Duration::from_millis(400);
const ROUNDS: usize = 7;

/// A schema of about 5 KB, with what schemas of payloads have: nesting, lists, formats, patterns, a choice.
pub fn schema(title: &str) -> Value {
    let text = |i: usize| json!({"type": "string", "maxLength": 200, "description": format!("Field {i} of {title}.")});
    let item: serde_json::Map<_, _> = (0..10).map(|i| (format!("f{i}"), text(i))).collect();
    let mut properties: serde_json::Map<_, _> = (0..20).map(|i| (format!("field{i:02}"), text(i))).collect();
    properties.insert("id".into(), json!({"type": "string", "pattern": "^[a-z]+_[0-9a-f]{8,32}$"}));
    properties.insert("at".into(), json!({"type": "string", "format": "date-time"}));
    properties
        .insert("status".into(), json!({"enum": ["created", "paid", "shipped", "returned", "cancelled"]}));
    properties.insert("total".into(), json!({"type": "integer", "minimum": 0}));
    properties
        .insert("contact".into(), json!({"oneOf": [{"type": "null"}, {"$ref": "#/definitions/contact"}]}));
    properties.insert(
        "items".into(),
        json!({"type": "array", "maxItems": 500, "items": {"$ref": "#/definitions/item"}}),
    );
    let contact = json!({
        "type": "object", "required": ["mail"],
        "properties": {"mail": {"type": "string", "format": "email"}, "phone": {"type": ["string", "null"]}},
    });
    json!({
        "title": title, "type": "object", "required": ["id", "at", "status", "items"], "properties": properties,
        "definitions": {
            "item": {"type": "object", "required": ["f0"], "properties": item, "additionalProperties": false},
            "contact": contact,
        },
    })
}

/// A payload of about 5 KB that matches.
pub fn payload() -> Value {
    let item: Value = (0..10)
        .map(|i| (format!("f{i}"), json!("some text of a line item")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut payload = json!({
        "id": "order_0123456789abcdef", "at": "2026-11-24T12:00:00Z", "status": "paid", "total": 9950,
        "contact": {"mail": "someone@example.org", "phone": null}, "items": vec![item; 12],
    });
    for i in 0..20 {
        payload[format!("field{i:02}")] = json!("some text that says what it has to say");
    }
    payload
}

fn declared(title: &str) -> Declared {
    Declared {
        schema: Some(JsonObject::from_value(&schema(title)).unwrap()),
        format_assertion: true,
        policy: PayloadPolicy::Enforce,
    }
}

fn bare(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft7)
        .should_validate_formats(true)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .unwrap()
}

/// How often in a second.
fn rate(work: &dyn Fn()) -> f64 {
    let begun = Instant::now();
    let mut times = 0_u32;
    while begun.elapsed() < ROUND {
        for _ in 0..100 {
            work();
        }
        times += 100;
    }
    f64::from(times) / begun.elapsed().as_secs_f64()
}

pub fn run(table: &mut Table) {
    let (schema, payload) = (schema("order.placed"), payload());
    let (bytes, compiled, validator) =
        (payload.to_string().len(), Compiled::new(&schema, true).unwrap(), bare(&schema));
    let catalogue = Catalogue::default();
    catalogue.put(CONNECTION, "order.placed", declared("order.placed")).unwrap();
    let bare_work = || assert!(black_box(&validator).is_valid(black_box(&payload)));
    let ours = || assert!(black_box(&compiled).violations(black_box(&payload)).0.is_empty());
    let judge =
        || assert_eq!(catalogue.judge(CONNECTION, "order.placed", black_box(&payload)), Judgement::Valid);
    // Side by side in each round: what the machine does meanwhile meets all of them.
    let rounds: Vec<_> = (0..ROUNDS).map(|_| [rate(&bare_work), rate(&ours), rate(&judge)]).collect();
    let of = |index: usize| median(rounds.iter().map(|round| round[index]).collect());
    let ratio = |index: usize| median(rounds.iter().map(|round| round[index] / round[0]).collect());
    for (index, what) in [(1, "a compiled schema judges"), (2, "the catalogue looks up and judges")] {
        table.add(
            &format!("{what} a payload of {bytes} bytes"),
            format!("{:.0}/s, {:.2} of the baseline", of(index), ratio(index)),
            format!("bare jsonschema {:.0}/s", of(0)),
            "1.0".to_owned(),
        );
    }
    python(table, &schema, &payload, of(1));
    memory_of_catalogues(table);
}

/// The same documents in Python's library, where it is there.
fn python(table: &mut Table, schema: &Value, payload: &Value, ours: f64) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path
    };
    let (schema, payload) = (write("schema.json", schema), write("payload.json", payload));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/python/validate.py");
    let stated = Command::new("python3").arg(script).args([schema, payload]).output();
    let Some(theirs) =
        stated.ok().and_then(|stated| String::from_utf8_lossy(&stated.stdout).trim().parse::<f64>().ok())
    else {
        println!("not measured: python3 with the package jsonschema is not there");
        return;
    };
    table.add(
        "the same payload, beside Python's jsonschema",
        format!("{ours:.0}/s, {:.0} times", ours / theirs),
        format!("{theirs:.0}/s"),
        "50 times".to_owned(),
    );
}

/// Each way to hold the schemas in a process of its own, which tells what it takes.
fn memory_of_catalogues(table: &mut Table) {
    let held = |how: &str| -> Vec<u64> {
        let program = std::env::current_exe().unwrap();
        let stated = Command::new(program).args(["hold", how]).output().unwrap();
        assert!(stated.status.success(), "{stated:?}");
        String::from_utf8_lossy(&stated.stdout).split_whitespace().map(|word| word.parse().unwrap()).collect()
    };
    let (bare, all, few) = (held("bare"), held("all"), held("64"));
    for (what, found) in [("all compiled", &all), ("at most 64 compiled", &few)] {
        table.add(
            &format!("memory of {EVENT_TYPES} event types with 5 KB of schema, {what}"),
            format!("{}, {:.2} of the baseline", mib(found[0]), found[0] as f64 / bare[0] as f64),
            format!("bare validators {}", mib(bare[0])),
            "1.3".to_owned(),
        );
        table.add(
            &format!("the same after {REQUESTS} payloads"),
            mib(found[1]),
            mib(found[0]),
            "flat".to_owned(),
        );
    }
}

/// Holds schemas in one way and tells the resident memory that they take, in KiB: when they are there, and after a
/// million payloads.
pub fn hold(how: &str) {
    let title = |i: usize| format!("group.event{i:04}");
    let resident = || memory(std::process::id()).unwrap().0;
    let payload = payload();
    let before = resident();
    let judge: Box<dyn Fn(usize)> = if how == "bare" {
        let all: Vec<_> = (0..EVENT_TYPES).map(|i| bare(&schema(&title(i)))).collect();
        Box::new(move |i| assert!(all[i % EVENT_TYPES].is_valid(&payload)))
    } else {
        let catalogue = Catalogue::new(how.parse().unwrap_or(EVENT_TYPES));
        let all = (0..EVENT_TYPES).map(|i| (title(i), declared(&title(i))));
        assert!(catalogue.replace(CONNECTION, all).is_empty());
        // As requests come: most are of a few event types.
        let few = how != "all";
        Box::new(move |i| {
            let i = if few && i % 1000 != 0 { i % 50 } else { i % EVENT_TYPES };
            assert_eq!(catalogue.judge(CONNECTION, &title(i), &payload), Judgement::Valid);
        })
    };
    let held = resident() - before;
    if how != "bare" {
        (0..REQUESTS).for_each(&judge);
    }
    println!("{held} {}", resident() - before);
}
