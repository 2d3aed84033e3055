//! `unevaluatedProperties` and `unevaluatedItems` without annotations: one alternative for each set of subschemas that may
//! have evaluated members or elements.
//!
//! More evaluated members only make the keyword easier to satisfy, so an alternative need not say which subschemas do
//! *not* match: where they do, another alternative permits more.

use std::collections::BTreeSet;

use jsonschema::Draft;
use serde_json::Value;

use super::{Mode, RawId, Reader};
use crate::schema::{
    document::{Document, Node},
    evolution::model::{Keyword, Members, PatternId},
};

/// Most alternatives of one keyword.
const MAX_CASES: usize = 24;

/// What is evaluated when some subschemas match.
#[derive(Clone, Default)]
struct Case {
    /// What must match.
    conditions: Vec<RawId>,
    names: BTreeSet<String>,
    patterns: BTreeSet<PatternId>,
    /// The elements before this index are evaluated.
    elements: usize,
    /// Elements that match one of these are evaluated.
    contains: Vec<RawId>,
    /// All members and elements are evaluated.
    all: bool,
}

impl Case {
    /// The work that a copy is.
    fn weight(&self) -> u64 {
        let texts = self.names.iter().map(String::len).sum::<usize>() / 16;
        (1 + self.conditions.len() + self.names.len() + texts + self.patterns.len() + self.contains.len())
            as u64
    }

    /// The bytes of the keyword that it becomes, about.
    fn bytes(&self) -> u64 {
        let names = self.names.iter().map(|name| 56 + name.len()).sum::<usize>();
        (names + 16 * self.patterns.len() + 8 * self.elements) as u64
    }

    fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.conditions.extend(&other.conditions);
        both.names.extend(other.names.iter().cloned());
        both.patterns.extend(&other.patterns);
        both.elements = both.elements.max(other.elements);
        both.contains.extend(&other.contains);
        both.all |= other.all;
        both
    }
}

impl<'a> Reader<'a, '_, '_> {
    /// What `unevaluatedProperties` or `unevaluatedItems` of a subschema asserts.
    pub(super) fn unevaluated(
        &mut self,
        node: Node,
        is_properties: bool,
        value: &'a Value,
    ) -> Option<Keyword> {
        let keyword = if is_properties { "unevaluatedProperties" } else { "unevaluatedItems" };
        let inner = self.at(value, Mode::Written)?;
        let Some(cases) = self.cases(node, is_properties, true, 0) else {
            return Some(self.other(node, keyword));
        };
        let all = self.made(Vec::new(), node);
        let mut alternatives = Vec::new();
        for case in cases {
            // The keyword is there twice: as it is read, and in the model.
            if !self.budget.spend(case.weight()) || !self.budget.keep(2 * case.bytes()) {
                return Some(self.other(node, keyword));
            }
            if case.all && case.conditions.is_empty() {
                return None;
            }
            let mut keywords: Vec<_> = case.conditions.iter().map(|it| Keyword::AllOf(vec![*it])).collect();
            if !case.all && is_properties {
                keywords.push(Keyword::Properties(Members {
                    named: case.names.iter().map(|name| (name.clone(), all)).collect(),
                    patterns: case.patterns.iter().map(|pattern| (*pattern, all)).collect(),
                    additional: Some(inner),
                }));
            } else if !case.all {
                let rest = match case.contains.is_empty() {
                    true => inner,
                    false => {
                        let any = case.contains.iter().copied().chain([inner]).collect();
                        self.made(vec![Keyword::AnyOf(any)], node)
                    }
                };
                if !self.budget.spend(case.elements as u64) {
                    return Some(self.other(node, keyword));
                }
                keywords.push(Keyword::Items { prefix: vec![all; case.elements], rest: Some(rest) });
            }
            alternatives.push(self.made(keywords, node));
        }
        Some(Keyword::AnyOf(alternatives))
    }

    /// What a subschema evaluates; `None` where there are too many alternatives. `is_own`: its own `unevaluated...`
    /// keyword is the one that is asked for.
    fn cases(&mut self, node: Node, is_properties: bool, is_own: bool, depth: usize) -> Option<Vec<Case>> {
        if depth > 8 || !self.budget.spend(1) {
            return None;
        }
        let document = self.source.document;
        let subschema = &document.subschemas[node];
        let Value::Object(map) = subschema.value else { return Some(vec![Case::default()]) };
        let mut cases = vec![Case::default()];
        let every = |reader: &mut Self, cases: &mut Vec<Case>, alternatives: Vec<Case>| {
            if cases.len() * alternatives.len() > MAX_CASES {
                return None;
            }
            let weight = |cases: &[Case]| cases.iter().map(Case::weight).sum::<u64>();
            let steps =
                weight(cases) * alternatives.len() as u64 + weight(&alternatives) * cases.len() as u64;
            if !reader.budget.spend(steps) {
                return None;
            }
            *cases = cases.iter().flat_map(|case| alternatives.iter().map(|other| case.and(other))).collect();
            Some(())
        };
        for reference in &subschema.references {
            if !self.is_static(reference) {
                return None;
            }
            let inner = self.cases(reference.to, is_properties, false, depth + 1)?;
            every(self, &mut cases, inner)?;
        }
        if Document::is_only_a_reference(subschema.draft, subschema.value) {
            return Some(cases);
        }
        let mut own = Case::default();
        let draft = subschema.draft;
        for (name, value) in map {
            match (name.as_str(), value) {
                ("properties", Value::Object(entries)) if is_properties => {
                    own.names.extend(entries.keys().cloned())
                }
                ("patternProperties", Value::Object(entries)) if is_properties => {
                    for pattern in entries.keys() {
                        own.patterns.insert(self.model.add_pattern(self.source.patterns.translated(pattern)));
                    }
                }
                ("additionalProperties", _) if is_properties => own.all = true,
                ("unevaluatedProperties", _) if is_properties && !is_own => own.all = true,
                ("prefixItems", Value::Array(items)) if !is_properties && draft == Draft::Draft202012 => {
                    own.elements = own.elements.max(items.len());
                }
                ("items", Value::Array(items)) if !is_properties => {
                    own.elements = own.elements.max(items.len())
                }
                ("items", _) if !is_properties => own.all = true,
                ("additionalItems", _) if !is_properties => {
                    own.all |= draft == Draft::Draft201909 && map.get("items").is_some_and(Value::is_array);
                }
                ("unevaluatedItems", _) if !is_properties && !is_own => own.all = true,
                ("contains", _) if !is_properties && draft == Draft::Draft202012 => {
                    own.contains.extend(self.at(value, Mode::Written));
                }
                ("allOf", Value::Array(items)) => {
                    for item in items {
                        let inner = self.cases_at(item, is_properties, depth)?;
                        every(self, &mut cases, inner)?;
                    }
                }
                ("anyOf", Value::Array(items)) => {
                    for item in items {
                        let mut alternatives = vec![Case::default()];
                        alternatives.extend(self.where_it_matches(item, is_properties, depth)?);
                        every(self, &mut cases, alternatives)?;
                    }
                }
                ("oneOf", Value::Array(items)) => {
                    let mut alternatives = Vec::new();
                    for item in items {
                        alternatives.extend(self.where_it_matches(item, is_properties, depth)?);
                    }
                    every(self, &mut cases, alternatives)?;
                }
                ("if", _) => {
                    let mut matching = self.where_it_matches(value, is_properties, depth)?;
                    if let Some(then) = map.get("then") {
                        let then = self.cases_at(then, is_properties, depth)?;
                        every(self, &mut matching, then)?;
                    }
                    let mut otherwise = match map.get("else") {
                        Some(otherwise) => self.cases_at(otherwise, is_properties, depth)?,
                        None => vec![Case::default()],
                    };
                    let condition = self.at(value, Mode::Written)?;
                    let fails = self.made(vec![Keyword::Not(condition)], node);
                    otherwise.iter_mut().for_each(|case| case.conditions.push(fails));
                    matching.extend(otherwise);
                    every(self, &mut cases, matching)?;
                }
                ("dependentSchemas", Value::Object(entries)) => {
                    for (key, value) in entries {
                        let present = self.made(vec![Keyword::Required(key.clone())], node);
                        let mut alternatives = self.cases_at(value, is_properties, depth)?;
                        alternatives.iter_mut().for_each(|case| case.conditions.push(present));
                        alternatives.push(Case::default());
                        every(self, &mut cases, alternatives)?;
                    }
                }
                // Older bundles have it; the validator and this module need not agree on what it evaluates.
                ("dependencies", _) => return None,
                _ => {}
            }
        }
        every(self, &mut cases, vec![own])?;
        cases.retain({
            let unconditional = cases.iter().any(|case| case.all && case.conditions.is_empty());
            move |case| !unconditional || case.all
        });
        Some(cases)
    }

    fn cases_at(&mut self, value: &'a Value, is_properties: bool, depth: usize) -> Option<Vec<Case>> {
        let node = self.source.document.node_of(value)?;
        self.cases(node, is_properties, false, depth + 1)
    }

    /// What a subschema evaluates, on the condition that it matches.
    fn where_it_matches(&mut self, value: &'a Value, is_properties: bool, depth: usize) -> Option<Vec<Case>> {
        let condition = self.at(value, Mode::Written)?;
        let mut cases = self.cases_at(value, is_properties, depth)?;
        cases.iter_mut().for_each(|case| case.conditions.push(condition));
        Some(cases)
    }
}
