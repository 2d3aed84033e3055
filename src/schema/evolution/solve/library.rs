//! The patterns of a comparison, each compiled once.

use std::{collections::HashMap, rc::Rc};

use regex_automata::{
    MatchKind,
    hybrid::dfa::{Config, DFA},
};

use super::alphabet::{Set, collect};
use crate::schema::evolution::budget::Budget;

/// Most bytes of the automaton of one pattern.
const MAX_CACHE: usize = 4 * 1024 * 1024;
/// Bytes of an automaton that count as a step.
pub(super) const BYTES_PER_STEP: usize = 32;

/// A pattern, compiled.
pub(super) struct Compiled {
    pub dfa: DFA,
    /// The sets of characters between which it distinguishes.
    pub sets: Vec<Set>,
}

/// The patterns that were compiled.
#[derive(Default)]
pub(super) struct Library {
    patterns: HashMap<String, Option<Rc<Compiled>>>,
}

impl Library {
    pub fn get(&mut self, pattern: &str, budget: &mut Budget) -> Option<Rc<Compiled>> {
        if let Some(known) = self.patterns.get(pattern) {
            return known.clone();
        }
        let compiled = compile(pattern, budget).map(Rc::new);
        self.patterns.insert(pattern.to_owned(), compiled.clone());
        compiled
    }
}

fn compile(pattern: &str, budget: &mut Budget) -> Option<Compiled> {
    if !budget.spend(pattern.len() as u64) {
        return None;
    }
    let config = Config::new()
        .match_kind(MatchKind::All)
        .cache_capacity(MAX_CACHE)
        .skip_cache_capacity_check(false)
        .minimum_cache_clear_count(Some(0));
    let hir = regex_syntax::parse(pattern).ok()?;
    let dfa = DFA::builder().configure(config).build(pattern).ok()?;
    let mut sets = Vec::new();
    collect(&hir, &mut sets);
    sets.sort_unstable();
    sets.dedup();
    let bytes =
        dfa.memory_usage() + sets.iter().map(|set| 24 + set.len() * size_of::<(u32, u32)>()).sum::<usize>();
    let is_left = budget.spend((dfa.memory_usage() / BYTES_PER_STEP) as u64) && budget.keep(bytes as u64);
    is_left.then_some(Compiled { dfa, sets })
}
