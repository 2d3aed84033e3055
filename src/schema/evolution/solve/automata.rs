//! The product of patterns: the shortest text that matches some and does not match others.
//!
//! Each pattern is an automaton that is built as far as it is walked. All are walked at once, a character at a time; of the
//! characters between which no pattern distinguishes, one is tried.

use std::collections::{HashMap, HashSet};

use regex_automata::{
    Anchored, MatchKind,
    hybrid::{
        LazyStateID,
        dfa::{Cache, Config, DFA},
    },
    util::start,
};
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::facts::Size;

/// Most bytes of the automaton of one pattern.
const MAX_CACHE: usize = 4 * 1024 * 1024;
/// Most intervals of characters.
const MAX_INTERVALS: usize = 20_000;

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
    cells: Vec<Cell>,
    excluded: Option<usize>,
}

struct Automaton {
    dfa: DFA,
    cache: Cache,
    wanted: bool,
}

/// Finds the shortest text within bounds that all patterns agree to and that is not excluded.
pub(super) fn shortest(
    patterns: &[Wanted<'_>],
    size: Size,
    excluded: &[&str],
    mut use_steps: impl FnMut(u64) -> bool,
) -> Walk {
    let Some(alphabet) = alphabet(patterns, excluded) else { return Walk::Unknown };
    let mut automata = Vec::new();
    for (pattern, wanted) in patterns {
        let config = Config::new()
            .match_kind(MatchKind::All)
            .cache_capacity(MAX_CACHE)
            .skip_cache_capacity_check(false)
            .minimum_cache_clear_count(Some(0));
        let Ok(dfa) = DFA::builder().configure(config).build(pattern) else { return Walk::Unknown };
        let cache = dfa.create_cache();
        automata.push(Automaton { dfa, cache, wanted: *wanted });
    }
    let trie = Trie::of(excluded);
    let mut cells = Vec::new();
    for automaton in &mut automata {
        let start = start::Config::new().anchored(Anchored::No);
        let Ok(state) = automaton.dfa.start_state(&mut automaton.cache, &start) else { return Walk::Unknown };
        cells.push(Cell::At(state));
    }
    let mut layer = vec![(State { cells, excluded: Some(0) }, None::<usize>)];
    // Each text that was reached: the one before it, and its last character.
    let mut texts: Vec<(Option<usize>, char)> = Vec::new();
    let mut seen: HashSet<State> = HashSet::new();
    let mut length: u64 = 0;
    loop {
        if length >= size.min {
            for (state, text) in &layer {
                if trie.is_excluded(state.excluded) {
                    continue;
                }
                match accepts(&mut automata, state) {
                    Some(true) => return Walk::Text(spell(&texts, *text)),
                    Some(false) => {}
                    None => return Walk::Unknown,
                }
            }
        }
        if size.max.is_some_and(|max| length >= max) {
            return Walk::Empty;
        }
        let mut next = Vec::new();
        let mut of_this_layer = HashSet::new();
        for (state, text) in layer {
            if !use_steps(1 + alphabet.len() as u64 / 16) {
                return Walk::Unknown;
            }
            for character in &alphabet {
                let Ok(cells) = advance(&mut automata, &state.cells, *character) else {
                    return Walk::Unknown;
                };
                let Some(cells) = cells else { continue };
                let reached = State { cells, excluded: trie.next(state.excluded, *character) };
                // Below the least length, the same state at another length is another one.
                let is_new = if length + 1 < size.min {
                    of_this_layer.insert(reached.clone())
                } else {
                    seen.insert(reached.clone())
                };
                if is_new {
                    texts.push((text, *character));
                    next.push((reached, Some(texts.len() - 1)));
                }
            }
        }
        if next.is_empty() {
            return Walk::Empty;
        }
        layer = next;
        length += 1;
    }
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
            let state = automaton.dfa.next_state(&mut automaton.cache, state, *byte).map_err(|_| ())?;
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
    for (automaton, cell) in automata.iter_mut().zip(&state.cells) {
        let matches = match cell {
            Cell::Matched => true,
            Cell::At(state) => {
                let end = automaton.dfa.next_eoi_state(&mut automaton.cache, *state).ok()?;
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

/// Excluded texts by their beginnings.
struct Trie {
    children: Vec<HashMap<char, usize>>,
    ends: Vec<bool>,
}

impl Trie {
    fn of(texts: &[&str]) -> Self {
        let mut trie = Self { children: vec![HashMap::new()], ends: vec![false] };
        for text in texts {
            let mut at = 0;
            for character in text.chars() {
                let size = trie.children.len();
                at = *trie.children[at].entry(character).or_insert(size);
                if at == size {
                    trie.children.push(HashMap::new());
                    trie.ends.push(false);
                }
            }
            trie.ends[at] = true;
        }
        trie
    }

    fn next(&self, at: Option<usize>, character: char) -> Option<usize> {
        self.children.get(at?)?.get(&character).copied()
    }

    fn is_excluded(&self, at: Option<usize>) -> bool {
        at.is_some_and(|at| self.ends[at])
    }
}

/// One character for each class of characters that the patterns and texts do not distinguish.
fn alphabet(patterns: &[Wanted<'_>], texts: &[&str]) -> Option<Vec<char>> {
    let mut sets: Vec<Vec<(u32, u32)>> = Vec::new();
    for (pattern, _) in patterns {
        collect(&regex_syntax::parse(pattern).ok()?, &mut sets);
    }
    let characters: HashSet<char> = texts.iter().flat_map(|text| text.chars()).collect();
    sets.extend(characters.into_iter().map(|character| vec![(character.into(), character.into())]));
    sets.sort();
    sets.dedup();
    let mut cuts: Vec<u32> = vec![0, 0xd800, 0xe000];
    for (from, to) in sets.iter().flatten() {
        cuts.extend([*from, to + 1]);
    }
    cuts.sort_unstable();
    cuts.dedup();
    if cuts.len() > MAX_INTERVALS || cuts.len().saturating_mul(sets.len()) > 4_000_000 {
        return None;
    }
    let mut classes: HashMap<Vec<bool>, char> = HashMap::new();
    for (index, from) in cuts.iter().enumerate() {
        let to = cuts.get(index + 1).map_or(0x10_ffff, |next| next - 1);
        let Some(character) = readable(*from, to) else { continue };
        let in_set = |set: &Vec<(u32, u32)>| set.iter().any(|(low, high)| low <= from && from <= high);
        let best = classes.entry(sets.iter().map(in_set).collect()).or_insert(character);
        if rank(character) < rank(*best) {
            *best = character;
        }
    }
    let mut alphabet: Vec<char> = classes.into_values().collect();
    alphabet.sort_unstable_by_key(|character| rank(*character));
    Some(alphabet)
}

/// The most readable character of an interval.
fn readable(from: u32, to: u32) -> Option<char> {
    let preferred = [('a', 'z'), ('0', '9'), ('A', 'Z'), ('-', '.'), ('_', '_'), ('!', '~'), (' ', ' ')];
    let within = preferred.iter().find_map(|(low, high)| {
        let low = u32::from(*low).max(from);
        (low <= to && low <= u32::from(*high)).then(|| char::from_u32(low)).flatten()
    });
    within.or_else(|| char::from_u32(from))
}

/// How readable a character is; less is better.
fn rank(character: char) -> (u8, char) {
    let class = match character {
        'a'..='z' => 0,
        '0'..='9' => 1,
        'A'..='Z' => 2,
        '!'..='~' => 3,
        ' ' => 4,
        _ => 5,
    };
    (class, character)
}

/// The sets of characters between which a pattern distinguishes.
fn collect(hir: &Hir, sets: &mut Vec<Vec<(u32, u32)>>) {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0);
            sets.extend(text.chars().map(|character| vec![(character.into(), character.into())]));
        }
        HirKind::Class(Class::Unicode(class)) => {
            sets.push(
                class.ranges().iter().map(|range| (range.start().into(), range.end().into())).collect(),
            );
        }
        HirKind::Class(Class::Bytes(class)) => {
            sets.push(
                class.ranges().iter().map(|range| (range.start().into(), range.end().into())).collect(),
            );
        }
        HirKind::Look(Look::Start | Look::End) => {}
        HirKind::Look(_) => {
            sets.push(vec![(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)]);
            sets.extend([vec![(0x0a, 0x0a)], vec![(0x0d, 0x0d)]]);
        }
        HirKind::Repetition(repetition) => collect(&repetition.sub, sets),
        HirKind::Capture(capture) => collect(&capture.sub, sets),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| collect(part, sets))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn walk(patterns: &[Wanted<'_>], size: Size, excluded: &[&str]) -> Option<String> {
        match shortest(patterns, size, excluded, |_| true) {
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
