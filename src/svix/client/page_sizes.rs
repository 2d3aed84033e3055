//! How many items are requested in a page of a list, so that it has few bytes.

use std::collections::HashMap;

use parking_lot::Mutex;

/// The most items of a page that Svix allows.
const MOST_ITEMS: usize = 250;
/// The most bytes of a page of more than one item: 250 items of 16 KiB.
pub(super) const MAX_PAGE: usize = 4 * 1024 * 1024;
/// A page that is shorter than this is followed by one with more items.
const SHORT_PAGE: usize = MAX_PAGE / 4;

/// How many items are requested at once, by operation.
#[derive(Default)]
pub(super) struct PageSizes(Mutex<HashMap<&'static str, usize>>);

impl PageSizes {
    pub fn of(&self, operation: &'static str) -> usize {
        self.0.lock().get(operation).copied().unwrap_or(MOST_ITEMS)
    }

    /// Records that a page of so many items has so many bytes, at least.
    pub fn record(&self, operation: &'static str, items: usize, bytes: usize) {
        let next = next_size(items, bytes);
        if next != items {
            self.0.lock().insert(operation, next);
        }
    }
}

/// Returns how many items to request after a page of so many items had so many bytes, at least.
fn next_size(items: usize, bytes: usize) -> usize {
    match bytes {
        bytes if bytes > MAX_PAGE => (items / 4).max(1),
        bytes if bytes < SHORT_PAGE => (items * 2).min(MOST_ITEMS),
        _ => items,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_shorter_until_one_item_and_longer_again() {
        let too_long = std::iter::successors(Some(MOST_ITEMS), |items| {
            (*items > 1).then(|| next_size(*items, MAX_PAGE + 1))
        });
        let short = std::iter::successors(Some(1), |items| {
            (*items < MOST_ITEMS).then(|| next_size(*items, SHORT_PAGE - 1))
        });

        assert_eq!(too_long.collect::<Vec<_>>(), [250, 62, 15, 3, 1]);
        assert_eq!(short.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64, 128, 250]);
        assert_eq!(next_size(3, MAX_PAGE), 3);
        assert_eq!(next_size(1, usize::MAX), 1);
    }
}
