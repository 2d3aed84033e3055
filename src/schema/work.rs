//! How much work a schema can make of a payload, known before any payload comes.
//!
//! References let a short schema ask for the same part again and again: thirty definitions, each of which asks
//! twice for the one before, are a billion visits at one place of the payload; a recursive schema with two ways
//! into itself doubles with every level of the payload. A validator does that work. So the first kind is refused
//! when the schema is compiled, and for the second the depth is computed to which payloads may go.
//!
//! The count is an upper bound: it takes every alternative, and every pattern as one that matches.

mod parts;

use std::collections::{BTreeMap, HashMap};

use super::{document::Document, error::InvalidSchema, size::MAX_PAYLOAD_DEPTH};
use parts::{Node, Part};

/// Most visits of subschemas that one place of a payload may cost.
const MAX_VISITS: u64 = 100_000;
/// Longest chain of subschemas, each reached from the one before, down through a payload: a validator recurses
/// along it, and its stack is bounded.
const MAX_CHAIN: u64 = 400;

/// Returns how deep a payload may be that the schema validates; refuses a schema that is too much work for any payload.
/// `max_steps`: most steps of finding that out.
pub(super) fn deepest_payload(document: &Document<'_>, max_steps: usize) -> Result<usize, InvalidSchema> {
    let parts = parts::read(document, max_steps)?;
    Counter { document, parts: &parts, steps: 0, max_steps }.deepest()
}

/// Counts visits.
struct Counter<'a, 'd> {
    document: &'d Document<'a>,
    parts: &'d [Part<'a>],
    steps: usize,
    max_steps: usize,
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
                        self.step(node)?;
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
            self.step(*judge)?;
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
                self.step(*judge)?;
                add(named.entry(name).or_default(), *node, *times);
            }
        }
        let most_named = named.into_values().max().unwrap_or_default();
        // A member that one part names may be an unnamed one to another.
        let members = most_named.saturating_add(unnamed).saturating_add(others);
        Ok(members.max(elements))
    }

    /// Counts a step at a part.
    fn step(&mut self, node: Node) -> Result<(), InvalidSchema> {
        self.steps += 1;
        let max = self.max_steps;
        if self.steps > max {
            return Err(self.limit(node, format!(
                "the schema is too intricate: it takes more than {max} steps to find out how its parts refer to each \
                 other, which was given up at this part; let fewer parts refer to each other"
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
