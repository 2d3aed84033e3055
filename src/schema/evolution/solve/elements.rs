//! Elements of arrays: the goals of each, and a value for each.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::Value;

use super::{Goal, Outcome, Solver, facts::Facts};
use crate::schema::evolution::{
    constants::{Constants, weight},
    model::Keyword,
};

/// Longest array that is made.
const MAX_ITEMS: u64 = 1_000;
/// An element that must exist.
pub(super) struct Demand {
    pub from: usize,
    /// It is at `from`, and nowhere behind.
    pub is_exact: bool,
    pub goal: Goal,
    /// Demands of one group are met by different elements.
    pub group: Option<usize>,
}

/// The elements of which something is asked.
#[derive(Clone, Default)]
pub(super) struct Slots {
    pub goals: BTreeMap<usize, Vec<Goal>>,
    pub groups: BTreeMap<usize, Vec<usize>>,
    /// Two elements that are equal.
    pub twins: Option<(usize, usize)>,
}

/// A question about the elements of one array.
pub(super) struct Elements<'f> {
    pub facts: &'f Facts,
    pub demands: Vec<Demand>,
    /// The number of positions that are not alike.
    pub listed: usize,
}

impl Solver<'_> {
    /// The goals of an element.
    pub(super) fn goals_of(&self, elements: &Elements<'_>, slots: &Slots, index: usize) -> Vec<Goal> {
        let mut goals = Vec::new();
        let twins = slots.twins.filter(|(first, second)| *first == index || *second == index);
        for index in twins.map_or(vec![index], |(first, second)| vec![first, second]) {
            goals.extend(slots.goals.get(&index).into_iter().flatten());
            for key in &elements.facts.array.items {
                if let Keyword::Items { prefix, rest } = self.model.keyword(*key) {
                    goals.extend(prefix.get(index).copied().or(*rest).map(|node| (node, true)));
                }
            }
        }
        let never = elements.facts.array.at_most.iter().filter(|(_, most)| *most == 0);
        goals.extend(never.map(|(node, _)| (*node, false)));
        goals
    }

    /// Returns an array in which all demands have their places.
    pub(super) fn fill(&mut self, elements: &Elements<'_>, slots: &Slots) -> Outcome {
        let size = elements.facts.size;
        let last = slots.goals.keys().next_back().map_or(0, |last| last + 1);
        let length = size.min.max(last as u64);
        if size.max.is_some_and(|max| length > max) {
            return Outcome::Empty;
        }
        if length > MAX_ITEMS || !self.spend(length * (1 + elements.facts.array.items.len() as u64)) {
            return self.first_that_is_empty(elements, slots, last.max(elements.listed + 1));
        }
        let length = usize::try_from(length).unwrap_or(0);
        let of_each = elements.facts.array.items.len() as u64;
        if !self.open_bytes(length as u64 * (64 + of_each * size_of::<Goal>() as u64)) {
            return Outcome::Unknown(None);
        }
        let mut goals: Vec<Vec<Goal>> =
            (0..length).map(|index| self.goals_of(elements, slots, index)).collect();
        match self.refuse_surplus(elements, &mut goals) {
            Some(Outcome::Empty) => return Outcome::Empty,
            Some(_) => return Outcome::Unknown(None),
            None => {}
        }
        let outcome = self.values(elements, slots, &goals);
        match &outcome {
            Outcome::Value(value) if elements.facts.is_excluded(value) => {}
            _ => return outcome,
        }
        // An excluded array: a longer one, or another first element.
        let mut longer = goals.clone();
        longer.push(self.goals_of(elements, slots, length.max(elements.listed)));
        if longer.len() == length + 1 && length >= elements.listed && size.permits(length + 1) {
            let outcome = self.values(elements, slots, &longer);
            if matches!(&outcome, Outcome::Value(value) if !elements.facts.is_excluded(value)) {
                return outcome;
            }
        }
        if let (Outcome::Value(value), Some(first)) = (&outcome, goals.first_mut())
            && let Some(element) = value.get(0)
        {
            let same = Rc::new(Constants::of([element.clone()]));
            let Some(same) = self.node_of_values(&same) else { return Outcome::Unknown(None) };
            first.push((same, false));
            let outcome = self.values(elements, slots, &goals);
            if matches!(&outcome, Outcome::Value(value) if !elements.facts.is_excluded(value)) {
                return outcome;
            }
        }
        Outcome::Unknown(None)
    }

    /// The outcome for an array that is too long to make: empty where one of its first elements has no value.
    fn first_that_is_empty(&mut self, elements: &Elements<'_>, slots: &Slots, count: usize) -> Outcome {
        for index in 0..count {
            if !self.step() {
                break;
            }
            let goals = self.goals_of(elements, slots, index);
            if matches!(self.solve(&goals), Outcome::Empty) {
                return Outcome::Empty;
            }
        }
        Outcome::Unknown(None)
    }

    /// Has the elements that need not match a node of `maxContains` not match it. Some: there is no such array, or that
    /// is not known.
    fn refuse_surplus(&mut self, elements: &Elements<'_>, goals: &mut [Vec<Goal>]) -> Option<Outcome> {
        let limited: Vec<_> = elements.facts.array.at_most.iter().filter(|(_, most)| *most > 0).collect();
        for (node, most) in &limited {
            let mut forced = 0;
            for goals in goals.iter_mut() {
                if !self.spend(1 + goals.len() as u64) {
                    return Some(Outcome::Unknown(None));
                }
                let mut without = goals.clone();
                without.push((*node, false));
                match self.solve(&without) {
                    Outcome::Empty => forced += 1,
                    Outcome::Value(_) => *goals = without,
                    Outcome::Unknown(_) => return Some(Outcome::Unknown(None)),
                }
            }
            if forced > *most {
                // With several limits, the first may have forced this one.
                let is_only = limited.len() == 1;
                return Some(if is_only { Outcome::Empty } else { Outcome::Unknown(None) });
            }
        }
        None
    }

    /// A value for each element.
    fn values(&mut self, elements: &Elements<'_>, slots: &Slots, goals: &[Vec<Goal>]) -> Outcome {
        let mut values: Vec<Option<Rc<Value>>> = vec![None; goals.len()];
        let mut is_known = true;
        for (index, goals) in goals.iter().enumerate() {
            if let Some((first, second)) = slots.twins
                && index == second
            {
                values[index] = values[first].clone();
                continue;
            }
            match self.solve(goals) {
                Outcome::Empty => return Outcome::Empty,
                Outcome::Value(value) => values[index] = Some(value),
                Outcome::Unknown(guess) => {
                    is_known = false;
                    values[index] = guess;
                }
            }
        }
        if elements.facts.array.is_unique {
            // Which elements match a limited node was decided before, perhaps not in the only way.
            let is_limited = elements.facts.array.at_most.iter().any(|(_, most)| *most > 0);
            let forward: Vec<usize> = (0..goals.len()).collect();
            let backward: Vec<usize> = (0..goals.len()).rev().collect();
            let mut outcome = self.make_unique(goals, &forward);
            if !matches!(outcome, Outcome::Value(_)) {
                let other = self.make_unique(goals, &backward);
                if !matches!(outcome, Outcome::Empty) {
                    outcome = other;
                }
            }
            return if is_limited { outcome.or_unknown() } else { outcome };
        }
        let values: Option<Vec<Value>> =
            values.into_iter().map(|value| value.and_then(|value| self.copy(&value))).collect();
        match (values, is_known) {
            (Some(values), true) => Outcome::value(values),
            (values, _) => Outcome::Unknown(values.map(|values| Rc::new(values.into()))),
        }
    }

    /// Values that differ from each other, found in an order.
    fn make_unique(&mut self, goals: &[Vec<Goal>], order: &[usize]) -> Outcome {
        let mut values: BTreeMap<usize, Value> = BTreeMap::new();
        for index in order {
            let mut with = goals[*index].clone();
            if !values.is_empty() {
                if !self.spend(values.values().map(weight).sum::<u64>() * 2) {
                    return Outcome::Unknown(None);
                }
                let taken = Rc::new(Constants::of(values.values().cloned()));
                let Some(taken) = self.node_of_values(&taken) else { return Outcome::Unknown(None) };
                with.push((taken, false));
            }
            match self.solve(&with) {
                Outcome::Value(value) => {
                    let Some(value) = self.copy(&value) else { return Outcome::Unknown(None) };
                    values.insert(*index, value)
                }
                // Elements that are all alike have no more values than were found.
                Outcome::Empty if goals.iter().all(|other| other == &goals[*index]) => return Outcome::Empty,
                _ => return Outcome::Unknown(None),
            };
        }
        Outcome::value(values.into_values().collect::<Vec<_>>())
    }
}
