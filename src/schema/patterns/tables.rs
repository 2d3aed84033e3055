//! The tables of transitions that patterns of texts keep between two judgements.
//!
//! A table grows with the texts that are matched, and a payload can fill that of each pattern. A pool of the regex crate has
//! one for each thread, so thousands of patterns would take as much memory as there are threads times their bound. Here, the
//! first table of a pattern is kept as it was made; what tables grow by, and further ones, are kept as long as all of them take
//! no more than [`MAX_GROWTH`]. The others are made again when they are needed.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use regex_automata::{
    Input,
    meta::{Cache, Regex},
};

/// Most bytes of this process that tables have grown by, or that a pattern has beside its first one.
const MAX_GROWTH: usize = 4 * 1024 * 1024;

static GROWTH: AtomicUsize = AtomicUsize::new(0);

/// The tables of one pattern that no thread is using.
#[derive(Default)]
pub(super) struct Tables {
    unused: Mutex<Vec<Table>>,
}

struct Table {
    cache: Box<Cache>,
    /// Its size when it was made.
    initial: usize,
    /// Bytes of it that are part of [`GROWTH`].
    counted: usize,
}

impl Tables {
    /// Whether a pattern is found in a text.
    pub fn is_match(&self, regex: &Regex, text: &str) -> bool {
        let unused = self.unused.lock().pop();
        let mut table = unused.unwrap_or_else(|| Table::new(regex));
        let found = regex.search_half_with(&mut table.cache, &Input::new(text).earliest(true)).is_some();
        let mut unused = self.unused.lock();
        if table.may_stay(unused.is_empty()) {
            unused.push(table);
        }
        found
    }
}

impl Table {
    fn new(regex: &Regex) -> Self {
        let cache = Box::new(regex.create_cache());
        Self { initial: cache.memory_usage(), counted: 0, cache }
    }

    /// Counts what there is of it, and returns whether that may be kept.
    fn may_stay(&mut self, is_first: bool) -> bool {
        let size = self.cache.memory_usage();
        let growth = if is_first { size.saturating_sub(self.initial) } else { size };
        if growth <= self.counted {
            return true;
        }
        let more = growth - self.counted;
        let added = GROWTH.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |all| {
            all.checked_add(more).filter(|all| *all <= MAX_GROWTH)
        });
        if added.is_ok() {
            self.counted = growth;
        }
        added.is_ok()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        GROWTH.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_tables_grow_by_is_bounded() {
        const PATTERNS: usize = 1_000;
        let all: Vec<_> = (0..PATTERNS)
            .map(|index| (Tables::default(), Regex::new(&format!("a[ab]{{12}}c|{index}q|^[ab]+$")).unwrap()))
            .collect();
        let texts: Vec<String> = (0..40u32)
            .map(|number| {
                (0..32)
                    .map(|bit| if number.wrapping_mul(2_654_435_761) >> bit & 1 == 0 { 'a' } else { 'b' })
                    .collect()
            })
            .collect();

        let used = allocation_counter::measure(|| {
            for text in &texts {
                assert!(all.iter().all(|(tables, regex)| tables.is_match(regex, text)));
            }
        });

        let initial: usize = all.iter().map(|(_, regex)| regex.create_cache().memory_usage()).sum();
        let kept: usize = all
            .iter()
            .flat_map(|(tables, _)| {
                tables.unused.lock().iter().map(|it| it.cache.memory_usage()).collect::<Vec<_>>()
            })
            .sum();
        eprintln!("{initial} {kept} {} {used:?}", GROWTH.load(Ordering::Relaxed));
        assert!(kept <= initial + MAX_GROWTH, "{kept} of {initial}");
        assert!(GROWTH.load(Ordering::Relaxed) <= MAX_GROWTH);
        drop(all);
    }
}
