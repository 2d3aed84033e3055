//! The formats of a report.

mod github;
mod json;
mod junit;
mod sarif;
mod text;

use std::io::{self, Write};

use super::report::Report;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: a line for each finding, and the totals.
    Text,
    /// For programs: one JSON document.
    Json,
    /// Annotations of a pull request, as workflow commands of GitHub Actions.
    Github,
    /// JUnit XML, with a test case for each object.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// Writes a report. `strict`: warnings count as failures. `color`: for a terminal; only text has colours.
pub fn write(
    report: &Report,
    format: Format,
    strict: bool,
    color: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::Text => text::write(report, color, out),
        Format::Json => json::write(report, out),
        Format::Github => github::write(report, out),
        Format::Junit => junit::write(report, strict, out),
        Format::Sarif => sarif::write(report, out),
    }
}
