//! `svix-operator schema check` as a user runs it.

use std::{
    fs,
    process::{Command, Output},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

const OLD: &str = r#"{"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}, "additionalProperties": false}"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn check(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(["schema", "check"]).args(arguments).current_dir(self.0.path()).output().unwrap()
    }
}

fn shown(output: &Output) -> (i32, String) {
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

#[test]
fn a_change_that_breaks_is_shown_with_a_payload() {
    let folder = Folder::new(&[
        ("old.json", OLD),
        ("new.json", &OLD.replace("\"string\"", "[\"string\", \"integer\"]")),
    ]);

    let (code, text) = shown(&folder.check(&["old.json", "new.json"]));

    let expected = "\
breaking (ConsumerSafe): the new schema permits what the old one refuses
  payload: {\"id\":0}
  /id: /properties/id/type was \"string\", is [\"string\",\"integer\"]
";
    assert_eq!((code, text.as_str()), (1, expected));
}

#[test]
fn levels_differ() {
    let new = OLD.replace("\"id\": {", "\"note\": {}, \"id\": {");
    let folder = Folder::new(&[("old.json", OLD), ("new.json", &new)]);

    // Receivers that ignore what they do not know take the new member.
    assert_eq!(shown(&folder.check(&["old.json", "new.json"])), (0, "safe (ConsumerSafe)\n".to_owned()));
    assert_eq!(shown(&folder.check(&["old.json", "new.json", "--level", "Strict"])).0, 1);
    assert_eq!(shown(&folder.check(&["old.json", "new.json", "--level", "Backward"])).0, 0);
    assert_eq!(shown(&folder.check(&["old.json", "new.json", "--level", "Nothing"])).0, 2);
}

#[test]
fn programs_read_json() {
    let folder = Folder::new(&[("old.json", OLD), ("new.json", r#"{"type": "object"}"#)]);

    let (code, text) = shown(&folder.check(&["old.json", "new.json", "-o", "json"]));

    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 1);
    assert_eq!(document["verdict"], "breaking");
    assert_eq!(document["refusedBy"], "old");
    assert_eq!(document["places"][0]["old"]["pointer"], "/required");
}

#[test]
fn manifests_and_yaml_are_read() {
    let manifest = "\
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEventType
metadata: {name: order.placed}
spec:
  formatAssertion: false
  schema: {type: string, format: date}
";
    let folder = Folder::new(&[("old.yaml", manifest), ("new.yaml", "type: string\n")]);

    assert_eq!(shown(&folder.check(&["old.yaml", "new.yaml"])).0, 0);
    assert_eq!(shown(&folder.check(&["old.yaml", "new.yaml", "--format-assertion", "true"])).0, 1);
}

#[test]
fn what_permits_nothing_is_empty() {
    let folder = Folder::new(&[("old.json", OLD), ("new.json", r#"{"type": "string", "enum": [1]}"#)]);

    let (code, text) = shown(&folder.check(&["old.json", "new.json"]));

    assert_eq!(
        (code, text.as_str()),
        (1, "empty (ConsumerSafe): the new schema permits no payload at all\n")
    );
}

#[test]
fn a_suggestion_permits_the_payload() {
    let folder = Folder::new(&[("old.json", OLD), ("refused.json", r#"{"id": 7, "note": "x"}"#)]);

    let (code, text) = shown(&folder.check(&["old.json", "--widen", "--payload", "refused.json"]));

    let expected = "\
+ /properties/note: {\"type\":\"string\"}
~ /properties/id/type: \"string\" → [\"string\",\"integer\"]
";
    let mut lines: Vec<_> = text.lines().collect();
    let mut expected: Vec<_> = expected.lines().collect();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!((code, lines), (1, expected));
}

#[test]
fn files_that_cannot_be_used_are_exit_code_2() {
    let folder = Folder::new(&[
        ("old.json", OLD),
        ("broken.json", "{"),
        ("invalid.json", r#"{"type": 7}"#),
        ("two.yaml", "a: 1\n---\nb: 2\n"),
        ("none.yaml", "kind: WebhookEventType\nspec: {}\n"),
    ]);

    for (file, expected) in [
        ("missing.json", "missing.json: No such file"),
        ("broken.json", "broken.json: "),
        ("invalid.json", "invalid.json: /type: "),
        ("two.yaml", "two.yaml: found 2 documents, expected one"),
        ("none.yaml", "none.yaml: /spec: found neither schema nor schemaText"),
    ] {
        let (code, text) = shown(&folder.check(&["old.json", file]));

        assert_eq!(code, 2, "{file}: {text}");
        assert!(text.contains(expected), "{file}: {text}");
    }
}
