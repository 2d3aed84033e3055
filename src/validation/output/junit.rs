//! JUnit XML: a test suite for each file, with a test case for each object.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use crate::validation::{
    finding::{Finding, Severity},
    report::Report,
};

use super::text;

/// Test cases by file and name.
type Cases<'a> = BTreeMap<(&'a str, String), Vec<&'a Finding>>;

pub(super) fn write(report: &Report, strict: bool, out: &mut impl Write) -> io::Result<()> {
    let is_failure = |finding: &&&Finding| strict || finding.severity == Severity::Error;
    let cases = cases(report);
    let failed = |findings: &[&Finding]| findings.iter().any(|finding| is_failure(&finding));
    let failures = cases.values().filter(|findings| failed(findings)).count();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="svix-operator validate" tests="{}" failures="{failures}">"#,
        cases.len()
    )?;
    let files: BTreeSet<_> = cases.keys().map(|(file, _)| *file).collect();
    for file in files {
        let inside = || cases.iter().filter(|((of, _), _)| *of == file);
        let tests = inside().count();
        let failures = inside().filter(|(_, findings)| failed(findings)).count();
        writeln!(
            out,
            r#"  <testsuite name="{}" tests="{tests}" failures="{failures}" errors="0" skipped="0">"#,
            escaped(file)
        )?;
        for ((_, name), findings) in inside() {
            write!(out, r#"    <testcase name="{}" classname="{}""#, escaped(name), escaped(file))?;
            if findings.is_empty() {
                writeln!(out, "/>")?;
                continue;
            }
            writeln!(out, ">")?;
            let line =
                |finding: &Finding| format!("{}: {}", finding.position, text::field_and_message(finding));
            if failed(findings) {
                let failures: Vec<_> = findings.iter().filter(is_failure).collect();
                let first =
                    failures.first().map(|finding| text::field_and_message(finding)).unwrap_or_default();
                let all: Vec<_> = failures.iter().map(|finding| line(finding)).collect();
                writeln!(
                    out,
                    r#"      <failure message="{}">{}</failure>"#,
                    escaped(&first),
                    escaped(&all.join("\n"))
                )?;
            }
            let warnings: Vec<_> =
                findings.iter().filter(|finding| !is_failure(finding)).map(|finding| line(finding)).collect();
            if !warnings.is_empty() {
                writeln!(out, "      <system-out>{}</system-out>", escaped(&warnings.join("\n")))?;
            }
            writeln!(out, "    </testcase>")?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn cases(report: &Report) -> Cases<'_> {
    let mut cases = Cases::new();
    for (object, file) in &report.objects {
        cases.insert((file, object.to_string()), Vec::new());
    }
    for finding in &report.findings {
        let file = finding.position.file.as_str();
        let name = finding.object.as_ref().map_or_else(|| file.to_owned(), ToString::to_string);
        cases.entry((file, name)).or_default().push(finding);
    }
    cases
}

/// Text of an element or an attribute. XML has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
