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

mod index;
mod resolve;

use std::collections::{HashMap, HashSet};

use jsonschema::{Draft, Uri};
use serde_json::Value;

use super::{InvalidSchema, keywords::Applies};

/// The index of a subschema.
pub(super) type Node = usize;

/// A schema and all that it refers to.
pub(super) struct Document<'a> {
    /// The subschemas; the first is the root.
    pub subschemas: Vec<Subschema<'a>>,
    /// The schema resources; the first is the root's.
    pub resources: Vec<Resource<'a>>,
    /// By address: a value is one subschema, however it is reached.
    nodes: HashMap<*const Value, Node>,
    /// Resources by the address of their root.
    roots: HashMap<*const Value, usize>,
    /// The identifiers of subschemas.
    declared: Names<'a>,
    /// Identifiers where no draft expects a schema; they count where nothing else has the name.
    found: Names<'a>,
}

/// Identifiers, and what they name.
#[derive(Default)]
struct Names<'a> {
    resources: HashMap<String, usize>,
    anchors: HashMap<(usize, String), Place<'a>>,
}

/// A value in the document, with what is inherited there.
#[derive(Clone)]
struct Place<'a> {
    value: &'a Value,
    pointer: String,
    resource: usize,
    draft: Draft,
}

/// A subschema.
pub(super) struct Subschema<'a> {
    /// The subschema.
    pub value: &'a Value,
    /// Where it stands in its document.
    pub pointer: String,
    /// The draft that it is written in.
    pub draft: Draft,
    /// The resource that it is part of.
    pub resource: usize,
    /// The subschemas under its keywords.
    pub children: Vec<Edge<'a>>,
    /// What it refers to.
    pub references: Vec<Reference<'a>>,
    /// Whether it may validate a part of a payload.
    pub is_used: bool,
    /// What is wrong with a reference of it that leads nowhere. Nobody minds as long as it is not used.
    broken: Option<InvalidSchema>,
}

/// From a subschema to one under a keyword of it.
pub(super) struct Edge<'a> {
    /// What the child judges.
    pub applies: Applies,
    /// The key that the child stands under.
    pub name: Option<&'a str>,
    /// The child.
    pub to: Node,
}

/// A reference that leads to a part of the document or of a meta-schema.
pub(super) struct Reference<'a> {
    /// `$ref`, `$dynamicRef` or `$recursiveRef`.
    pub keyword: ReferenceKeyword,
    /// Where it leads.
    pub to: Node,
    /// The dynamic anchor that it names, if the target has one of this name.
    pub dynamic: Option<&'a str>,
}

/// A keyword that refers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReferenceKeyword {
    Ref,
    DynamicRef,
    RecursiveRef,
}

impl ReferenceKeyword {
    const ALL: [Self; 3] = [Self::Ref, Self::DynamicRef, Self::RecursiveRef];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ref => "$ref",
            Self::DynamicRef => "$dynamicRef",
            Self::RecursiveRef => "$recursiveRef",
        }
    }

    /// Whether a draft knows it.
    fn is_known(self, draft: Draft) -> bool {
        match self {
            Self::Ref => true,
            Self::DynamicRef => draft == Draft::Draft202012,
            Self::RecursiveRef => draft == Draft::Draft201909,
        }
    }
}

/// A schema resource: a document, or a part of it with an identifier of its own.
pub(super) struct Resource<'a> {
    /// Its address, without a fragment.
    uri: Uri<String>,
    root: Place<'a>,
    /// The resource that is the whole document.
    document: usize,
    /// Its `$dynamicAnchor`s, each with the place.
    dynamic: Vec<(&'a str, Place<'a>)>,
    /// Whether its root has `$recursiveAnchor: true`.
    pub recursive: bool,
}

impl<'a> Document<'a> {
    /// Reads a schema whose depth is bounded. An error names a reference that leads out of the document, or one that leads
    /// nowhere and is used.
    pub fn read(schema: &'a Value, draft: Draft) -> Result<Self, InvalidSchema> {
        let mut document = Self {
            subschemas: Vec::new(),
            resources: Vec::new(),
            nodes: HashMap::new(),
            roots: HashMap::new(),
            declared: Names::default(),
            found: Names::default(),
        };
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

    /// Whether a subschema ignores its keywords other than the reference.
    pub fn is_only_a_reference(draft: Draft, value: &Value) -> bool {
        draft <= Draft::Draft7 && value.get("$ref").is_some_and(Value::is_string)
    }

    /// The root of the resource that a subschema is part of.
    pub fn root_of(&self, resource: usize) -> Option<Node> {
        self.node_at(&self.resources[resource].root)
    }

    /// The dynamic anchors of a resource.
    pub fn dynamic_anchors(&self, resource: usize) -> impl Iterator<Item = (&'a str, Node)> {
        self.resources[resource]
            .dynamic
            .iter()
            .filter_map(|(name, place)| Some((*name, self.node_at(place)?)))
    }

    /// The subschema that a value of the document is.
    pub fn node_of(&self, value: &Value) -> Option<Node> {
        self.nodes.get(&std::ptr::from_ref(value)).copied()
    }

    /// Whether a subschema is part of the document; else it is part of a meta-schema.
    pub fn is_inside(&self, subschema: &Subschema<'a>) -> bool {
        self.resources[subschema.resource].document == 0
    }

    /// The meta-schemas that were read, each whole.
    pub fn meta_schemas(&self) -> impl Iterator<Item = &'a Value> {
        let documents = self.resources.iter().enumerate().filter(|(index, it)| it.document == *index);
        documents.skip(1).map(|(_, resource)| resource.root.value)
    }

    /// The address of the document that a resource is part of.
    pub fn document_of(&self, resource: usize) -> &str {
        let resource = &self.resources[resource];
        self.resources[resource.document].address()
    }

    fn node_at(&self, place: &Place<'a>) -> Option<Node> {
        self.node_of(place.value)
    }
}

impl Resource<'_> {
    /// Its address, without a fragment.
    pub fn address(&self) -> &str {
        self.uri.as_str()
    }
}

#[cfg(test)]
mod tests;
