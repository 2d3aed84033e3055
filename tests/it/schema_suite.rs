//! JSON-Schema-Test-Suite (<https://github.com/json-schema-org/JSON-Schema-Test-Suite>), which is not part of this
//! repository: `JSON_SCHEMA_TEST_SUITE=/path/to/it cargo test --test it schema_suite -- --ignored`.
//!
//! No verdict may differ, and a schema may be refused only for a reference to a document that is elsewhere or for what
//! the table below names.

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use svix_operator::schema::{Compiled, InvalidSchema, Payload};

/// Schemas that are refused by design, by file and description.
const REFUSED: [(&str, &str); 0] = [];

/// Tests in which a verdict differs by design, by file and description.
const DIFFERENT: [(&str, &str); 0] = [];

#[derive(Default, Debug)]
struct Tally {
    tests: usize,
    remote: usize,
    /// What the references lead to that leave the document.
    targets: BTreeSet<String>,
    wrong: Vec<String>,
    refused: Vec<String>,
}

pub fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

/// Whether a schema is refused since its meta-schema is a document that is elsewhere.
pub fn needs_remote_draft(schema: &Value, error: &InvalidSchema) -> bool {
    let named = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    named.starts_with("http://localhost:1234/")
        && matches!(error, InvalidSchema::Invalid { pointer, .. } if pointer == "/$schema")
}

/// Tests with one schema.
#[derive(Deserialize)]
pub struct Group<'t> {
    pub description: String,
    pub schema: Value,
    #[serde(borrow)]
    pub tests: Vec<Case<'t>>,
}

#[derive(Deserialize)]
pub struct Case<'t> {
    pub description: String,
    /// As text, since payloads are judged with the digits of their numbers.
    #[serde(borrow)]
    pub data: &'t RawValue,
    pub valid: bool,
}

/// `draft`: the draft that schemas without a `$schema` are in.
fn run(file: &str, text: &str, draft: Option<&str>, tally: &mut Tally) {
    // Formats and content encodings are annotations in the tests that every implementation has to pass.
    let format_assertion = file.contains("/optional/");
    let groups: Vec<Group<'_>> = serde_json::from_str(text).unwrap();
    for Group { description: title, mut schema, tests } in groups {
        if let (Some(draft), Some(schema)) = (draft, schema.as_object_mut()) {
            let named = format!("http://json-schema.org/{}/schema#", draft.replace("draft", "draft-0"));
            schema.entry("$schema").or_insert_with(|| named.into());
        }
        tally.tests += tests.len();
        let title = title.as_str();
        let known = |table: &[(&str, &str)], title: &str| {
            table.iter().any(|(known, of)| file.ends_with(known) && *of == title)
        };
        let compiled = match Compiled::new(&schema, format_assertion) {
            Ok(compiled) => compiled,
            Err(InvalidSchema::RemoteReference { target, .. }) => {
                tally.remote += tests.len();
                tally.targets.insert(format!("{target} ({file})"));
                continue;
            }
            Err(error) if needs_remote_draft(&schema, &error) => {
                tally.remote += tests.len();
                continue;
            }
            Err(_) if known(&REFUSED, title) => continue,
            Err(error) => {
                tally.refused.push(format!("{file}: {title}: {error}"));
                continue;
            }
        };
        for test in tests {
            let payload = Payload::parse(test.data.get().as_bytes()).unwrap();
            let valid = compiled.judge(&payload).violations.is_empty();
            let name = format!("{title}: {}", test.description);
            if valid != test.valid && !known(&DIFFERENT, &name) {
                tally.wrong.push(format!("{file}: {name}: found {valid}"));
            }
        }
    }
}

#[test]
#[ignore = "needs a copy of JSON-Schema-Test-Suite, named by JSON_SCHEMA_TEST_SUITE"]
fn test_suite_of_json_schema() {
    let root =
        std::env::var("JSON_SCHEMA_TEST_SUITE").expect("JSON_SCHEMA_TEST_SUITE names a copy of the suite");
    let root = Path::new(&root).join("tests");
    let mut failed = false;
    for draft in ["draft4", "draft6", "draft7", "draft2019-09", "draft2020-12"] {
        let mut paths = Vec::new();
        files(&root.join(draft), &mut paths);
        let mut tally = Tally::default();
        for path in &paths {
            let text = std::fs::read_to_string(path).unwrap();
            // Schemas of these drafts do not name their draft in the suite.
            let named = Some(draft).filter(|draft| ["draft4", "draft6"].contains(draft));
            run(&path.strip_prefix(&root).unwrap().to_string_lossy(), &text, named, &mut tally);
        }
        println!(
            "{draft}: {} tests, {} need a remote document, {} wrong, {} refused",
            tally.tests,
            tally.remote,
            tally.wrong.len(),
            tally.refused.len()
        );
        for target in &tally.targets {
            println!("  remote: {target}");
        }
        for line in tally.wrong.iter().chain(&tally.refused) {
            println!("  {line}");
        }
        assert!(tally.tests > 500, "{draft}: the suite is not there");
        failed |= !tally.wrong.is_empty() || !tally.refused.is_empty();
    }
    assert!(!failed);
}
