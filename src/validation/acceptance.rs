//! Warnings that somebody has read and accepted, one by one, in a file that is kept beside the manifests.
//!
//! A line accepts the warnings about one field of one object: `<Kind> <namespace>/<name> <JSON Pointer>`, without the
//! namespace for a kind that has none. `#` begins a comment. Errors cannot be accepted. A line that no warning matches
//! is a warning itself, so that the file does not outlive its reasons.

use crate::{api::JsonPointer, manifests::Position};

use super::finding::{Finding, Rule, Severity};

/// The accepted warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acceptances {
    file: String,
    lines: Vec<Acceptance>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Acceptance {
    line: usize,
    /// Kind, and namespace and name, as findings print them.
    object: String,
    pointer: String,
}

/// A line that is not an acceptance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}:{line}: expected <Kind> <namespace>/<name> <JSON Pointer>, such as WebhookEventType shop/order.placed /spec/schema"
)]
pub struct InvalidAcceptance {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl Acceptances {
    /// Reads the text of a file.
    pub fn parse(file: &str, text: &str) -> Result<Self, InvalidAcceptance> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let content = line.split_once(" #").map_or(line, |(content, _)| content).trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let parts: Vec<_> = content.split_whitespace().collect();
            let [kind, name, pointer] = parts[..] else {
                return Err(InvalidAcceptance { file: file.to_owned(), line: line_number });
            };
            if !pointer.starts_with('/') {
                return Err(InvalidAcceptance { file: file.to_owned(), line: line_number });
            }
            // The whole object is `/`: a line has three words.
            let pointer = if pointer == "/" { "" } else { pointer };
            let (object, pointer) = (format!("{kind} {name}"), pointer.to_owned());
            lines.push(Acceptance { line: line_number, object, pointer });
        }
        Ok(Self { file: file.to_owned(), lines })
    }

    /// Takes the accepted warnings out, and adds one for each line that accepts nothing. Returns the number of those
    /// that were taken out.
    pub(super) fn apply(&self, findings: &mut Vec<Finding>) -> usize {
        let mut is_used = vec![false; self.lines.len()];
        let before = findings.len();
        findings.retain(|finding| {
            let Some(object) = finding.object.as_ref().filter(|_| finding.severity == Severity::Warning)
            else {
                return true;
            };
            let object = object.to_string();
            let accepts =
                |line: &Acceptance| line.object == object && line.pointer == finding.pointer.as_str();
            match self.lines.iter().position(accepts) {
                Some(index) => {
                    is_used[index] = true;
                    false
                }
                None => true,
            }
        });
        let accepted = before - findings.len();
        let unused =
            self.lines.iter().zip(is_used).filter(|(_, is_used)| !is_used).map(|(line, _)| Finding {
                position: Position { file: self.file.clone(), line: Some(line.line), column: Some(1) },
                object: None,
                pointer: JsonPointer::ROOT,
                severity: Severity::Warning,
                rule: Rule::Acceptance,
                message: format!("no warning about {} {}: remove the line", line.object, line.pointer),
            });
        findings.extend(unused);
        accepted
    }
}
