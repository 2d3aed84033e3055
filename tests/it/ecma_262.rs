//! Regular expressions in schemas match what JavaScript's match: a table that a script made with Node.js.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};
use svix_operator::schema::Compiled;

#[derive(Deserialize)]
struct Table {
    texts: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    pattern: String,
    /// With which flags it is a regular expression; `None`: it is none.
    flag: Option<String>,
    /// The texts that match, by index.
    matches: Option<Vec<usize>>,
}

/// Patterns that JavaScript reads as text only because it has no flag `u`: `\u{110000}` would be 110,000 letters.
const NOT_TEXT: [&str; 1] = [r"\u{110000}"];

/// V8 finds a place that is no boundary of a word between the two halves of a code point; ECMA-262 has no such place.
const BETWEEN_HALVES: [&str; 1] = [r"\B"];

/// The table in this repository, or another one that the script made.
fn table() -> Table {
    match std::env::var("ECMA_262_TABLE") {
        Ok(path) => serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap(),
        Err(_) => serde_json::from_str(include_str!("data/ecma-262/table.json")).unwrap(),
    }
}

/// Whether linear time excludes a pattern: the constructs are named in what is stated.
fn is_excluded(error: &str) -> bool {
    error.contains("that takes linear time, without ")
}

#[test]
fn patterns_match_what_javascript_matches() {
    let table = table();
    assert!(table.rows.len() >= 80);
    let (mut wrong, mut excluded) = (Vec::new(), Vec::new());
    for row in &table.rows {
        let pattern = &row.pattern;
        let schemas = [json!({"pattern": pattern}), json!({"patternProperties": {pattern: false}})];
        let compiled: Vec<_> = schemas.iter().map(|schema| Compiled::new(schema, true)).collect();
        let [Ok(by_value), Ok(by_key)] = compiled.as_slice() else {
            let errors: Vec<String> =
                compiled.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
            assert_eq!(errors.len(), 2, "{pattern}");
            match row.flag {
                Some(_) if errors.iter().all(|error| is_excluded(error)) => excluded.push(pattern.as_str()),
                Some(_) if !NOT_TEXT.contains(&pattern.as_str()) => {
                    wrong.push(format!("{pattern}: refused: {errors:?}"));
                }
                _ => {}
            }
            continue;
        };
        let Some(matches) = &row.matches else {
            wrong.push(format!("{pattern}: accepted"));
            continue;
        };
        let matches: HashSet<usize> = matches.iter().copied().collect();
        for (index, text) in table.texts.iter().enumerate() {
            if BETWEEN_HALVES.contains(&pattern.as_str()) && text.chars().any(|c| u32::from(c) > 0xffff) {
                continue;
            }
            let expected = matches.contains(&index);
            let by_value = by_value.violations(&Value::from(text.as_str())).0.is_empty();
            let by_key = !by_key.violations(&json!({ text: 1 })).0.is_empty();
            if by_value != expected || by_key != expected {
                wrong.push(format!(
                    "{pattern} on {text:?}: expected {expected}, found {by_value} and {by_key}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    // Linear time excludes these and no others.
    let is_expected = |pattern: &&str| {
        ["(?=", "(?!", "(?<=", "(?<!", r"\1", r"\2", r"\k"]
            .iter()
            .any(|construct| pattern.contains(construct))
    };
    let unexpected: Vec<_> = excluded.iter().filter(|pattern| !is_expected(pattern)).collect();
    assert!(unexpected.is_empty() && excluded.len() >= 10, "{unexpected:?}");
}

#[test]
fn the_format_regex_takes_what_javascript_takes() {
    let compiled = Compiled::new(&json!({"format": "regex"}), true).unwrap();
    let wrong: Vec<_> = table()
        .rows
        .into_iter()
        .filter(|row| {
            let is_regex = compiled.violations(&Value::from(row.pattern.as_str())).0.is_empty();
            is_regex != row.flag.is_some() && !is_meaningless(&row.pattern)
        })
        .map(|row| row.pattern)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Whether a letter is escaped that means nothing. JSON-Schema-Test-Suite expects that such a text is no regular
/// expression, as with the flag `u`.
fn is_meaningless(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next().is_some_and(|c| "aAZzehRQiyxukpPB".contains(c)) {
            return true;
        }
    }
    false
}
