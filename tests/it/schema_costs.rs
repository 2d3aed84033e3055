//! What judging a payload costs, in memory and time.

use serde_json::json;
use svix_operator::schema::{Compiled, parse};

/// The most memory that this process has had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_payload_with_a_million_violations_takes_bounded_memory() {
    let names: Vec<String> = (0..10).map(|i| format!("k{i}")).collect();
    let compiled =
        Compiled::new(&json!({"properties": {"a": {"items": {"required": names}}}}), true).unwrap();
    let text = format!(r#"{{"a":[{}{{}}]}}"#, "{},".repeat(100_000));
    let payload = parse(text.as_bytes()).unwrap();
    let before = peak();
    // jsonschema's `iter_errors` collects all errors before it gives the first.
    let (told, _) = compiled.violations(&payload);
    assert!(told[0].message.starts_with("found no \"k"), "{told:?}");
    assert!(told[1].message.contains("too large a payload to say what else"), "{told:?}");
    let grown = peak() - before;
    assert!(grown < 64 * 1024, "{grown} KiB for a payload of {} bytes", text.len());
}

#[test]
fn alternatives_take_no_more() {
    let names: Vec<String> = (0..10).map(|i| format!("k{i}")).collect();
    let items = json!({"items": {"required": names}});
    let compiled = Compiled::new(&json!({"properties": {"a": {"anyOf": [items, items]}}}), true).unwrap();
    let payload = parse(format!(r#"{{"a":[{}{{}}]}}"#, "{},".repeat(100_000)).as_bytes()).unwrap();
    let before = peak();
    let (told, _) = compiled.violations(&payload);
    assert!(told[0].message.contains("too large to say where"), "{told:?}");
    assert!(peak() - before < 64 * 1024);
}

#[test]
fn a_long_enum_takes_bounded_time() {
    let numbers: Vec<f64> = (0..60_000).map(|i| f64::from(i) + 0.5).collect();
    let compiled = Compiled::new(&json!({"properties": {"a": {"items": {"enum": numbers}}}}), true).unwrap();
    let payload = parse(format!(r#"{{"a":[{}59999.5]}}"#, "59999.5,".repeat(8_000)).as_bytes()).unwrap();
    let begun = std::time::Instant::now();
    let _ = compiled.violations(&payload);
    assert!(begun.elapsed().as_secs() < 2, "{:?} for 64 KiB", begun.elapsed());
}
