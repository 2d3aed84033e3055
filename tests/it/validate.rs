//! `svix-operator validate` as a user runs it: what it finds, its formats and its exit codes.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

mod compatibility;
mod formats;
mod payloads;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");
const SARIF: &str = include_str!("data/sarif/sarif-schema-2.1.0.json");

const CONNECTION: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: SvixConnection
metadata: {name: default}
spec:
  ownerId: prod
  tokenSecretRef: {name: svix-token, key: token}
";
const EVENT_TYPE: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEventType
metadata: {name: order.placed, namespace: shop}
spec:
  schema:
    type: object
    required: [id]
    properties:
      id: {type: string}
";
const ENDPOINT: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEndpoint
metadata: {name: orders, namespace: shop}
spec:
  url: https://hooks.example.org/orders
  eventTypes: [order.placed]
";

/// A folder of manifests.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs `validate .` in the folder.
    fn validate(&self, arguments: &[&str]) -> Output {
        self.command().arg(".").args(arguments).output().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("validate").current_dir(self.path());
        command
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn good_manifests_have_no_findings() {
    let folder = Folder::new(&[("a.yaml", CONNECTION), ("b.yaml", EVENT_TYPE), ("c.yaml", ENDPOINT)]);

    let output = folder.validate(&["--strict"]);

    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(stdout(&output), "3 objects in 3 files: no findings\n");
}

#[test]
fn each_finding_has_position_object_and_field() {
    let folder = Folder::new(&[
        ("a.yaml", &EVENT_TYPE.replace("type: string", "type: strin")),
        ("b.yaml", &ENDPOINT.replace("url:", "ur:")),
        ("c.yaml", &ENDPOINT.replace("orders,", "others,").replace("https://hooks.example.org", "ftp://x")),
    ]);

    let output = folder.validate(&[]);

    let text = stdout(&output);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(code(&output), 1, "{text}");
    assert!(
        lines[0].starts_with(
            "./a.yaml:9:12: error: WebhookEventType shop/order.placed: /spec/schema/properties/id/type: "
        ),
        "{text}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("./b.yaml:5:3: error: WebhookEndpoint shop/orders: /spec/ur: ")),
        "{text}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("./c.yaml:5:3: error: WebhookEndpoint shop/others: /spec/url: ")),
        "{text}"
    );
    assert_eq!(lines.last().unwrap().split(": ").next(), Some("3 objects in 3 files"), "{text}");
}

#[test]
fn rules_of_admission_apply() {
    let broken_header =
        ENDPOINT.replace("eventTypes:", "headers: [{name: Content-Length, value: \"5\"}]\n  eventTypes:");
    let bad_example = format!("{EVENT_TYPE}  examples: [{{name: first, value: {{}}}}]\n");
    let event = "apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEvent\nmetadata: {name: e, namespace: shop}\n\
                 spec:\n  eventType: order.placed\n  payload: {id: 5}\n";
    let folder = Folder::new(&[("a.yaml", &broken_header), ("b.yaml", &bad_example), ("c.yaml", event)]);

    let output = folder.validate(&["--output", "json"]);

    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let at = |file: &str| findings.iter().filter(|finding| finding["file"] == file).collect::<Vec<_>>();
    assert_eq!(at("./a.yaml")[0]["pointer"], "/spec/headers/0/name", "{report:#}");
    assert_eq!(at("./b.yaml")[0]["pointer"], "/spec/examples/0", "{report:#}");
    assert_eq!(at("./c.yaml")[0]["pointer"], "/spec/payload/id", "{report:#}");
    assert_eq!((&at("./c.yaml")[0]["line"], &at("./c.yaml")[0]["column"]), (&json!(6), &json!(13)));
    assert_eq!(report["totals"]["errors"], 3, "{report:#}");
}

#[test]
fn warnings_fail_only_with_strict() {
    let folder = Folder::new(&[
        ("a.yaml", CONNECTION),
        ("b.yaml", &ENDPOINT.replace("[order.placed]", "[order.plaaced]")),
        ("c.yaml", EVENT_TYPE),
    ]);

    let plain = folder.validate(&[]);
    let strict = folder.validate(&["--strict"]);
    let lenient = folder.validate(&["--strict", "--exit-zero"]);

    assert_eq!((code(&plain), code(&strict), code(&lenient)), (0, 1, 0), "{plain:?}");
    let text = stdout(&plain);
    assert!(
        text.contains("./b.yaml:6:16: warning: WebhookEndpoint shop/orders: /spec/eventTypes/0: "),
        "{text}"
    );
    assert!(text.ends_with("3 objects in 3 files: 1 warning\n"), "{text}");
}

#[test]
fn what_two_rules_find_is_said_once() {
    let text = r#"schemaText: '{"requried": ["id"], "properties": {"id": {"format": "uid"}}}'"#;
    let event_type = EVENT_TYPE.split("schema:").next().unwrap().to_owned() + text + "\n";
    let folder = Folder::new(&[("a.yaml", &event_type)]);

    let output = stdout(&folder.validate(&[]));

    assert!(output.ends_with("1 object in 1 file: 2 warnings\n"), "{output}");
}

#[test]
fn accepted_warnings_are_counted_and_expire() {
    let unknown = EVENT_TYPE.replace("{type: string}", "{type: string, format: uid}");
    let accepted =
        "# the receivers know\nWebhookEventType shop/order.placed /spec/schema/properties/id/format  # old\n";
    let folder = Folder::new(&[("a.yaml", &unknown), ("accepted.txt", accepted)]);

    let with = folder.validate(&["--strict", "--accept", "accepted.txt"]);
    std::fs::write(folder.path().join("a.yaml"), EVENT_TYPE).unwrap();
    let after = folder.validate(&["--accept", "accepted.txt"]);

    assert_eq!(code(&with), 0, "{}", stdout(&with));
    assert_eq!(stdout(&with), "1 object in 1 file: no findings; 1 warning accepted\n");
    assert!(
        stdout(&after)
            .starts_with("accepted.txt:2:1: warning: no warning about WebhookEventType shop/order.placed")
    );
}

#[test]
fn standard_input_is_read_and_has_positions() {
    let folder = Folder::new(&[]);
    let text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: x}}\n---\n{}---\n{ENDPOINT}",
        EVENT_TYPE.replace("type: string", "type: strin")
    );
    let mut child = folder.command().arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();

    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();

    let text = stdout(&output);
    assert_eq!(code(&output), 1, "{text}");
    assert!(text.starts_with("standard input:13:12: error: WebhookEventType shop/order.placed: "), "{text}");
    assert!(text.ends_with("2 objects in 1 file: 1 error; 1 object of other kinds left out\n"), "{text}");
}

#[test]
fn standard_input_is_decoded_as_files_are() {
    let folder = Folder::new(&[]);
    let units = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (bytes, expected, start) in [
        (units(&format!("\u{feff}{EVENT_TYPE}")), 0, ""),
        (format!("\u{feff}{EVENT_TYPE}").into_bytes(), 0, ""),
        (units(EVENT_TYPE), 2, "error: standard input: UTF-16 without a byte order mark"),
        (b"a: \xff".to_vec(), 2, "error: standard input: not UTF-8 text: line 1"),
    ] {
        let mut command = folder.command();
        let mut child = command.arg("-").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.wait_with_output().unwrap();

        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(code(&output) == expected && errors.starts_with(start), "{output:?}");
    }
}

#[test]
fn an_event_type_that_is_invalid_gives_way() {
    let broken = EVENT_TYPE.replace("type: string", "type: strin").replace("shop}", "aaa}");
    let folder = Folder::new(&[("a.yaml", &broken), ("b.yaml", EVENT_TYPE), ("bad.json", "{\"id\": 5}")]);

    let output = folder
        .command()
        .args(["a.yaml", "b.yaml", "--event-type", "order.placed", "--payload", "bad.json"])
        .output()
        .unwrap();

    let text = stdout(&output);
    assert!(text.contains("bad.json:1:2: error: /id: "), "judged by the other one: {text}");
    assert!(!text.contains("is declared by aaa/"), "the other one does not wait for it: {text}");
}

impl Folder {
    fn validate_payload(&self, file: &str, event_type: &str) -> Output {
        self.command().args(["a.yaml", "--event-type", event_type, "--payload", file]).output().unwrap()
    }
}

#[test]
fn what_cannot_begin_exits_with_2() {
    let folder = Folder::new(&[
        ("a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"),
        ("bad.txt", "x\n"),
    ]);
    let missing = folder.command().arg("nowhere").output().unwrap();
    let nothing = folder.validate(&[]);
    let acceptance = folder.validate(&["--accept", "bad.txt"]);
    let twice = folder.command().args(["-", "-"]).output().unwrap();
    let alone = folder.validate(&["--payload", "a.yaml"]);

    for output in [missing, nothing, acceptance, twice, alone] {
        assert_eq!(code(&output), 2, "{output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = Folder::new(&[("a.yaml", &ENDPOINT.replace("url:", "ur:"))]);
    let mut child = folder.command().arg(".").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();

    assert_eq!((code(&output), output.stderr.as_slice()), (1, &b""[..]));
}
