//! One JSON document.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    api::JsonPointer,
    manifests::Position,
    validation::{
        finding::{Finding, Rule, Severity},
        report::{Report, Totals},
    },
};

#[derive(Serialize)]
struct Document<'a> {
    findings: Vec<Entry<'a>>,
    totals: &'a Totals,
}

#[derive(Serialize)]
struct Entry<'a> {
    severity: Severity,
    rule: Rule,
    #[serde(flatten)]
    position: &'a Position,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Object<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a JsonPointer>,
    message: &'a str,
}

#[derive(Serialize)]
struct Object<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
}

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let document = Document { findings: report.findings.iter().map(entry).collect(), totals: &report.totals };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn entry(finding: &Finding) -> Entry<'_> {
    Entry {
        severity: finding.severity,
        rule: finding.rule,
        position: &finding.position,
        object: finding.object.as_ref().map(|id| Object {
            kind: &id.kind,
            namespace: id.namespace.as_deref(),
            name: &id.name,
        }),
        pointer: Some(&finding.pointer).filter(|pointer| !pointer.is_root()),
        message: &finding.message,
    }
}
