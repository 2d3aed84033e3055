//! Payload files, checked against an event type of the manifests.

use crate::{
    admission::Known,
    api::{JsonPointer, PayloadPolicy},
    catalogue::Judgement,
    manifests::{Loaded, Position, yaml},
    plan::{quoted, suggest},
    schema::{self, Effort},
};

use super::{
    finding::{Finding, Rule, Severity},
    known::EventTypeName,
};

/// A payload to check.
#[derive(Clone, Debug)]
pub struct PayloadFile {
    /// The name of the file in findings.
    pub file: String,
    /// Its content.
    pub payload: Payload,
    /// The connection that the event type is declared through.
    pub connection: String,
    /// The event type.
    pub name: String,
}

/// The content of a payload file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The bytes.
    Bytes(Vec<u8>),
    /// It cannot be read, for this reason.
    Unreadable(String),
}

impl PayloadFile {
    pub(super) fn event_type(&self) -> EventTypeName<'_> {
        (&self.connection, &self.name)
    }
}

/// Checks one file.
pub(super) fn check(file: &PayloadFile, known: &Known, loaded: &Loaded) -> Vec<Finding> {
    let finding = |severity, pointer: JsonPointer, message, position| Finding {
        position,
        object: None,
        pointer,
        severity,
        rule: Rule::Payload,
        message,
    };
    let whole = || Position { file: file.file.clone(), line: None, column: None };
    let bytes = match &file.payload {
        Payload::Bytes(bytes) => bytes,
        Payload::Unreadable(why) => {
            return vec![finding(Severity::Error, JsonPointer::ROOT, why.clone(), whole())];
        }
    };
    match known.catalogue.judge_text(&file.connection, &file.name, bytes, &Effort::full()) {
        Judgement::Valid | Judgement::NotValidated => Vec::new(),
        Judgement::Undeclared => {
            let message = undeclared(file, known, loaded);
            vec![finding(Severity::Error, JsonPointer::ROOT, message, whole())]
        }
        Judgement::Invalid { policy, violations, more, .. } => {
            let severity = match policy {
                PayloadPolicy::Enforce => Severity::Error,
                PayloadPolicy::Warn | PayloadPolicy::Audit => Severity::Warning,
            };
            let document = std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| yaml::documents(text).next())
                .and_then(Result::ok);
            let place = |pointer: &JsonPointer| {
                let mark = document.as_ref().map(|document| document.locate(pointer));
                let (line, column) = (mark.map(|mark| mark.line), mark.map(|mark| mark.column));
                Position { file: file.file.clone(), line, column }
            };
            let mut findings: Vec<_> = violations
                .iter()
                .map(|schema::Violation { pointer, message }| {
                    let pointer = JsonPointer::ROOT.join(pointer);
                    let position = place(&pointer);
                    finding(severity, pointer, format!("{message} (event type {})", file.name), position)
                })
                .collect();
            if more > 0 {
                let message = format!("and {more} or more other violations");
                findings.push(finding(severity, JsonPointer::ROOT, message, whole()));
            }
            findings
        }
    }
}

fn undeclared(file: &PayloadFile, known: &Known, loaded: &Loaded) -> String {
    let (connection, name) = (&file.connection, &file.name);
    if let Some(holder) = known.directory.holder(connection, name) {
        return format!(
            "not checked: event type {} is declared by {holder}, and its schema was not read or cannot be used",
            quoted(name)
        );
    }
    let names: Vec<_> = loaded
        .event_types
        .iter()
        .filter(|event_type| event_type.object.connection_name() == connection)
        .map(|event_type| event_type.object.event_type_name())
        .collect();
    let meant = suggest::closest(name, names.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
    format!(
        "not checked: no WebhookEventType that was read declares {} through connection {connection:?}{meant}",
        quoted(name)
    )
}
