//! The graph of a schema: its subschemas, the schema resources that they belong to, and the references between them.

use std::collections::HashMap;

use jsonschema::{Draft, Uri};
use serde_json::Value;

use crate::schema::{error::InvalidSchema, keywords::Applies};

/// The index of a subschema.
pub(in crate::schema) type Node = usize;

/// A schema and all that it refers to.
#[derive(Default)]
pub(in crate::schema) struct Document<'a> {
    /// The subschemas; the first is the root.
    pub subschemas: Vec<Subschema<'a>>,
    /// The schema resources; the first is the root's.
    pub resources: Vec<Resource<'a>>,
    /// By [`address`]: a value is one subschema, however it is reached.
    pub(super) nodes: HashMap<usize, Node>,
    /// Resources by the address of their root.
    pub(super) roots: HashMap<usize, usize>,
    /// The identifiers of subschemas.
    pub(super) declared: Names<'a>,
    /// Identifiers where no draft expects a schema; they count where nothing else has the name.
    pub(super) found: Names<'a>,
}

/// Identifiers, and what they name.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub resources: HashMap<String, usize>,
    pub anchors: HashMap<(usize, String), Place<'a>>,
}

/// A value in the document, with what is inherited there.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub value: &'a Value,
    pub pointer: String,
    pub resource: usize,
    pub draft: Draft,
}

/// A subschema.
pub(in crate::schema) struct Subschema<'a> {
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
    /// The error of a reference of it that leads nowhere. It counts only if the subschema is used.
    pub(super) broken: Option<InvalidSchema>,
}

/// From a subschema to one under a keyword of it.
pub(in crate::schema) struct Edge<'a> {
    /// What the child judges.
    pub applies: Applies,
    /// The key that the child stands under.
    pub name: Option<&'a str>,
    /// The child.
    pub to: Node,
}

/// A reference that leads to a part of the document or of a meta-schema.
pub(in crate::schema) struct Reference<'a> {
    /// `$ref`, `$dynamicRef` or `$recursiveRef`.
    pub keyword: ReferenceKeyword,
    /// Where it leads.
    pub to: Node,
    /// The dynamic anchor that it names, if the target has one of this name.
    pub dynamic: Option<&'a str>,
}

/// A keyword that refers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum ReferenceKeyword {
    Ref,
    DynamicRef,
    RecursiveRef,
}

impl ReferenceKeyword {
    pub(super) const ALL: [Self; 3] = [Self::Ref, Self::DynamicRef, Self::RecursiveRef];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ref => "$ref",
            Self::DynamicRef => "$dynamicRef",
            Self::RecursiveRef => "$recursiveRef",
        }
    }

    /// Whether a draft knows it.
    pub(super) fn is_known(self, draft: Draft) -> bool {
        match self {
            Self::Ref => true,
            Self::DynamicRef => draft == Draft::Draft202012,
            Self::RecursiveRef => draft == Draft::Draft201909,
        }
    }
}

/// A schema resource: a document, or a part of it with an identifier of its own.
pub(in crate::schema) struct Resource<'a> {
    /// Its address, without a fragment.
    pub(super) uri: Uri<String>,
    /// Where it begins.
    pub(super) root: Place<'a>,
    /// The resource that is the whole document.
    pub(super) document: usize,
    /// Its `$dynamicAnchor`s, each with the place.
    pub(super) dynamic: Vec<(&'a str, Place<'a>)>,
    /// Whether its root has `$recursiveAnchor: true`.
    pub recursive: bool,
}

/// The address of a value, as a number, since threads may share a document and not a pointer.
pub(super) fn address(value: &Value) -> usize {
    std::ptr::from_ref(value) as usize
}

impl<'a> Document<'a> {
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
        self.nodes.get(&address(value)).copied()
    }

    /// Whether a subschema is part of the document; else it is part of a meta-schema.
    pub fn is_inside(&self, subschema: &Subschema<'a>) -> bool {
        self.resources[subschema.resource].document == 0
    }

    /// The address of the document that a resource is part of.
    pub fn document_of(&self, resource: usize) -> &str {
        let resource = &self.resources[resource];
        self.resources[resource.document].address()
    }

    /// The subschema at a place.
    pub(super) fn node_at(&self, place: &Place<'a>) -> Option<Node> {
        self.node_of(place.value)
    }
}

impl Resource<'_> {
    /// Its address, without a fragment.
    pub fn address(&self) -> &str {
        self.uri.as_str()
    }
}
