//! Tables and reports as people and programs get them.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::manifests::{
    problem::Position,
    report::{Detail, FILE},
};

fn row(kind: &str, name: &str, state: State, svix: &str, reason: &str, message: &str) -> Row {
    let namespace = if kind == "SvixConnection" { "" } else { "default" };
    let kind = kind.to_owned().into();
    let (namespace, name, svix) = (namespace.into(), name.into(), svix.into());
    let [reason, message] = [reason, message].map(|text| text.to_owned().into());
    Row { kind, namespace, name, state, svix, reason, message, ..Row::default() }
}

fn table(report: &Report, style: Style) -> String {
    let mut out = Vec::new();
    write(report, &mut out, style).unwrap();
    String::from_utf8(out).unwrap()
}

fn report() -> Report {
    Report::new(
        vec![
            row(
                "WebhookEndpoint",
                "b",
                State::Waiting,
                "",
                "WaitingForEventType",
                "The event type origin.visit is not in Svix yet; nothing\u{1b}[31m declares it.",
            ),
            row("WebhookEndpoint", "a", State::InSync, "default/ep_1", "InSync", ""),
            row("WebhookEventType", "origin.create", State::InSync, "origin.create", "InSync", ""),
            row("SvixConnection", "default", State::InSync, "", "Connected", ""),
        ],
        0,
    )
}

#[test]
fn plain_text_is_ascii_in_columns() {
    assert_eq!(
        table(&report(), Style::default()),
        "\
KIND               NAMESPACE   NAME            STATE     SVIX            REASON
SvixConnection     -           default         in sync   -               Connected
WebhookEventType   default     origin.create   in sync   origin.create   InSync
WebhookEndpoint    default     a               in sync   default/ep_1    InSync
WebhookEndpoint    default     b               waiting   -               WaitingForEventType
    The event type origin.visit is not in Svix yet; nothing [31m declares it.
4 objects: 3 in sync, 1 waiting
"
    );
}

#[test]
fn a_terminal_gets_symbols_colours_and_wrapped_messages() {
    let table = table(&report(), Style { color: true, unicode: true, width: Some(40) });
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[4..],
        [
            "WebhookEndpoint    default     b               \u{1b}[33m… waiting\u{1b}[0m   -               WaitingForEventType",
            "    The event type origin.visit is not",
            "    in Svix yet; nothing [31m declares",
            "    it.",
            "4 objects: 3 in sync, 1 waiting",
        ]
    );
}

#[test]
fn totals_name_what_there_is() {
    assert_eq!(table(&Report::new(Vec::new(), 0), Style::default()), "0 objects\n");
    let rows =
        [State::Problem, State::Working, State::Problem].map(|state| row("K", "n", state, "", "R", ""));
    assert_eq!(Report::new(rows.to_vec(), 0).totals(), "3 objects: 1 working, 2 problems");
    assert_eq!(Report::new(rows[..1].to_vec(), 0).totals(), "1 object: 1 problem");
}

#[test]
fn what_differs_has_a_state_and_a_count_of_its_own() {
    let differs = |name| row("WebhookEndpoint", name, State::Differs, "", "Differs", "it would be changed");
    let in_sync = row("WebhookEndpoint", "c", State::InSync, "", "InSync", "");
    let report = Report::new(vec![differs("a"), differs("b"), in_sync.clone()], 0);
    assert_eq!(report.totals(), "3 objects: 1 in sync, 2 differ");
    assert!(!report.all_in_sync());
    let one = Report::new(vec![differs("a"), in_sync], 0);
    assert_eq!(one.totals(), "2 objects: 1 in sync, 1 differs");
    assert!(table(&one, Style::default()).contains("differs   -      Differs\n    it would be changed\n"));
}

#[test]
fn each_object_is_one_row_and_a_file_is_none() {
    let detail = |line, message: &str| Detail {
        position: Position { file: "a.yaml".to_owned(), line: Some(line), column: Some(3) },
        pointer: Some("/spec/uri".into()),
        message: message.to_owned(),
    };
    let broken = Row {
        details: vec![detail(4, "one"), detail(5, "two")],
        ..row("WebhookEndpoint", "a", State::Problem, "", "InvalidManifest", "one; two")
    };
    let file = row(FILE, "b.yaml", State::Problem, "", "InvalidManifest", "not valid YAML");
    let report = Report::new(vec![file, broken], 3);
    assert_eq!(
        report.totals(),
        "1 object: 1 problem; 1 file not read in full; 3 objects of other kinds left out"
    );
    let table = table(&report, Style::default());
    assert!(
        table.contains("    a.yaml:4:3: /spec/uri: one\n    a.yaml:5:3: /spec/uri: two\nFile"),
        "{table}"
    );
    assert!(!Report::new(vec![report.files[0].clone()], 0).all_in_sync());
}

#[test]
fn programs_get_the_same_rows() {
    let one = Report::new(vec![row("WebhookEndpoint", "a", State::InSync, "default/ep_1", "InSync", "")], 0);
    assert_eq!(
        serde_json::to_string(&one).unwrap(),
        r#"{"total":1,"inSync":1,"differs":0,"waiting":0,"working":0,"problems":0,"leftOut":0,"objects":[{"kind":"WebhookEndpoint","namespace":"default","name":"a","state":"InSync","svix":"default/ep_1","reason":"InSync","message":""}],"files":[]}"#
    );
}
