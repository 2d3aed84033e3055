//! Places in long lines.

use std::collections::HashMap;

/// Where the characters of long lines are. A document can be one line of a megabyte with a hundred thousand brackets, and the place
/// of each is looked up.
pub(super) struct LongLines(HashMap<usize, Characters>);

/// Where the characters of a line are.
enum Characters {
    /// Each is one byte.
    Ascii,
    /// The first byte of every [`BLOCK`]th one.
    Blocks(Vec<usize>),
}

/// Lines with fewer bytes are not long.
const LONG: usize = 256;
/// How many characters are counted at most.
const BLOCK: usize = 64;

impl LongLines {
    /// Returns the long ones of these lines.
    pub(super) fn of(lines: &[&str]) -> Self {
        let long = lines.iter().zip(1..).filter(|(line, _)| line.len() >= LONG);
        Self(long.map(|(line, number)| (number, Characters::of(line))).collect())
    }

    /// Returns the first byte of a character of a line, from 0; the length of the line if there is none.
    pub(super) fn byte(&self, number: usize, line: &str, character: usize) -> usize {
        let count = |start: usize, character: usize| {
            line[start..].char_indices().nth(character).map_or(line.len(), |(index, _)| start + index)
        };
        match self.0.get(&number) {
            None => count(0, character),
            Some(Characters::Ascii) => character.min(line.len()),
            Some(Characters::Blocks(blocks)) => match blocks.get(character / BLOCK) {
                Some(start) => count(*start, character % BLOCK),
                None => line.len(),
            },
        }
    }
}

impl Characters {
    fn of(line: &str) -> Self {
        if line.is_ascii() {
            return Self::Ascii;
        }
        Self::Blocks(line.char_indices().step_by(BLOCK).map(|(index, _)| index).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_those_that_counting_gives(line in "[aé日😀]{0,400}|[ -~]{0,400}", character in 0_usize..420) {
            let counted = line.char_indices().nth(character).map_or(line.len(), |(index, _)| index);

            let lines = ["", line.as_str()];

            prop_assert_eq!(LongLines::of(&lines).byte(2, &line, character), counted);
        }
    }
}
