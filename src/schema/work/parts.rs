//! The parts of a schema: its subschemas as they are reached from the root, with dynamic references resolved.

use std::collections::{BTreeMap, HashMap};

use crate::schema::{
    document::{self, Document, ReferenceKeyword},
    error::InvalidSchema,
    keywords::Applies,
};

/// Most subschemas, where one that is reached by several ways to dynamic references counts once for each.
const MAX_PARTS: usize = 100_000;

/// A part, by its index.
pub(super) type Node = usize;

/// A subschema as it is reached: what it judges with.
#[derive(Default)]
pub(super) struct Part<'a> {
    pub same_place: Vec<Node>,
    pub members: BTreeMap<&'a str, Node>,
    /// Members whose name matches a pattern: taken as all.
    pub any_member: Vec<Node>,
    pub other_members: Vec<Node>,
    pub elements: Vec<Node>,
    /// The subschema in the document.
    pub subschema: document::Node,
}

impl Part<'_> {
    /// Returns the parts that judge the members and elements of a value.
    pub fn children(&self) -> impl Iterator<Item = Node> {
        let lists = [&self.any_member, &self.other_members, &self.elements];
        self.members.values().chain(lists.into_iter().flatten()).copied()
    }
}

/// Returns the parts of a schema, the root first: each subschema once for each meaning that dynamic references have in it.
pub(super) fn read<'a>(document: &Document<'a>, max_steps: usize) -> Result<Vec<Part<'a>>, InvalidSchema> {
    let mut reader = Reader {
        document,
        scopes: vec![Scope::default()],
        numbers: HashMap::from([(Scope::default(), 0)]),
        entered: HashMap::new(),
        parts: Vec::new(),
        known: HashMap::new(),
        steps: 0,
        max_steps,
    };
    reader.read()?;
    Ok(reader.parts)
}

/// Where dynamic references lead, by the resources that were left on the way to them, which jsonschema records as well.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Scope<'a> {
    /// For each dynamic anchor, the outermost of its name.
    anchors: BTreeMap<&'a str, document::Node>,
    /// The outermost resource with `$recursiveAnchor`, as far as all on the way in have it.
    recursive: Option<usize>,
}

/// Follows the subschemas of a document from its root.
struct Reader<'a, 'd> {
    document: &'d Document<'a>,
    scopes: Vec<Scope<'a>>,
    /// The scopes by what they are.
    numbers: HashMap<Scope<'a>, usize>,
    /// The scope that a reference in a resource makes of a scope.
    entered: HashMap<(usize, usize), usize>,
    /// How many anchors were noted in all.
    steps: usize,
    max_steps: usize,
    parts: Vec<Part<'a>>,
    known: HashMap<(document::Node, usize), Node>,
}

impl<'a> Reader<'a, '_> {
    fn read(&mut self) -> Result<(), InvalidSchema> {
        let document = self.document;
        let mut unread = Vec::new();
        self.part(0, 0, &mut unread);
        while let Some((node, scope)) = unread.pop() {
            let subschema = &document.subschemas[self.parts[node].subschema];
            if self.parts.len() > MAX_PARTS || self.steps > self.max_steps {
                let message = format!(
                    "the schema is too intricate: its dynamic references lead to more than {MAX_PARTS} parts, or it takes more \
                     than {} steps to follow them, which was given up at this part; let fewer parts have a $dynamicAnchor",
                    self.max_steps
                );
                return Err(InvalidSchema::Limit { pointer: subschema.pointer.clone(), message });
            }
            for edge in &subschema.children {
                if edge.applies == Applies::Nothing {
                    continue;
                }
                let inner = document.subschemas[edge.to].resource != subschema.resource;
                let below = if inner { self.entered(scope, subschema.resource) } else { scope };
                let to = self.part(edge.to, below, &mut unread);
                let part = &mut self.parts[node];
                match (edge.applies, edge.name) {
                    (Applies::Here, _) => part.same_place.push(to),
                    (Applies::Member, Some(name)) => drop(part.members.insert(name, to)),
                    // Names are texts: one visit each.
                    (Applies::MatchingMembers | Applies::Names | Applies::Member, _) => {
                        part.any_member.push(to);
                    }
                    (Applies::OtherMembers, _) => part.other_members.push(to),
                    (Applies::Elements, _) => part.elements.push(to),
                    (Applies::Nothing, _) => {}
                }
            }
            for reference in &subschema.references {
                let entered = self.entered(scope, subschema.resource);
                let target = match (reference.keyword, reference.dynamic) {
                    (ReferenceKeyword::DynamicRef, Some(name)) => {
                        self.scopes[entered].anchors.get(name).copied().unwrap_or(reference.to)
                    }
                    (ReferenceKeyword::RecursiveRef, _)
                        if document.resources[subschema.resource].recursive =>
                    {
                        let outermost = self.scopes[scope].recursive;
                        outermost.and_then(|resource| document.root_of(resource)).unwrap_or(reference.to)
                    }
                    _ => reference.to,
                };
                let to = self.part(target, entered, &mut unread);
                self.parts[node].same_place.push(to);
            }
        }
        Ok(())
    }

    fn part(&mut self, subschema: document::Node, scope: usize, unread: &mut Vec<(Node, usize)>) -> Node {
        *self.known.entry((subschema, scope)).or_insert_with(|| {
            let node = self.parts.len();
            self.parts.push(Part { subschema, ..Part::default() });
            unread.push((node, scope));
            node
        })
    }

    /// The scope of what a reference in a resource leads to.
    fn entered(&mut self, scope: usize, resource: usize) -> usize {
        if let Some(known) = self.entered.get(&(scope, resource)) {
            return *known;
        }
        let mut next = self.scopes[scope].clone();
        self.steps += next.anchors.len() + 1;
        for (name, node) in self.document.dynamic_anchors(resource) {
            next.anchors.entry(name).or_insert(node);
        }
        next.recursive =
            self.document.resources[resource].recursive.then(|| next.recursive.unwrap_or(resource));
        let number = *self.numbers.entry(next.clone()).or_insert(self.scopes.len());
        if number == self.scopes.len() {
            self.scopes.push(next);
        }
        self.entered.insert((scope, resource), number);
        number
    }
}
