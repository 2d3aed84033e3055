//! Whether a value matches a node of the model. The solver uses it to see which assertions a value that it made violates.

use std::collections::HashMap;

use regex_automata::{meta::Regex, nfa::thompson::WhichCaptures};
use serde_json::Value;

use super::{
    budget::Budget,
    constants::{are_unique, weight},
    decimal::Decimal,
    model::{FacetId, KeyId, Keyword, Members, Model, NodeId, PatternId, Type},
};
use crate::schema::Compiled;

/// Deepest nesting of nodes that is followed.
const MAX_DEPTH: usize = 200;
/// How many nodes are evaluated before the results are remembered: most evaluations are shorter.
const REMEMBERED_FROM: usize = 64;
/// Most results that are remembered.
const MAX_REMEMBERED: usize = 100_000;
/// Most bytes of the tables with which a pattern is matched.
const MAX_TABLES: usize = 64 * 1024;
/// The steps, and the bytes, of compiling a facet.
const FACET: (u64, u64) = (500, 16 * 1024);

/// Patterns and facets, compiled when they are first needed.
#[derive(Default)]
pub(super) struct Checks {
    patterns: HashMap<PatternId, Option<Regex>>,
    facets: HashMap<FacetId, Option<Compiled>>,
}

impl Checks {
    /// Whether text matches a pattern; `None` where that is not known.
    pub fn matches(
        &mut self,
        model: &Model,
        budget: &mut Budget,
        pattern: PatternId,
        text: &str,
    ) -> Option<bool> {
        if !budget.spend(1 + text.len() as u64 / 16) {
            return None;
        }
        let regex = self.patterns.entry(pattern).or_insert_with(|| {
            let config = Regex::config()
                .which_captures(WhichCaptures::None)
                .hybrid_cache_capacity(MAX_TABLES)
                .onepass(false)
                .backtrack(false);
            let regex = Regex::builder().configure(config).build(model.pattern(pattern)).ok()?;
            let bytes = regex.memory_usage() as u64;
            (budget.spend(bytes / 64) && budget.keep(bytes + MAX_TABLES as u64 / 4)).then_some(regex)
        });
        regex.as_ref().map(|regex| regex.is_match(text))
    }

    /// Whether text has a facet; `None` where that is not known.
    pub fn has_facet(
        &mut self,
        model: &Model,
        budget: &mut Budget,
        facet: FacetId,
        text: &str,
    ) -> Option<bool> {
        if !budget.spend(4 + text.len() as u64 / 4) {
            return None;
        }
        let compiled = self.facets.entry(facet).or_insert_with(|| {
            if !budget.spend(FACET.0) || !budget.keep(FACET.1) {
                return None;
            }
            let schema = serde_json::from_str(&model.facet(facet).schema).ok()?;
            Compiled::new(&schema, true).ok()
        });
        compiled.as_ref().map(|compiled| compiled.violations(&text.into()).0.is_empty())
    }
}

/// Evaluates nodes of a model.
pub(super) struct Evaluation<'m> {
    model: &'m Model,
    checks: &'m mut Checks,
    budget: &'m mut Budget,
    count: usize,
    known: HashMap<(NodeId, *const Value), Option<bool>>,
}

/// Whether all are true; `None` where it depends on what is not known.
fn all(values: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for value in values {
        match value {
            Some(false) => return Some(false),
            Some(true) => {}
            None => result = None,
        }
    }
    result
}

/// Whether one is true.
fn any(values: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(values.map(|value| value.map(|value| !value))).map(|none| !none)
}

impl<'m> Evaluation<'m> {
    pub fn new(model: &'m Model, checks: &'m mut Checks, budget: &'m mut Budget) -> Self {
        Self { model, checks, budget, count: 0, known: HashMap::new() }
    }

    /// Whether a value matches a node; `None` where that is not known.
    pub fn node(&mut self, node: NodeId, value: &Value) -> Option<bool> {
        self.known.clear();
        self.count = 0;
        self.node_at(node, value, 0)
    }

    /// Whether a value matches a keyword; `None` where that is not known.
    pub fn key(&mut self, key: KeyId, value: &Value) -> Option<bool> {
        self.known.clear();
        self.count = 0;
        self.keyword(self.model.keyword(key), value, 0)
    }

    fn node_at(&mut self, node: NodeId, value: &Value, depth: usize) -> Option<bool> {
        if depth > MAX_DEPTH || !self.budget.spend(1) {
            return None;
        }
        let place = (node, std::ptr::from_ref(value));
        if let Some(known) = self.known.get(&place) {
            return *known;
        }
        self.count += 1;
        let model = self.model;
        let matches = all(model.keys(node).iter().map(|key| self.keyword(model.keyword(*key), value, depth)));
        if self.count > REMEMBERED_FROM && self.known.len() < MAX_REMEMBERED {
            self.known.insert(place, matches);
        }
        matches
    }

    fn keyword(&mut self, keyword: &Keyword, value: &Value, depth: usize) -> Option<bool> {
        if !self.budget.spend(1) {
            return None;
        }
        if !keyword.concerns(Type::of(value)) {
            return Some(true);
        }
        let below = depth + 1;
        match (keyword, value) {
            (Keyword::Never, _) => Some(false),
            (Keyword::Types(types), Value::Number(number)) => Some(
                types.has(Type::Number)
                    || types.integer
                        && match types.is_by_spelling {
                            true => number.is_i64() || number.is_u64(),
                            false => Decimal::of(number)?.is_multiple_of(&Decimal::whole(1)),
                        },
            ),
            (Keyword::Types(types), _) => Some(types.has(Type::of(value))),
            (Keyword::Enum(values), _) => self.budget.spend(values.depth()).then(|| values.contains(value)),
            (Keyword::AllOf(nodes), _) => all(nodes.iter().map(|node| self.node_at(*node, value, below))),
            (Keyword::AnyOf(nodes), _) => any(nodes.iter().map(|node| self.node_at(*node, value, below))),
            (Keyword::AtMostOne(nodes), _) => self.at_most(nodes.iter().map(|node| (*node, value)), 1, below),
            (Keyword::Not(node), _) => self.node_at(*node, value, below).map(|matches| !matches),
            (Keyword::If { condition, then, otherwise }, _) => {
                match self.node_at(*condition, value, below)? {
                    true => then.map_or(Some(true), |then| self.node_at(then, value, below)),
                    false => otherwise.map_or(Some(true), |otherwise| self.node_at(otherwise, value, below)),
                }
            }
            (Keyword::Minimum { bound, is_exclusive }, Value::Number(number)) => {
                let number = Decimal::of(number)?;
                Some(number > *bound || (!is_exclusive && number == *bound))
            }
            (Keyword::Maximum { bound, is_exclusive }, Value::Number(number)) => {
                let number = Decimal::of(number)?;
                Some(number < *bound || (!is_exclusive && number == *bound))
            }
            (Keyword::MultipleOf(divisor), Value::Number(number)) => {
                Some(Decimal::of(number)?.is_multiple_of(divisor))
            }
            (Keyword::MinLength(least), Value::String(text)) => self.length(text).map(|it| it >= *least),
            (Keyword::MaxLength(most), Value::String(text)) => self.length(text).map(|it| it <= *most),
            (Keyword::Pattern(pattern), Value::String(text)) => self.matches(*pattern, text),
            (Keyword::Facet(facet), Value::String(text)) => {
                self.checks.has_facet(self.model, self.budget, *facet, text)
            }
            (Keyword::MinItems(least), Value::Array(items)) => Some(items.len() as u64 >= *least),
            (Keyword::MaxItems(most), Value::Array(items)) => Some(items.len() as u64 <= *most),
            (Keyword::UniqueItems, Value::Array(items)) => {
                let work = items.iter().map(weight).sum::<u64>() * 2;
                self.budget.spend(work).then(|| are_unique(items))
            }
            (Keyword::Items { prefix, rest }, Value::Array(items)) => {
                let nodes = (0..).map_while(|index| prefix.get(index).copied().or(*rest));
                all(nodes.zip(items).map(|(node, item)| self.node_at(node, item, below)))
            }
            (Keyword::Contains { node, min, max }, Value::Array(items)) => {
                let least = self.at_least(items.iter().map(|item| (*node, item)), *min, below);
                let most = match max {
                    Some(max) => self.at_most(items.iter().map(|item| (*node, item)), *max, below),
                    None => Some(true),
                };
                all([least, most].into_iter())
            }
            (Keyword::MinProperties(least), Value::Object(map)) => Some(map.len() as u64 >= *least),
            (Keyword::MaxProperties(most), Value::Object(map)) => Some(map.len() as u64 <= *most),
            (Keyword::Required(name), Value::Object(map)) => Some(map.contains_key(name)),
            (Keyword::Properties(members), Value::Object(map)) => all(map.iter().map(|(name, value)| {
                if members.patterns.is_empty() {
                    let node = members.named.get(name).copied().or(members.additional);
                    return node.map_or(Some(true), |node| self.node_at(node, value, below));
                }
                let nodes = self.members(members, name)?;
                all(nodes.into_iter().map(|node| self.node_at(node, value, below)))
            })),
            (Keyword::PropertyNames(node), Value::Object(map)) => all(map.keys().map(|name| {
                // The name is not part of the value, so it has no address that stays.
                let mut names = Evaluation::new(self.model, self.checks, self.budget);
                names.node_at(*node, &Value::String(name.clone()), below)
            })),
            (Keyword::Dependent { name, node }, Value::Object(map)) => match map.contains_key(name) {
                true => self.node_at(*node, value, below),
                false => Some(true),
            },
            _ => None,
        }
    }

    fn length(&mut self, text: &str) -> Option<u64> {
        self.budget.spend(text.len() as u64 / 64).then(|| text.chars().count() as u64)
    }

    /// Whether text matches a pattern; `None` where that is not known.
    pub fn matches(&mut self, pattern: PatternId, text: &str) -> Option<bool> {
        self.checks.matches(self.model, self.budget, pattern, text)
    }

    /// The nodes that the member of a name must match.
    pub fn members(&mut self, members: &Members, name: &str) -> Option<Vec<NodeId>> {
        let mut nodes: Vec<_> = members.named.get(name).copied().into_iter().collect();
        for (pattern, node) in &members.patterns {
            if self.matches(*pattern, name)? {
                nodes.push(*node);
            }
        }
        if nodes.is_empty() {
            nodes.extend(members.additional);
        }
        Some(nodes)
    }

    fn counts<'v>(&mut self, pairs: impl Iterator<Item = (NodeId, &'v Value)>, depth: usize) -> (u64, u64) {
        let (mut yes, mut unknown) = (0, 0);
        for (node, value) in pairs {
            match self.node_at(node, value, depth) {
                Some(true) => yes += 1,
                Some(false) => {}
                None => unknown += 1,
            }
        }
        (yes, unknown)
    }

    fn at_most<'v>(
        &mut self,
        pairs: impl Iterator<Item = (NodeId, &'v Value)>,
        most: u64,
        depth: usize,
    ) -> Option<bool> {
        let (yes, unknown) = self.counts(pairs, depth);
        match () {
            () if yes > most => Some(false),
            () if yes + unknown <= most => Some(true),
            () => None,
        }
    }

    fn at_least<'v>(
        &mut self,
        pairs: impl Iterator<Item = (NodeId, &'v Value)>,
        least: u64,
        depth: usize,
    ) -> Option<bool> {
        let (yes, unknown) = self.counts(pairs, depth);
        match () {
            () if yes >= least => Some(true),
            () if yes + unknown < least => Some(false),
            () => None,
        }
    }
}
