//! SARIF 2.1.0, the format of code scanning tools.
//!
//! The format: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::{
    fmt::Write as _,
    io::{self, Write},
    path::Path,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use strum::VariantArray as _;

use crate::validation::{
    finding::{Finding, Rule, STANDARD_INPUT, Severity},
    report::Report,
};

use super::text;

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let rules: Vec<_> = Rule::VARIANTS
        .iter()
        .map(|rule| json!({"id": rule.as_str(), "shortDescription": {"text": rule.description()}}))
        .collect();
    let results: Vec<_> = report.findings.iter().map(result).collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "svix-operator",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn result(finding: &Finding) -> Value {
    let mut location = json!({});
    // A region needs a file, and the standard input is none.
    if let Some(uri) = uri(&finding.position.file) {
        let mut physical = json!({"artifactLocation": {"uri": uri}});
        if let Some(line) = finding.position.line {
            physical["region"] = json!({"startLine": line});
            if let Some(column) = finding.position.column {
                physical["region"]["startColumn"] = column.into();
            }
        }
        location["physicalLocation"] = physical;
    }
    if let Some(object) = &finding.object {
        let name = text::printable(&format!("{object} {}", finding.pointer));
        location["logicalLocations"] = json!([{"fullyQualifiedName": name.trim_end(), "kind": "object"}]);
    }
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let index = Rule::VARIANTS.iter().position(|rule| *rule == finding.rule);
    json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": index,
        "level": level,
        "message": {"text": text::subject_and_message(finding)},
        "locations": [location],
        "partialFingerprints": {"finding/v1": fingerprint(finding)},
    })
}

/// Stays the same when lines are inserted before it.
fn fingerprint(finding: &Finding) -> String {
    let mut hash = Sha256::new();
    let object = finding.object.as_ref().map(ToString::to_string).unwrap_or_default();
    for part in
        [finding.rule.as_str(), &finding.position.file, &object, finding.pointer.as_str(), &finding.message]
    {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut text = String::new();
    for byte in &hash.finalize()[..16] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The path of a file as a URI: relative where the path is. `None`: the standard input.
fn uri(file: &str) -> Option<String> {
    if file == STANDARD_INPUT {
        return None;
    }
    let path = Path::new(file);
    if path.is_absolute() {
        return url::Url::from_file_path(path).ok().map(String::from);
    }
    let mut uri = String::new();
    for byte in file.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte))
            }
            byte => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    Some(uri)
}
