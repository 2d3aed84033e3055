//! Workflow commands of GitHub Actions, which become annotations of a pull request.
//!
//! The format: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>.

use std::io::{self, Write};

use crate::validation::{finding::Severity, report::Report};

use super::text;

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let position = &finding.position;
        write!(out, "::{command} file={}", property(&position.file))?;
        if let Some(line) = position.line {
            write!(out, ",line={line}")?;
        }
        if let Some(column) = position.column {
            write!(out, ",col={column}")?;
        }
        if let Some(object) = &finding.object {
            write!(out, ",title={}", property(&object.to_string()))?;
        }
        writeln!(out, "::{}", data(&text::field_and_message(finding)))?;
    }
    writeln!(out, "{}", text::totals(&report.totals))
}

/// The text of a command, escaped as the runner reads it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of a command, escaped.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
