//! The product of patterns: the shortest text that matches some and does not match others.
//!
//! Each pattern is an automaton that is built as far as it is walked. All are walked at once, a character at a time; of the
//! characters between which no pattern distinguishes, one is tried.

use std::{collections::HashSet, rc::Rc};

use regex_automata::{
    Anchored,
    hybrid::{LazyStateID, dfa::Cache},
    util::start,
};

use super::{
    alphabet::alphabet,
    facts::Size,
    library::{BYTES_PER_STEP, Compiled, Library},
    texts::{Place, Texts},
};
use crate::schema::evolution::budget::Budget;

/// Most bytes of one walk: its automata, and the states and texts that were reached.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of a state beside its cells, and of the text that leads to one.
const STATE_BYTES: (usize, usize) = (160, 32);
/// A pattern, and whether it must match.
pub(super) type Wanted<'a> = (&'a str, bool);

/// What the walk found.
pub(super) enum Walk {
    Text(String),
    /// No text.
    Empty,
    /// A pattern is not one that can be walked, or the steps were used up.
    Unknown,
}

/// The state of one pattern.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Cell {
    /// It has matched.
    Matched,
    At(LazyStateID),
}

/// The state of the walk: that of each pattern, and how much of which excluded texts was read.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    cells: Rc<[Cell]>,
    excluded: Option<Place>,
}

struct Automaton {
    compiled: Rc<Compiled>,
    cache: Cache,
    wanted: bool,
}

/// Finds the shortest text within bounds that all patterns agree to and that is not excluded.
pub(super) fn shortest(
    library: &mut Library,
    patterns: &[Wanted<'_>],
    size: Size,
    excluded: &Texts<'_>,
    budget: &mut Budget,
) -> Walk {
    walk(library, patterns, size, excluded, budget).unwrap_or(Walk::Unknown)
}

fn walk(
    library: &mut Library,
    patterns: &[Wanted<'_>],
    size: Size,
    excluded: &Texts<'_>,
    budget: &mut Budget,
) -> Option<Walk> {
    let mut automata = Vec::new();
    for (pattern, wanted) in patterns {
        let compiled = library.get(pattern, budget)?;
        let cache = compiled.dfa.create_cache();
        if !budget.spend((cache.memory_usage() / BYTES_PER_STEP) as u64) {
            return None;
        }
        automata.push(Automaton { compiled, cache, wanted: *wanted });
    }
    let sets = automata.iter().flat_map(|automaton| &automaton.compiled.sets);
    let alphabet = alphabet(sets, excluded.characters(budget)?.into_iter(), budget)?;
    let mut cells = Vec::new();
    for automaton in &mut automata {
        let start = start::Config::new().anchored(Anchored::No);
        let state = automaton.compiled.dfa.start_state(&mut automaton.cache, &start).ok()?;
        cells.push(Cell::At(state));
    }
    let weight = patterns.len() as u64;
    let mut layer = vec![(State { cells: cells.into(), excluded: excluded.start() }, None::<usize>)];
    // Each text that was reached: the one before it, and its last character.
    let mut texts: Vec<(Option<usize>, char)> = Vec::new();
    let mut seen: HashSet<State> = HashSet::new();
    let mut length: u64 = 0;
    let mut bytes = 0;
    loop {
        if length >= size.min {
            for (state, text) in &layer {
                if excluded.ends_at(state.excluded) {
                    continue;
                }
                if !budget.spend(1 + weight) {
                    return None;
                }
                if accepts(&mut automata, state)? {
                    return Some(Walk::Text(spell(&texts, *text)));
                }
            }
        }
        if size.max.is_some_and(|max| length >= max) {
            return Some(Walk::Empty);
        }
        let mut next = Vec::new();
        let mut of_this_layer = HashSet::new();
        let mut layer_bytes = 0;
        for (state, text) in layer {
            for character in &alphabet {
                let before = memory(&automata);
                if !budget.spend(1 + weight) {
                    return None;
                }
                let cells = advance(&mut automata, &state.cells, *character).ok()?;
                let after = memory(&automata);
                if after + bytes + layer_bytes > MAX_BYTES
                    || !budget.spend((after.saturating_sub(before) / BYTES_PER_STEP) as u64)
                {
                    return None;
                }
                let Some(cells) = cells else { continue };
                let reached =
                    State { cells: cells.into(), excluded: excluded.next(state.excluded, *character) };
                // Below the least length, the same state at another length is another one.
                let is_new = if length + 1 < size.min {
                    of_this_layer.insert(reached.clone())
                } else {
                    seen.insert(reached.clone())
                };
                if is_new {
                    let state = STATE_BYTES.0 + patterns.len() * size_of::<Cell>();
                    *(if length + 1 < size.min { &mut layer_bytes } else { &mut bytes }) += state;
                    bytes += STATE_BYTES.1;
                    if !budget.spend(10 + weight) {
                        return None;
                    }
                    texts.push((text, *character));
                    next.push((reached, Some(texts.len() - 1)));
                }
            }
        }
        if next.is_empty() {
            return Some(Walk::Empty);
        }
        layer = next;
        length += 1;
    }
}

/// The bytes that the automata have taken.
fn memory(automata: &[Automaton]) -> usize {
    automata.iter().map(|automaton| automaton.cache.memory_usage()).sum()
}

/// The states after a character; `None` where no text can follow that the patterns agree to.
fn advance(automata: &mut [Automaton], cells: &[Cell], character: char) -> Result<Option<Vec<Cell>>, ()> {
    let mut buffer = [0; 4];
    let bytes = character.encode_utf8(&mut buffer).as_bytes();
    let mut next = Vec::with_capacity(cells.len());
    for (automaton, cell) in automata.iter_mut().zip(cells) {
        let mut cell = *cell;
        for byte in bytes {
            let Cell::At(state) = cell else { break };
            let state =
                automaton.compiled.dfa.next_state(&mut automaton.cache, state, *byte).map_err(|_| ())?;
            if state.is_quit() {
                return Err(());
            }
            cell = if state.is_match() { Cell::Matched } else { Cell::At(state) };
        }
        match (cell, automaton.wanted) {
            (Cell::Matched, false) => return Ok(None),
            (Cell::At(state), true) if state.is_dead() => return Ok(None),
            _ => next.push(cell),
        }
    }
    Ok(Some(next))
}

/// Whether the patterns agree to the text that ends here.
fn accepts(automata: &mut [Automaton], state: &State) -> Option<bool> {
    for (automaton, cell) in automata.iter_mut().zip(state.cells.iter()) {
        let matches = match cell {
            Cell::Matched => true,
            Cell::At(state) => {
                let end = automaton.compiled.dfa.next_eoi_state(&mut automaton.cache, *state).ok()?;
                if end.is_quit() {
                    return None;
                }
                end.is_match()
            }
        };
        if matches != automaton.wanted {
            return Some(false);
        }
    }
    Some(true)
}

fn spell(texts: &[(Option<usize>, char)], last: Option<usize>) -> String {
    let mut characters = Vec::new();
    let mut next = last;
    while let Some((before, character)) = next.and_then(|index| texts.get(index)) {
        characters.push(*character);
        next = *before;
    }
    characters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn walk(patterns: &[Wanted<'_>], size: Size, excluded: &[&str]) -> Option<String> {
        let excluded = Texts::of(excluded.iter().copied());
        match shortest(&mut Library::default(), patterns, size, &excluded, &mut Budget::of(1_000_000)) {
            Walk::Text(text) => Some(text),
            Walk::Empty => None,
            Walk::Unknown => panic!("not decided"),
        }
    }

    fn between(min: u64, max: u64) -> Size {
        Size { min, max: Some(max) }
    }

    #[test]
    fn the_shortest_text_of_a_product_is_found() {
        let any = Size::default();
        assert_eq!(walk(&[("^[a-z0-9]+$", true), ("^[a-z]+$", false)], any, &[]).as_deref(), Some("0"));
        assert_eq!(walk(&[("^[a-z]+$", true), ("^[a-z0-9]+$", false)], any, &[]), None);
        assert_eq!(walk(&[("b", true), ("^a", true)], any, &[]).as_deref(), Some("ab"));
        assert_eq!(walk(&[("", false)], any, &[]), None);
        assert_eq!(walk(&[("^(?:ab)*$", true)], between(3, 4), &[]).as_deref(), Some("abab"));
        assert_eq!(walk(&[("^(?:ab)*$", true)], between(3, 3), &[]), None);
        assert_eq!(walk(&[], between(2, 2), &[]).map(|text| text.len()), Some(2));
        // A length is one of characters, not of bytes.
        assert_eq!(walk(&[("^é+$", true)], between(2, 2), &[]).as_deref(), Some("éé"));
    }

    #[test]
    fn excluded_texts_are_not_found() {
        assert_eq!(walk(&[("^a?$", true)], Size::default(), &["", "a"]), None);
        assert_eq!(walk(&[("^a*$", true)], Size::default(), &["", "aa"]).as_deref(), Some("a"));
        assert_eq!(walk(&[], Size::default(), &["", "a"]).map(|text| text.chars().count()), Some(1));
    }

    #[test]
    fn the_ends_of_a_text_and_of_words_count() {
        let any = Size::default();
        assert_eq!(walk(&[(r"a$", true), (r"^a", false)], any, &[]).map(|text| text.len()), Some(2));
        assert_eq!(
            walk(&[(r"(?-u:\b)a(?-u:\b)", true), ("^a$", false)], any, &[]).map(|text| text.len()),
            Some(2)
        );
    }
}
