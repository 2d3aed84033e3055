//! A schema as a graph: its subschemas, the schema resources that they belong to, and where each reference leads.
//!
//! Nothing outside the document is read. Inside are all parts of the document, by JSON Pointer, by `$id` and by anchor,
//! and the meta-schemas of the drafts. Everything that has to know where a reference leads asks here: the bounds on work
//! (`work`) and the document that the validator compiles (`rewrite`).
//!
//! 1. `read` walks the document from its root and records each subschema with its draft and resource ([`index`]).
//! 2. Objects under keywords that no draft knows are searched for identifiers, too: tools bundle schemas under
//!    `components/schemas`, and under `$defs` in drafts that do not know it.
//! 3. Each reference is resolved ([`resolve`]). A part that no keyword leads to becomes a subschema when a reference does.

mod graph;
mod index;
mod resolve;

use std::collections::HashSet;

use jsonschema::Draft;
use serde_json::Value;

use super::{error::InvalidSchema, keywords::Applies};
pub(super) use graph::{Document, Node, Reference, ReferenceKeyword, Subschema};
pub(super) use resolve::percent_decoded;

impl<'a> Document<'a> {
    /// Reads a schema whose depth is bounded. An error names a reference that leads out of the document, or one that leads
    /// nowhere and is used.
    pub fn read(schema: &'a Value, draft: Draft) -> Result<Self, InvalidSchema> {
        let mut document = Self::default();
        document.add_document(resolve::default_base()?, schema, draft)?;
        document.resolve_references()?;
        document.mark_used();
        let broken = document.subschemas.iter_mut().filter(|it| it.is_used).find_map(|it| it.broken.take());
        match broken {
            Some(error) => Err(error),
            None => Ok(document),
        }
    }

    /// Marks the subschemas that may validate a part of a payload: those that keywords and references lead to from the
    /// root.
    fn mark_used(&mut self) {
        let mut names = HashSet::new();
        let mut unseen = vec![0];
        while let Some(node) = unseen.pop() {
            let Some(subschema) = self.subschemas.get_mut(node) else { continue };
            if std::mem::replace(&mut subschema.is_used, true) {
                continue;
            }
            let subschema = &self.subschemas[node];
            let children = subschema.children.iter().filter(|edge| edge.applies != Applies::Nothing);
            unseen.extend(children.map(|edge| edge.to));
            for reference in &subschema.references {
                unseen.push(reference.to);
                // A dynamic reference may lead to each anchor of its name.
                let is_recursive = reference.keyword == ReferenceKeyword::RecursiveRef;
                if (reference.dynamic.is_some() || is_recursive) && names.insert(reference.dynamic) {
                    for resource in 0..self.resources.len() {
                        let anchors = self.dynamic_anchors(resource);
                        unseen.extend(
                            anchors.filter(|(name, _)| Some(*name) == reference.dynamic).map(|(_, to)| to),
                        );
                        let is_recursive = is_recursive && self.resources[resource].recursive;
                        unseen.extend(self.root_of(resource).filter(|_| is_recursive));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
