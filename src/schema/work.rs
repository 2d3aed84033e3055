//! How much work a schema can make of a payload, known before any payload comes.
//!
//! References let a short schema ask for the same part again and again: thirty definitions, each of which asks
//! twice for the one before, are a billion visits at one place of the payload; a recursive schema with two ways
//! into itself doubles with every level of the payload. A validator does that work. So the first kind is refused
//! when the schema is compiled, and for the second the depth is computed to which payloads may go.
//!
//! The count is an upper bound: it takes every alternative, and every pattern as one that matches.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::{InvalidSchema, MAX_PAYLOAD_DEPTH};

/// Most visits of subschemas that one place of a payload may cost.
const MAX_VISITS: u64 = 100_000;
/// Longest chain of subschemas, each reached from the one before, down through a payload: a validator recurses
/// along it, and its stack is bounded.
const MAX_CHAIN: u64 = 400;
/// Most steps of this computation: beyond it a schema is too intricate to say anything of it.
const MAX_STEPS: usize = 5_000_000;

/// Keywords whose value is a schema for the same place of the payload.
const SAME_PLACE: [&str; 4] = ["not", "if", "then", "else"];
/// Keywords with a list of such schemas.
const SAME_PLACE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords with such schemas by name.
const SAME_PLACE_MAPS: [&str; 2] = ["dependentSchemas", "dependencies"];
/// Keywords whose value is a schema, or a list of schemas, for the elements of an array.
const ELEMENTS: [&str; 5] = ["items", "prefixItems", "additionalItems", "contains", "unevaluatedItems"];
/// Keywords whose value is a schema for members that are not named.
const OTHER_MEMBERS: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
/// Keywords that refer to another part of the schema.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// A subschema, by its index.
type Node = usize;

#[derive(Default)]
struct Part {
    same_place: Vec<Node>,
    members: BTreeMap<String, Node>,
    /// Members whose name matches a pattern: taken as all.
    any_member: Vec<Node>,
    other_members: Vec<Node>,
    elements: Vec<Node>,
}

impl Part {
    /// The parts that judge what is below.
    fn children(&self) -> impl Iterator<Item = Node> {
        let lists = [&self.any_member, &self.other_members, &self.elements];
        self.members.values().chain(lists.into_iter().flatten()).copied()
    }
}

/// The deepest payload that the schema may judge; refuses a schema that is too much work for any.
pub(super) fn deepest_payload(schema: &Value) -> Result<usize, InvalidSchema> {
    let mut reader = Reader {
        root: schema,
        anchors: HashMap::new(),
        nodes: HashMap::new(),
        parts: Vec::new(),
        unread: Vec::new(),
    };
    reader.collect_anchors(schema);
    reader.read()?;
    Counter { parts: &reader.parts, steps: 0 }.deepest()
}

/// Reads a schema into parts, following references.
struct Reader<'a> {
    root: &'a Value,
    anchors: HashMap<&'a str, Vec<&'a Value>>,
    /// By address: a value in the schema is one node, however it is reached.
    nodes: HashMap<*const Value, Node>,
    parts: Vec<Part>,
    /// Nodes whose parts are not read yet: a list and no recursion, since chains of references may be long.
    unread: Vec<Unread<'a>>,
}

/// A subschema, where it stands, and the schema resource that it is in.
struct Unread<'a> {
    node: Node,
    map: &'a Map<String, Value>,
    pointer: String,
    base: String,
}

impl<'a> Reader<'a> {
    fn collect_anchors(&mut self, value: &'a Value) {
        match value {
            Value::Object(map) => {
                for keyword in ["$anchor", "$dynamicAnchor", "$id", "id"] {
                    if let Some(Value::String(name)) = map.get(keyword) {
                        let name = name.rsplit('#').next().unwrap_or_default();
                        self.anchors.entry(name).or_default().push(value);
                    }
                }
                map.values().for_each(|value| self.collect_anchors(value));
            }
            Value::Array(items) => items.iter().for_each(|value| self.collect_anchors(value)),
            _ => {}
        }
    }

    fn read(&mut self) -> Result<(), InvalidSchema> {
        self.node(self.root, "", "");
        while let Some(Unread { node, map, mut pointer, base }) = self.unread.pop() {
            // A part with an `$id` of its own is a resource of its own: `#` in it is its own root.
            let own = map.get("$id").and_then(Value::as_str).is_some_and(|id| !id.starts_with('#'));
            let base = if own { pointer.clone() } else { base };
            self.parts[node] = self.part(map, &mut pointer, &base)?;
        }
        Ok(())
    }

    /// The node of a subschema; `pointer` is where it stands, `base` the schema resource that it is part of.
    fn node(&mut self, value: &'a Value, pointer: &str, base: &str) -> Node {
        if let Some(node) = self.nodes.get(&std::ptr::from_ref(value)) {
            return *node;
        }
        let node = self.parts.len();
        self.nodes.insert(std::ptr::from_ref(value), node);
        self.parts.push(Part::default());
        if let Value::Object(map) = value {
            self.unread.push(Unread { node, map, pointer: pointer.to_owned(), base: base.to_owned() });
        }
        node
    }

    fn part(
        &mut self,
        map: &'a Map<String, Value>,
        pointer: &mut String,
        base: &str,
    ) -> Result<Part, InvalidSchema> {
        let mut part = Part::default();
        for (keyword, value) in map {
            let length = pointer.len();
            push(pointer, keyword);
            let keyword = keyword.as_str();
            match value {
                Value::String(target) if REFERENCES.contains(&keyword) => {
                    pointer.truncate(length);
                    for (target, place) in self.targets(target, pointer, keyword, base)? {
                        part.same_place.push(self.node(target, &place, base));
                    }
                    continue;
                }
                _ if SAME_PLACE.contains(&keyword) => part.same_place.push(self.node(value, pointer, base)),
                Value::Array(items) if SAME_PLACE_LISTS.contains(&keyword) || ELEMENTS.contains(&keyword) => {
                    for (index, item) in items.iter().enumerate() {
                        let length = pointer.len();
                        push(pointer, &index.to_string());
                        let node = self.node(item, pointer, base);
                        pointer.truncate(length);
                        if ELEMENTS.contains(&keyword) { &mut part.elements } else { &mut part.same_place }
                            .push(node);
                    }
                }
                _ if ELEMENTS.contains(&keyword) => part.elements.push(self.node(value, pointer, base)),
                _ if OTHER_MEMBERS.contains(&keyword) => {
                    part.other_members.push(self.node(value, pointer, base));
                }
                // Judges names, which are texts: one visit each.
                _ if keyword == "propertyNames" => part.any_member.push(self.node(value, pointer, base)),
                Value::Object(entries)
                    if SAME_PLACE_MAPS.contains(&keyword)
                        || matches!(keyword, "properties" | "patternProperties") =>
                {
                    for (name, entry) in entries {
                        let length = pointer.len();
                        push(pointer, name);
                        let node = self.node(entry, pointer, base);
                        pointer.truncate(length);
                        match keyword {
                            "properties" => drop(part.members.insert(name.clone(), node)),
                            "patternProperties" => part.any_member.push(node),
                            _ => part.same_place.push(node),
                        }
                    }
                }
                _ => {}
            }
            pointer.truncate(length);
        }
        Ok(part)
    }

    /// What a reference may mean, each with its place.
    fn targets(
        &self,
        target: &'a str,
        pointer: &str,
        keyword: &str,
        base: &str,
    ) -> Result<Vec<(&'a Value, String)>, InvalidSchema> {
        let Some(fragment) = target.strip_prefix('#').or_else(|| target.is_empty().then_some("")) else {
            return Err(InvalidSchema::RemoteReference {
                pointer: pointer.to_owned(),
                keyword: keyword.to_owned(),
                target: target.chars().take(200).collect(),
            });
        };
        if fragment.is_empty() || fragment.starts_with('/') {
            let fragment = percent_decoded(fragment);
            // `#` of a resource in the schema is its own root; with `$recursiveRef` it may be the outermost.
            let mut places = vec![format!("{base}{fragment}")];
            if !base.is_empty() {
                places.push(fragment);
            }
            return Ok(places
                .into_iter()
                .filter_map(|place| self.root.pointer(&place).map(|value| (value, place)))
                .collect());
        }
        Ok(self.anchors.get(fragment).into_iter().flatten().map(|value| (*value, String::new())).collect())
    }
}

/// Counts visits.
struct Counter<'a> {
    parts: &'a [Part],
    steps: usize,
}

impl Counter<'_> {
    fn deepest(&mut self) -> Result<usize, InvalidSchema> {
        let (expanded, order) = self.expanded()?;
        let visits =
            |node: Node| expanded[node].iter().fold(0u64, |sum, (_, times)| sum.saturating_add(*times));
        // How often the deepest level of a payload is visited, from each node, for payloads of growing depth.
        let mut level: Vec<u64> = (0..self.parts.len()).map(visits).collect();
        if level.iter().any(|visits| *visits > MAX_VISITS) {
            return Err(InvalidSchema::Limit(format!(
                "the schema asks for the same parts again and again: one place of a payload would be judged more than \
                 {MAX_VISITS} times; let fewer parts refer to each other"
            )));
        }
        let mut chain = self.chains(&order, None);
        if chain.iter().any(|chain| *chain > MAX_CHAIN) {
            return Err(InvalidSchema::Limit(format!(
                "a chain of more than {MAX_CHAIN} parts of the schema judges one place of a payload; let references lead to \
                 their target in fewer steps"
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
            return Err(InvalidSchema::Limit(
                "the schema is too intricate: too many parts refer to each other; let fewer of them do so"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

fn push(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

/// A fragment as it is meant: `%25` is `%`.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = std::str::from_utf8(tail.get(..2).unwrap_or_default()).ok();
        match code.filter(|_| *first == b'%').and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests;
