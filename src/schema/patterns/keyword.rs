//! The keyword `pattern`, which counts what matching costs.
//!
//! 1. Matching a text takes at most a step for each byte and each state of the pattern. As long as that is little, it is
//!    counted, and the regex engine matches.
//! 2. Where it is more in one judgement, a lazy DFA matches ([`Matcher::count`]): for most patterns a byte then takes one
//!    transition of a table, whatever the number of states. What the table grows by is counted, so a text that has a
//!    pattern build state after state uses up the steps, and is given up in the middle.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use jsonschema::{Keyword, ValidationError, paths::Location};
use parking_lot::Mutex;
use regex_automata::{
    Input,
    hybrid::dfa::{Cache, DFA},
    meta::Regex,
    nfa::thompson::{self, WhichCaptures},
};
use serde_json::{Map, Value};

use super::{cost, tables::Tables};
use crate::schema::{
    instance::{Instance, Matching, Metered},
    text::quoted,
};

/// Largest compiled program of one pattern, in bytes.
const MAX_PROGRAM: usize = 10 * 1024 * 1024;
/// Largest table of transitions of a pattern, in bytes: enough for what people write, and a pattern that needs more is matched
/// without one. The regex crate's two megabytes would add up, as a schema may have thousands of patterns, and payloads can fill
/// the table of each.
pub(in crate::schema) const TABLE: usize = 16 * 1024;
/// Most steps of the first kind for a pattern in one judgement.
const MAX_SIMPLE_STEPS: u64 = 20_000;
/// Largest table of transitions; one that is full is begun again.
const MAX_TABLE: usize = 1024 * 1024;
/// Bytes of text that are matched before the table is measured.
const CHUNK: usize = 64;

type Made<'a> = Result<Box<dyn for<'i> Keyword<'i, Metered>>, ValidationError<'a>>;

/// Makes the keyword for the patterns of a schema, by what they are translated to. `original` has the patterns as their
/// author wrote them, by translation.
pub(in crate::schema) fn factory(
    original: HashMap<String, String>,
) -> impl for<'a> Fn(&'a Map<String, Value>, &'a Value, Location) -> Made<'a> + Send + Sync + 'static {
    let known: Mutex<HashMap<String, Arc<Matcher>>> = Mutex::default();
    move |_, value, _| {
        let Value::String(pattern) = value else {
            return Err(ValidationError::custom("a regular expression"));
        };
        let mut known = known.lock();
        if let Some(matcher) = known.get(pattern) {
            return Ok(Box::new(Pattern(matcher.clone())));
        }
        let regex = regex(pattern).map_err(|_| ValidationError::custom(TOO_LARGE))?;
        let matcher = Arc::new(Matcher {
            index: known.len(),
            regex,
            tables: Tables::default(),
            dfa: OnceLock::new(),
            translated: pattern.as_str().into(),
            states: cost::states(pattern).max(1) as u64,
            original: original.get(pattern).unwrap_or(pattern).as_str().into(),
        });
        known.insert(pattern.clone(), matcher.clone());
        Ok(Box::new(Pattern(matcher)))
    }
}

/// Compiles a pattern to a program whose memory is bounded while it matches, too.
fn regex(pattern: &str) -> Result<Regex, Box<regex_automata::meta::BuildError>> {
    let config = Regex::config()
        .nfa_size_limit(Some(MAX_PROGRAM))
        // Without the group of the whole match, a search with a table of ours finds none.
        .which_captures(WhichCaptures::Implicit)
        .hybrid_cache_capacity(TABLE)
        .onepass(false)
        .backtrack(false);
    Ok(Regex::builder().configure(config).build(pattern)?)
}

/// What is expected in place of a pattern that does not compile.
const TOO_LARGE: &str = "a regular expression that becomes a smaller program; repeat less";

struct Matcher {
    /// The number of the pattern in its schema.
    index: usize,
    regex: Regex,
    tables: Tables,
    translated: Box<str>,
    /// The lazy DFA, made when it is needed; `None` inside: it cannot match this pattern.
    dfa: OnceLock<Option<DFA>>,
    /// The states that each byte of text may meet.
    states: u64,
    /// The pattern as its author wrote it.
    original: Box<str>,
}

impl Matcher {
    /// Whether the pattern is found in a text; also where the steps are used up.
    fn is_match(&self, instance: Instance<'_>, text: &str) -> bool {
        let steps = (text.len() as u64 + 1).saturating_mul(self.states);
        if !instance.charge(instance.meter.of_pattern(self.index)) {
            return true;
        }
        instance.meter.matching(self.index, |matching| {
            if matching.simple_steps.saturating_add(steps) <= MAX_SIMPLE_STEPS {
                matching.simple_steps += steps;
            } else if let Some(dfa) = self.dfa.get_or_init(|| self.dfa())
                // A table that cannot go on, which a text alone never brings about, is left.
                && let Some(found) = count(dfa, matching, instance, text)
            {
                return found;
            }
            !instance.charge(1 + steps) || self.tables.is_match(&self.regex, text)
        })
    }

    fn dfa(&self) -> Option<DFA> {
        // Between the bytes of a character, it would find an empty match, which the regex crate leaves out.
        if self.translated.contains(r"\B") {
            return None;
        }
        DFA::builder()
            .configure(DFA::config().cache_capacity(MAX_TABLE).skip_cache_capacity_check(true))
            .thompson(
                thompson::Config::new().which_captures(WhichCaptures::None).nfa_size_limit(Some(MAX_PROGRAM)),
            )
            .build(&self.translated)
            .ok()
    }
}

/// Matches a text, and counts a step for so many bytes, and for what the table grows by. `None`: it cannot go on.
fn count(dfa: &DFA, matching: &mut Matching, instance: Instance<'_>, text: &str) -> Option<bool> {
    let cache = matching.cache.get_or_insert_with(|| {
        let cache = Box::new(dfa.create_cache());
        instance.charge(cache.memory_usage() as u64 / 4);
        cache
    });
    let size = |cache: &Cache| cache.memory_usage() as u64 + cache.clear_count() as u64 * MAX_TABLE as u64;
    let mut before = size(cache);
    let mut state = dfa.start_state_forward(cache, &Input::new(text)).ok()?;
    for chunk in text.as_bytes().chunks(CHUNK) {
        for byte in chunk {
            state = dfa.next_state(cache, state, *byte).ok()?;
            if state.is_tagged() {
                if state.is_match() {
                    return Some(true);
                }
                if state.is_dead() {
                    return Some(false);
                }
                if state.is_quit() {
                    return None;
                }
            }
        }
        let after = size(cache);
        if !instance.charge(CHUNK as u64 / 4 + after.saturating_sub(before)) {
            return Some(true);
        }
        before = after;
    }
    dfa.next_eoi_state(cache, state).ok().map(|state| state.is_match())
}

struct Pattern(Arc<Matcher>);

impl<'i> Keyword<'i, Metered> for Pattern {
    fn validate(&self, instance: Instance<'i>) -> Result<(), ValidationError<'i>> {
        if Keyword::is_valid(self, instance) {
            return Ok(());
        }
        Err(ValidationError::custom(format!("text that matches {}", quoted(&self.0.original))))
    }

    fn is_valid(&self, instance: Instance<'i>) -> bool {
        instance.text().is_none_or(|text| self.0.is_match(instance, text))
    }
}
