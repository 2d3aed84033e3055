//! One character for each class of characters between which patterns and texts do not distinguish.

use std::collections::HashMap;

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::schema::evolution::budget::Budget;

/// Most intervals of characters.
const MAX_INTERVALS: usize = 20_000;

/// A set of characters, as intervals in order.
pub(super) type Set = Vec<(u32, u32)>;

/// Returns a character for each class that the sets do not divide, readable ones first; `None` where that takes too many
/// steps.
pub(super) fn alphabet<'s>(
    sets: impl Iterator<Item = &'s Set> + Clone,
    characters: impl Iterator<Item = char>,
    budget: &mut Budget,
) -> Option<Vec<char>> {
    let mut singles: Vec<u32> = characters.map(u32::from).collect();
    singles.sort_unstable();
    singles.dedup();
    let mut cuts: Vec<u32> = vec![0, 0xd800, 0xe000];
    for (from, to) in sets.clone().flatten() {
        cuts.extend([*from, to + 1]);
    }
    cuts.extend(singles.iter().flat_map(|single| [*single, single + 1]));
    if !budget.spend(cuts.len() as u64) {
        return None;
    }
    cuts.sort_unstable();
    cuts.dedup();
    if cuts.len() > MAX_INTERVALS {
        return None;
    }
    // Each set divides the classes of the intervals that it has.
    let mut classes = vec![0_usize; cuts.len()];
    let mut count = 1;
    let singles = singles.iter().map(|single| vec![(*single, *single)]);
    let all: Vec<std::borrow::Cow<'_, Set>> =
        sets.map(std::borrow::Cow::Borrowed).chain(singles.map(std::borrow::Cow::Owned)).collect();
    for set in &all {
        let mut inside: HashMap<usize, usize> = HashMap::new();
        for (from, to) in set.iter() {
            let first = cuts.partition_point(|cut| cut < from);
            for (cut, class) in cuts[first..].iter().zip(&mut classes[first..]) {
                if cut > to {
                    break;
                }
                if !budget.spend(1) {
                    return None;
                }
                *class = *inside.entry(*class).or_insert_with(|| {
                    count += 1;
                    count - 1
                });
            }
        }
    }
    let mut best: HashMap<usize, char> = HashMap::new();
    for (index, from) in cuts.iter().enumerate() {
        let to = cuts.get(index + 1).map_or(0x10_ffff, |next| next - 1);
        let Some(character) = readable(*from, to) else { continue };
        let known = best.entry(classes[index]).or_insert(character);
        if rank(character) < rank(*known) {
            *known = character;
        }
    }
    let mut alphabet: Vec<char> = best.into_values().collect();
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
pub(super) fn collect(hir: &Hir, sets: &mut Vec<Set>) {
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
