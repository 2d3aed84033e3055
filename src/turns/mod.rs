//! Fairness between groups that wait for the same resource: round robin over the groups, first in, first out within each.
//!
//! The groups are namespaces, callers or both. A group with 10,000 waiting items delays the single item of another group by
//! one turn. [`Turns`] is the order alone; [`Permits`] hands out a number of permits in this order; [`Shares`] divides a quantity
//! so that one group never has all of it.

mod permits;
mod shares;

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

pub use permits::{Caller, Permit, Permits};
pub use shares::{Sender, Share, Shares};

/// Items that wait, by group.
///
/// # Guarantees
/// - Groups take turns: after an item of a group was taken, each other group with an item comes before that group again.
/// - The items of one group are taken in the order in which they came.
/// - [`push`](Self::push), [`pop`](Self::pop) and [`front`](Self::front) take constant time, however many items wait.
#[derive(Debug)]
pub struct Turns<K, T> {
    /// Every group here has at least one item.
    groups: HashMap<K, VecDeque<T>>,
    /// The groups, the next one first.
    order: VecDeque<K>,
    len: usize,
}

impl<K, T> Default for Turns<K, T> {
    fn default() -> Self {
        Self { groups: HashMap::new(), order: VecDeque::new(), len: 0 }
    }
}

impl<K: Clone + Eq + Hash, T> Turns<K, T> {
    /// Adds an item at the end of its group.
    pub fn push(&mut self, group: K, item: T) {
        self.len += 1;
        if let Some(items) = self.groups.get_mut(&group) {
            items.push_back(item);
            return;
        }
        self.order.push_back(group.clone());
        self.groups.insert(group, VecDeque::from([item]));
    }

    /// Takes the next item.
    pub fn pop(&mut self) -> Option<(K, T)> {
        self.pop_if(|_| true)
    }

    /// Takes the next item of a group that may have a turn. Groups that may not keep their place. The time grows with the
    /// number of groups that may not.
    pub fn pop_if(&mut self, may: impl Fn(&K) -> bool) -> Option<(K, T)> {
        self.pop_where(|group, _| may(group))
    }

    /// Takes the next item that may have a turn, of the first items of all groups. Groups whose first item may not keep their
    /// place.
    pub fn pop_where(&mut self, mut may: impl FnMut(&K, &T) -> bool) -> Option<(K, T)> {
        let Self { groups, order, .. } = self;
        let first = |group: &K| groups.get(group).and_then(VecDeque::front);
        let at = order.iter().position(|group| first(group).is_some_and(|item| may(group, item)))?;
        let group = self.order.remove(at)?;
        let items = self.groups.get_mut(&group)?;
        let item = items.pop_front()?;
        self.len -= 1;
        if items.is_empty() {
            self.groups.remove(&group);
        } else {
            self.order.push_back(group.clone());
        }
        Some((group, item))
    }

    /// Returns the item that [`pop`](Self::pop) would take.
    #[must_use]
    pub fn front(&self) -> Option<&T> {
        self.groups.get(self.order.front()?)?.front()
    }

    /// Removes the items of a group that `is_gone` names. The time grows with the size of the group.
    pub fn remove(&mut self, group: &K, is_gone: impl Fn(&T) -> bool) {
        let Some(items) = self.groups.get_mut(group) else { return };
        let before = items.len();
        items.retain(|item| !is_gone(item));
        self.len -= before - items.len();
        if items.is_empty() {
            self.groups.remove(group);
            self.order.retain(|other| other != group);
        }
    }

    /// Returns how many items wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no item waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Whether a group that uses `used` of `limit` places may have another one, while `free` of them are free.
///
/// One group gets at most about three quarters of the places, and several share what one would get, so a part of the
/// places is free for a group that has none yet. (Limits below four leave no room for that.)
#[must_use]
pub fn may_use_more(used: usize, free: usize) -> bool {
    used < free.saturating_mul(3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn groups_take_turns() {
        let mut turns = Turns::default();
        for item in 0..10_000 {
            turns.push("flood", item);
        }
        turns.push("other", 0);

        let taken: Vec<_> = std::iter::from_fn(|| turns.pop()).take(3).collect();

        assert_eq!(taken, [("flood", 0), ("other", 0), ("flood", 1)]);
    }

    #[test]
    fn a_group_that_may_not_keeps_its_place() {
        let mut turns = Turns::default();
        for group in ["a", "b", "c"] {
            turns.push(group, ());
        }

        assert_eq!(turns.pop_if(|group| *group != "a").unwrap().0, "b");
        assert_eq!(turns.pop().unwrap().0, "a");
    }

    #[test]
    fn one_group_leaves_a_quarter_of_the_places() {
        let fill = |limit: usize, groups: usize| {
            let mut used = vec![0; groups];
            loop {
                let free = limit - used.iter().sum::<usize>();
                let next = (0..groups).min_by_key(|group| used[*group]).unwrap();
                if !may_use_more(used[next], free) {
                    return (used, free);
                }
                used[next] += 1;
            }
        };

        assert_eq!(fill(32, 1), (vec![24], 8));
        assert!(fill(32, 5).1 >= 1, "{:?}", fill(32, 5));
        assert_eq!(fill(1, 1), (vec![1], 0));
    }

    proptest! {
        /// Whatever waits and whatever is removed: nothing is lost, the order within a group stays, and no group has a
        /// second turn while another one waits for its first.
        #[test]
        fn no_group_waits_for_two_turns_of_another(
            items in proptest::collection::vec(0_u8..6, 0..200),
            removed in proptest::option::of(0_u8..6),
        ) {
            let mut turns = Turns::default();
            for (number, group) in items.iter().enumerate() {
                turns.push(*group, number);
            }
            if let Some(group) = removed {
                turns.remove(&group, |_| true);
            }
            let mut left: Vec<(u8, usize)> = items.iter().copied().zip(0..).collect();
            left.retain(|(group, _)| Some(*group) != removed);
            prop_assert_eq!(turns.len(), left.len());

            let mut round = std::collections::BTreeSet::new();
            while let Some((group, number)) = turns.pop() {
                let groups: std::collections::BTreeSet<u8> = left.iter().map(|(group, _)| *group).collect();
                if groups.is_subset(&round) {
                    round.clear();
                }
                prop_assert!(round.insert(group), "group {} had two turns in a round", group);
                let first = left.iter().position(|(other, _)| *other == group).unwrap();
                prop_assert_eq!(left.remove(first).1, number);
            }
            prop_assert!(left.is_empty() && turns.is_empty());
        }
    }
}
