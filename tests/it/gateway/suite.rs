//! JSON-Schema-Test-Suite over HTTP: each schema is declared as an event type, and each payload is posted to a gateway. It needs
//! a copy of the suite, as `schema_suite` does.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use svix_operator::schema::InvalidSchema;

use super::*;
use crate::schema_suite::{self, Group};

/// What the gateway responded to the tests of a draft.
#[derive(Default)]
struct Verdicts {
    accepted: usize,
    rejected: usize,
    /// Tests whose schema cannot be declared since it needs a document that is elsewhere, by that document.
    remote: BTreeMap<String, usize>,
    /// Schemas that are refused for another reason, and responses that are not as expected.
    wrong: Vec<String>,
}

/// Declares a schema, which is an object in a custom resource; a schema that is `true` or `false` is a part of one.
fn declare(
    catalogue: &Catalogue,
    name: &str,
    schema: &Value,
    format_assertion: bool,
) -> Result<(), InvalidSchema> {
    let schema = if schema.is_boolean() { json!({"allOf": [schema]}) } else { schema.clone() };
    let schema = Some(JsonObject::from_value(&schema).unwrap());
    catalogue.put("default", name, Declared { schema, format_assertion, policy: PayloadPolicy::Enforce })
}

async fn run(harness: &Harness, file: &str, text: &str, verdicts: &mut Verdicts) {
    let groups: Vec<Group<'_>> = serde_json::from_str(text).unwrap();
    for (index, Group { description, schema, tests }) in groups.into_iter().enumerate() {
        let name = format!("suite.{}-{index}", file.replace(['/', '.'], "-"));
        match declare(&harness.catalogue, &name, &schema, file.contains("/optional/")) {
            Ok(()) => {}
            Err(InvalidSchema::RemoteReference { target, .. }) => {
                *verdicts.remote.entry(format!("{target} ({file})")).or_default() += tests.len();
                continue;
            }
            Err(error) if schema_suite::needs_remote_draft(&schema, &error) => {
                let target = schema["$schema"].as_str().unwrap_or_default();
                *verdicts.remote.entry(format!("{target} ({file})")).or_default() += tests.len();
                continue;
            }
            Err(error) => {
                verdicts.wrong.push(format!("{file}: {description}: {error}"));
                continue;
            }
        }
        for test in tests {
            let response = harness.send(&name, test.data.get()).await;
            let is_rejection = response.status == 422 && response.body.contains("\"value_error\"");
            match (response.status, test.valid) {
                (202, true) => verdicts.accepted += 1,
                (_, false) if is_rejection => verdicts.rejected += 1,
                _ => {
                    verdicts.wrong.push(format!("{file}: {description}: {}: {response:?}", test.description))
                }
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs a copy of JSON-Schema-Test-Suite, named by JSON_SCHEMA_TEST_SUITE"]
async fn test_suite_of_json_schema_over_http() {
    let root =
        std::env::var("JSON_SCHEMA_TEST_SUITE").expect("JSON_SCHEMA_TEST_SUITE names a copy of the suite");
    let root = Path::new(&root).join("tests");
    let mut wrong = 0;
    for draft in ["draft7", "draft2019-09", "draft2020-12"] {
        let harness = Harness::new().await;
        let mut paths = Vec::new();
        schema_suite::files(&root.join(draft), &mut paths);
        let mut verdicts = Verdicts::default();

        for path in &paths {
            let text = std::fs::read_to_string(path).unwrap();
            run(&harness, &path.strip_prefix(&root).unwrap().to_string_lossy(), &text, &mut verdicts).await;
        }

        let Verdicts { accepted, rejected, remote, wrong: found } = verdicts;
        let refused: usize = remote.values().sum();
        println!(
            "{draft}: {accepted} accepted, {rejected} rejected, {refused} need a remote document, {} wrong",
            found.len()
        );
        remote.iter().for_each(|(target, count)| println!("  remote: {count} of {target}"));
        found.iter().for_each(|line| println!("  {line}"));
        assert!(accepted > 500 && rejected > 500, "{draft}: the suite is not there");
        assert_eq!(harness.upstream.requests().len(), accepted, "{draft}: what was forwarded");
        wrong += found.len();
    }
    assert_eq!(wrong, 0);
}
