//! Reads a document into raw nodes: references followed, annotations left out, one node for each subschema and way of
//! reading it.

mod closed;
mod cycles;
mod enumerations;
mod intern;
mod keywords;
mod others;
mod raw;
mod unevaluated;

use std::{collections::HashMap, rc::Rc};

use serde_json::Value;

use super::{
    budget::{Budget, Budgets},
    model::{Keyword, Members, Model, NodeId},
};
use crate::schema::{
    document::{Document, Node, Reference, ReferenceKeyword},
    patterns::Patterns,
};
pub(super) use closed::has_closed;
pub(super) use raw::{Raw, RawId};

/// Most steps of reading one schema, beyond what every subschema takes once.
const MAX_STEPS: u64 = 1_000_000;

/// How a subschema is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    /// As it is written.
    Written,
    /// Closed objects are opened: it matches more values, never fewer.
    Opened,
    /// As it is written, under a `not` of an opened schema: a `not` in it is opened again.
    Negated,
}

/// One of the two schemas, and what is needed to read it.
pub(super) struct Source<'a, 'd> {
    pub document: &'d Document<'a>,
    pub patterns: &'d Patterns,
    pub format_assertion: bool,
}

/// The raw nodes of one schema.
pub(super) struct Reader<'a, 'd, 'm> {
    source: Source<'a, 'd>,
    model: &'m mut Model,
    raw: Vec<Raw>,
    known: HashMap<(Node, Mode), RawId>,
    pointers: HashMap<Node, Rc<str>>,
    /// Nodes whose keywords are not read yet.
    unread: Vec<(Node, Mode, RawId)>,
    budget: Budget,
    /// How many resources have each dynamic anchor.
    anchors: HashMap<&'a str, usize>,
    /// How many resources have a `$recursiveAnchor`.
    recursive: usize,
}

/// Both schemas, read into one model.
pub(super) struct Read {
    /// The raw nodes of both.
    pub raw: Vec<Raw>,
    /// The node of the model that each raw node is.
    pub nodes: Vec<NodeId>,
    /// The raw node that is the root of the old schema, and that of the new one.
    pub roots: [RawId; 2],
}

/// Reads both schemas into the model, each in its mode.
pub(super) fn read(
    old: (Source<'_, '_>, Mode),
    new: (Source<'_, '_>, Mode),
    model: &mut Model,
    budgets: &Budgets,
) -> Read {
    let mut raw = nodes(old.0, old.1, model, budgets);
    let second = raw.len();
    raw.extend(nodes(new.0, new.1, model, budgets).into_iter().map(|it| Raw {
        keywords: it.keywords.iter().map(|keyword| keyword.map(|node| node + second)).collect(),
        pointer: it.pointer,
    }));
    cycles::cut(&mut raw);
    let nodes = intern::intern(&raw, model, budgets);
    Read { raw, nodes, roots: [0, second] }
}

/// The raw nodes of a schema; the first is the root.
fn nodes<'a>(source: Source<'a, '_>, mode: Mode, model: &mut Model, budgets: &Budgets) -> Vec<Raw> {
    let document = source.document;
    let mut anchors = HashMap::new();
    for (name, _) in (0..document.resources.len()).flat_map(|resource| document.dynamic_anchors(resource)) {
        *anchors.entry(name).or_default() += 1;
    }
    let recursive = document.resources.iter().filter(|resource| resource.recursive).count();
    let mut reader = Reader {
        source,
        model,
        raw: Vec::new(),
        known: HashMap::new(),
        pointers: HashMap::new(),
        unread: Vec::new(),
        budget: budgets.budget(MAX_STEPS),
        anchors,
        recursive,
    };
    reader.node(0, mode);
    while let Some((node, mode, raw)) = reader.unread.pop() {
        reader.raw[raw].keywords = reader.keywords(node, mode);
    }
    reader.raw
}

impl<'a> Reader<'a, '_, '_> {
    /// The raw node of a subschema.
    fn node(&mut self, node: Node, mode: Mode) -> RawId {
        if let Some(known) = self.known.get(&(node, mode)) {
            return *known;
        }
        let pointer = self.pointer(node);
        let raw = self.push(Vec::new(), pointer);
        self.known.insert((node, mode), raw);
        self.unread.push((node, mode, raw));
        raw
    }

    /// The raw node of the subschema that a value is.
    fn at(&mut self, value: &'a Value, mode: Mode) -> Option<RawId> {
        self.source.document.node_of(value).map(|node| self.node(node, mode))
    }

    /// Where a subschema stands. There may be many raw nodes of one, and pointers are as long as keys are.
    fn pointer(&mut self, node: Node) -> Rc<str> {
        let pointer = || self.source.document.subschemas[node].pointer.as_str().into();
        Rc::clone(self.pointers.entry(node).or_insert_with(pointer))
    }

    fn push(&mut self, keywords: Vec<Keyword>, pointer: Rc<str>) -> RawId {
        self.raw.push(Raw { keywords, pointer });
        self.raw.len() - 1
    }

    /// A raw node that has no place of its own.
    fn made(&mut self, keywords: Vec<Keyword>, like: Node) -> RawId {
        let pointer = self.pointer(like);
        self.push(keywords, pointer)
    }

    fn keywords(&mut self, node: Node, mode: Mode) -> Vec<Keyword> {
        let document = self.source.document;
        let subschema = &document.subschemas[node];
        let mut out = Vec::new();
        let map = match subschema.value {
            Value::Bool(false) => return vec![Keyword::Never],
            Value::Object(map) => map,
            _ => return out,
        };
        for reference in &subschema.references {
            match self.is_static(reference) {
                true => out.push(Keyword::AllOf(vec![self.node(reference.to, mode)])),
                false => out.push(self.other(node, reference.keyword.as_str())),
            }
        }
        if Document::is_only_a_reference(subschema.draft, subschema.value) {
            return out;
        }
        let mut members = Members::default();
        for (name, value) in map {
            self.keyword(node, mode, map, name, value, &mut members, &mut out);
        }
        if !members.named.is_empty() || !members.patterns.is_empty() || members.additional.is_some() {
            members.patterns.sort_unstable();
            out.push(Keyword::Properties(members));
        }
        out
    }

    /// Whether a reference leads to the same place however it is reached.
    fn is_static(&self, reference: &Reference<'_>) -> bool {
        match reference.keyword {
            ReferenceKeyword::Ref => true,
            ReferenceKeyword::DynamicRef => {
                reference.dynamic.is_none_or(|name| self.anchors.get(name).is_none_or(|count| *count <= 1))
            }
            ReferenceKeyword::RecursiveRef => self.recursive <= 1,
        }
    }
}
