//! Texts that a walk must not find, read from their beginnings.

use std::collections::HashSet;

use crate::schema::evolution::budget::Budget;

/// Texts in order.
pub(super) struct Texts<'t> {
    texts: Vec<&'t str>,
}

/// What was read of some texts: those between two indices have begun with it, and it has so many bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    from: usize,
    to: usize,
    bytes: usize,
}

impl<'t> Texts<'t> {
    pub fn of(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut texts: Vec<_> = texts.collect();
        texts.sort_unstable();
        texts.dedup();
        Self { texts }
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The characters of the texts; `None` where that takes too many steps.
    pub fn characters(&self, budget: &mut Budget) -> Option<HashSet<char>> {
        let bytes: u64 = self.texts.iter().map(|text| text.len() as u64).sum();
        budget.spend(bytes / 4).then(|| self.texts.iter().flat_map(|text| text.chars()).collect())
    }

    /// The place before the first character.
    pub fn start(&self) -> Option<Place> {
        (!self.texts.is_empty()).then_some(Place { from: 0, to: self.texts.len(), bytes: 0 })
    }

    /// The place after a further character; `None` where no text goes on with it.
    pub fn next(&self, place: Option<Place>, character: char) -> Option<Place> {
        let Place { from, to, bytes } = place?;
        let mut buffer = [0; 4];
        let character = character.encode_utf8(&mut buffer).as_bytes();
        let texts = &self.texts[from..to];
        let first = texts.partition_point(|text| &text.as_bytes()[bytes..] < character);
        let count = texts[first..].partition_point(|text| text.as_bytes()[bytes..].starts_with(character));
        let from = from + first;
        (count > 0).then_some(Place { from, to: from + count, bytes: bytes + character.len() })
    }

    /// Whether one of the texts ends at a place.
    pub fn ends_at(&self, place: Option<Place>) -> bool {
        place.is_some_and(|place| self.texts.get(place.from).is_some_and(|text| text.len() == place.bytes))
    }
}
