//! How much work a schema can make of a payload, known before any payload comes.
//!
//! References let a short schema ask for the same part again and again: thirty definitions, each of which asks
//! twice for the one before, are a billion visits at one place of the payload; a recursive schema with two ways
//! into itself doubles with every level of the payload. A validator does that work. So the first kind is refused
//! when the schema is compiled, and for the second the depth is computed to which payloads may go.
//!
//! The count is an upper bound: it takes every alternative, and every pattern as one that matches.

use std::collections::{BTreeMap, HashMap};

use super::{
    document::{self, Document, ReferenceKeyword},
    error::{InvalidSchema, beyond},
    keywords::Applies,
    payload::MAX_PAYLOAD_DEPTH,
};

/// Most visits of subschemas that one place of a payload may cost.
const MAX_VISITS: u64 = 100_000;
/// Longest chain of subschemas, each reached from the one before, down through a payload: a validator recurses
/// along it, and its stack is bounded.
const MAX_CHAIN: u64 = 400;
/// Most steps of this computation: beyond it a schema is too intricate to say anything of it.
const MAX_STEPS: usize = 5_000_000;
/// Most subschemas, where one that is reached by several ways to dynamic references counts once for each.
const MAX_PARTS: usize = 100_000;

/// A part, by its index.
type Node = usize;

/// A subschema as it is reached: what it judges with.
#[derive(Default)]
struct Part<'a> {
    same_place: Vec<Node>,
    members: BTreeMap<&'a str, Node>,
    /// Members whose name matches a pattern: taken as all.
    any_member: Vec<Node>,
    other_members: Vec<Node>,
    elements: Vec<Node>,
    /// The subschema in the document.
    subschema: document::Node,
}

impl Part<'_> {
    /// The parts that judge what is below.
    fn children(&self) -> impl Iterator<Item = Node> {
        let lists = [&self.any_member, &self.other_members, &self.elements];
        self.members.values().chain(lists.into_iter().flatten()).copied()
    }
}

/// The deepest payload that the schema may judge; refuses a schema that is too much work for any.
pub(super) fn deepest_payload(document: &Document<'_>) -> Result<usize, InvalidSchema> {
    let mut reader = Reader {
        document,
        scopes: vec![Scope::default()],
        numbers: HashMap::from([(Scope::default(), 0)]),
        entered: HashMap::new(),
        parts: Vec::new(),
        known: HashMap::new(),
        steps: 0,
    };
    reader.read()?;
    Counter { document, parts: &reader.parts, steps: 0 }.deepest()
}

/// What dynamic references mean, by the way that led to them: jsonschema notes each resource that it leaves for
/// another.
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
            if self.parts.len() > MAX_PARTS || self.steps > MAX_STEPS {
                return Err(beyond(format!(
                    "the schema is too intricate: its dynamic references lead to more than {MAX_PARTS} parts; let fewer \
                     parts have a $dynamicAnchor"
                )));
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

/// Counts visits.
struct Counter<'a, 'd> {
    document: &'d Document<'a>,
    parts: &'d [Part<'a>],
    steps: usize,
}

impl Counter<'_, '_> {
    fn deepest(&mut self) -> Result<usize, InvalidSchema> {
        let (expanded, order) = self.expanded()?;
        let visits =
            |node: Node| expanded[node].iter().fold(0u64, |sum, (_, times)| sum.saturating_add(*times));
        // How often the deepest level of a payload is visited, from each node, for payloads of growing depth.
        let mut level: Vec<u64> = (0..self.parts.len()).map(visits).collect();
        if let Some(node) = least_beyond(&level, MAX_VISITS) {
            return Err(self.limit(node, format!("the schema asks for the same parts again and again: one place of a payload would be judged more than \
                 {MAX_VISITS} times; let fewer parts refer to each other"
            )));
        }
        let mut chain = self.chains(&order, None);
        if let Some(node) = least_beyond(&chain, MAX_CHAIN) {
            return Err(self.limit(node, format!("a chain of more than {MAX_CHAIN} parts of the schema judges one place of a payload; let references \
                 lead to their target in fewer steps"
            )));
        }
        for depth in 1..=MAX_PAYLOAD_DEPTH {
            let mut next = Vec::with_capacity(level.len());
            for judges in &expanded {
                next.push(self.below(judges, &level)?);
            }
            let next_chain = self.chains(&order, Some(&chain));
            // The root is the first part.
            if next[0] > MAX_VISITS || next_chain[0] > MAX_CHAIN {
                return Ok(depth - 1);
            }
            if next[0] == 0 || (next == level && next_chain == chain) {
                return Ok(MAX_PAYLOAD_DEPTH);
            }
            (level, chain) = (next, next_chain);
        }
        Ok(MAX_PAYLOAD_DEPTH)
    }

    /// A bound that a part is beyond.
    fn limit(&self, node: Node, message: String) -> InvalidSchema {
        let pointer = self.document.subschemas[self.parts[node].subschema].pointer.clone();
        InvalidSchema::Limit { pointer, message }
    }

    /// For each node, the nodes that judge the same place of the payload, each with how often.
    /// Beside that, the nodes in an order in which each comes after those that it asks at the same place.
    #[allow(clippy::type_complexity)]
    fn expanded(&mut self) -> Result<(Vec<Vec<(Node, u64)>>, Vec<Node>), InvalidSchema> {
        let mut order = Vec::with_capacity(self.parts.len());
        let mut done: Vec<Option<Vec<(Node, u64)>>> = vec![None; self.parts.len()];
        for start in 0..self.parts.len() {
            // A walk with a stack of its own: chains of references may be long.
            let mut stack = vec![(start, 0)];
            let mut open = vec![false; self.parts.len()];
            while let Some((node, next)) = stack.pop() {
                if done[node].is_some() {
                    continue;
                }
                open[node] = true;
                let children = &self.parts[node].same_place;
                if let Some(child) = children.get(next) {
                    stack.push((node, next + 1));
                    // A part that asks for itself at the same place: validators notice, and stop.
                    if done[*child].is_none() && !open[*child] {
                        stack.push((*child, 0));
                    }
                    continue;
                }
                let mut sum: BTreeMap<Node, u64> = BTreeMap::from([(node, 1)]);
                for child in children {
                    for (judge, times) in done[*child].iter().flatten() {
                        self.step()?;
                        let total = sum.entry(*judge).or_default();
                        *total = total.saturating_add(*times);
                    }
                }
                done[node] = Some(sum.into_iter().collect());
                order.push(node);
                open[node] = false;
            }
        }
        Ok((done.into_iter().map(Option::unwrap_or_default).collect(), order))
    }

    /// The longest chain of parts from each node: at one place of the payload, or, where `below` has the chains
    /// from one level further down, from there on.
    fn chains(&self, order: &[Node], below: Option<&[u64]>) -> Vec<u64> {
        let mut chains = vec![0; self.parts.len()];
        for node in order {
            let part = &self.parts[*node];
            let here = part.same_place.iter().map(|next| chains[*next]).max();
            let down = below.and_then(|below| part.children().map(|child| below[child]).max());
            chains[*node] = match (here.max(down), below) {
                // Nothing of this node reaches down there.
                (None | Some(0), Some(_)) => 0,
                (most, _) => most.unwrap_or(0) + 1,
            };
        }
        chains
    }

    /// How often the deepest level is visited from a node, when the level above it is `level`: for the member
    /// or element for which that is most.
    fn below(&mut self, judges: &[(Node, u64)], level: &[u64]) -> Result<u64, InvalidSchema> {
        let (mut elements, mut unnamed, mut others) = (0u64, 0u64, 0u64);
        let mut named: HashMap<&str, u64> = HashMap::new();
        let add = |sum: &mut u64, node: Node, times: u64| {
            *sum = sum.saturating_add(level[node].saturating_mul(times));
        };
        let parts = self.parts;
        for (judge, times) in judges {
            let part = &parts[*judge];
            self.step()?;
            for node in &part.elements {
                add(&mut elements, *node, *times);
            }
            for node in &part.any_member {
                add(&mut unnamed, *node, *times);
            }
            for node in &part.other_members {
                add(&mut others, *node, *times);
            }
            for (name, node) in &part.members {
                self.step()?;
                add(named.entry(name).or_default(), *node, *times);
            }
        }
        let most_named = named.into_values().max().unwrap_or_default();
        // A member that one part names may be an unnamed one to another.
        let members = most_named.saturating_add(unnamed).saturating_add(others);
        Ok(members.max(elements))
    }

    fn step(&mut self) -> Result<(), InvalidSchema> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(beyond(format!(
                "the schema is too intricate: it takes more than {MAX_STEPS} steps to find out how its parts refer \
                 to each other; let fewer of them do so"
            )));
        }
        Ok(())
    }
}

/// The part with the least count beyond a bound: the others are beyond it since they ask for this one.
fn least_beyond(counts: &[u64], most: u64) -> Option<Node> {
    let beyond = counts.iter().enumerate().filter(|(_, count)| **count > most);
    beyond.min_by_key(|(_, count)| **count).map(|(node, _)| node)
}

#[cfg(test)]
mod tests;
