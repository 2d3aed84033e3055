//! Keywords that are not modelled.

use std::fmt::Write;

use sha2::{Digest as _, Sha256};

use super::Reader;
use crate::schema::{document::Node, evolution::model::Keyword};

/// Bytes of text that count as a step.
const BYTES_PER_STEP: u64 = 16;

/// All that a keyword may depend on, as text. Only its digest is kept: each of many keywords may depend on the whole schema.
#[derive(Default)]
struct Content {
    digest: Sha256,
    length: u64,
}

impl Write for Content {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.digest.update(text);
        self.length += text.len() as u64;
        Ok(())
    }
}

impl Reader<'_, '_, '_> {
    /// A keyword that is not modelled. Two are the same where all that they may depend on is the same text; where that is too
    /// much text, none is the same as another.
    pub(super) fn other(&mut self, node: Node, keyword: &'static str) -> Keyword {
        let content = self
            .content(node, keyword)
            .unwrap_or_else(|| format!("{keyword} of {:p} {node}", self.source.document));
        Keyword::Other { keyword, content: content.into() }
    }

    fn content(&mut self, node: Node, keyword: &'static str) -> Option<String> {
        let document = self.source.document;
        let mut content = Content::default();
        let _ = write!(content, "{} {}", keyword, self.source.format_assertion);
        let mut seen = std::collections::HashSet::new();
        let mut unseen = vec![node];
        while let Some(next) = unseen.pop() {
            if !seen.insert(next) {
                continue;
            }
            let before = content.length;
            let subschema = &document.subschemas[next];
            // A parent's text has the text of its children, but not of what they refer to.
            if next == node || !subschema.references.is_empty() {
                let _ = write!(content, "\n{:?} {}", subschema.draft, subschema.value);
            }
            for reference in &subschema.references {
                let target = &document.subschemas[reference.to];
                let _ = write!(content, "\n{} {:?} {}", target.pointer, target.draft, target.value);
                unseen.push(reference.to);
            }
            unseen.extend(subschema.children.iter().map(|edge| edge.to));
            if !self.budget.spend(1 + (content.length - before) / BYTES_PER_STEP) {
                return None;
            }
        }
        Some(format!("{keyword} {:x?}", content.digest.finalize()))
    }
}
