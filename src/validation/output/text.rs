//! A line for each finding, and the totals last.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use crate::{
    manifests::counted,
    plan::controls_terminal,
    validation::{
        finding::{Finding, Severity},
        report::{Report, Totals},
    },
};

pub(super) fn write(report: &Report, color: bool, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        let severity = finding.severity.as_str();
        let severity = match (color, finding.severity) {
            (false, _) => severity.to_owned(),
            (true, Severity::Error) => format!("\u{1b}[1;31m{severity}\u{1b}[0m"),
            (true, Severity::Warning) => format!("\u{1b}[1;33m{severity}\u{1b}[0m"),
        };
        writeln!(
            out,
            "{}: {severity}: {}",
            printable(&finding.position.to_string()),
            subject_and_message(finding)
        )?;
    }
    writeln!(out, "{}", totals(&report.totals))
}

/// Object, field and message, without control characters: names and keys can be anything.
pub(super) fn subject_and_message(finding: &Finding) -> String {
    let mut text = String::new();
    if let Some(object) = &finding.object {
        let _ = write!(text, "{object}: ");
    }
    text.push_str(&field_and_message(finding));
    printable(&text)
}

/// Field and message, without control characters.
pub(super) fn field_and_message(finding: &Finding) -> String {
    let text = match finding.pointer.is_root() {
        true => finding.message.clone(),
        false => format!("{}: {}", finding.pointer, finding.message),
    };
    printable(&text)
}

/// A text in one line that controls no terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if controls_terminal(c) { '\u{fffd}' } else { c }).collect()
}

/// What was read, found and left out, in one line.
pub(super) fn totals(totals: &Totals) -> String {
    let mut line = format!("{} in {}", counted(totals.objects, "object"), counted(totals.files, "file"));
    if totals.payloads > 0 {
        let _ = write!(line, ", {}", counted(totals.payloads, "payload"));
    }
    line.push_str(": ");
    let _ = match (totals.errors, totals.warnings) {
        (0, 0) => write!(line, "no findings"),
        (errors, 0) => write!(line, "{}", counted(errors, "error")),
        (0, warnings) => write!(line, "{}", counted(warnings, "warning")),
        (errors, warnings) => write!(line, "{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    if totals.accepted > 0 {
        let _ = write!(line, "; {} accepted", counted(totals.accepted, "warning"));
    }
    if totals.left_out > 0 {
        let _ = write!(line, "; {} of other kinds left out", counted(totals.left_out, "object"));
    }
    line
}
