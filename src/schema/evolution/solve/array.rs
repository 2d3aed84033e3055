//! Arrays: which element meets what is asked of some element, and a value for each.
//!
//! All elements behind the longest list of schemas by position are alike, so what is asked of some element is placed at each
//! listed position, at one that another demand has, or at the next one behind the list. The shortest array will do.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::Value;

use super::{
    Goal, MAX_DEPTH, Obstacle, Outcome, Solver,
    facts::{ArrayFacts, Facts},
};
use crate::schema::evolution::{
    constants::{Constants, weight},
    model::Keyword,
};

/// Longest array that is made.
const MAX_ITEMS: u64 = 1_000;
/// Most elements that `minContains` asks for.
const MAX_DEMANDS: usize = 32;

/// An element that must exist.
struct Demand {
    from: usize,
    /// It is at `from`, and nowhere behind.
    is_exact: bool,
    goal: Goal,
    /// Demands of one group are met by different elements.
    group: Option<usize>,
}

/// The elements of which something is asked.
#[derive(Clone, Default)]
struct Slots {
    goals: BTreeMap<usize, Vec<Goal>>,
    groups: BTreeMap<usize, Vec<usize>>,
    /// Two elements that are equal.
    twins: Option<(usize, usize)>,
}

/// A question about the elements of one array.
struct Elements<'f> {
    facts: &'f Facts,
    demands: Vec<Demand>,
    /// The number of positions that are not alike.
    listed: usize,
}

impl Solver<'_> {
    pub(super) fn solve_array(&mut self, facts: &Facts) -> Outcome {
        let array = &facts.array;
        let contradicts = |(node, least): &(usize, u64)| {
            array.at_most.iter().any(|(other, most)| other == node && most < least)
        };
        if array.at_least.iter().any(contradicts)
            || facts.size.max.is_some_and(|max| max == 0 && facts.is_excluded(&Value::Array(Vec::new())))
        {
            return Outcome::Empty;
        }
        let Some(demands) = demands(array) else { return Outcome::Unknown(None) };
        let mut listed =
            demands.iter().map(|demand| demand.from + usize::from(demand.is_exact)).max().unwrap_or(0);
        for key in &array.items {
            if let Keyword::Items { prefix, .. } = self.model.keyword(*key) {
                listed = listed.max(prefix.len());
            }
        }
        let elements = Elements { facts, demands, listed };
        if !array.has_duplicate {
            return self.place(&elements, 0, Slots::default());
        }
        let mut outcome = Outcome::Empty;
        for second in 1..listed + 2 {
            for first in 0..second {
                if !self.step() {
                    return Outcome::Unknown(None);
                }
                let mut slots = Slots { twins: Some((first, second)), ..Slots::default() };
                slots.goals.insert(first, Vec::new());
                slots.goals.insert(second, Vec::new());
                match self.place(&elements, 0, slots) {
                    Outcome::Empty => {}
                    Outcome::Value(value) => return Outcome::Value(value),
                    unknown => outcome = unknown,
                }
            }
        }
        outcome
    }

    /// Places the demands from one on, and returns an array.
    fn place(&mut self, elements: &Elements<'_>, next: usize, slots: Slots) -> Outcome {
        if !self.step() {
            return Outcome::Unknown(None);
        }
        if self.depth >= MAX_DEPTH {
            self.obstacles.insert(Obstacle::Steps);
            return Outcome::Unknown(None);
        }
        let Some(demand) = elements.demands.get(next) else { return self.fill(elements, &slots) };
        let behind =
            slots.goals.keys().next_back().map_or(0, |last| last + 1).max(elements.listed).max(demand.from);
        let mut places: Vec<usize> = if demand.is_exact {
            vec![demand.from]
        } else {
            let known = slots.goals.keys().copied().filter(|index| *index >= demand.from);
            known.chain(demand.from..elements.listed).chain([behind]).collect()
        };
        places.sort_unstable();
        places.dedup();
        if !self.spend(places.len() as u64) {
            return Outcome::Unknown(None);
        }
        if elements.facts.size.max.is_some_and(|max| places.first().is_some_and(|place| *place as u64 >= max))
        {
            return Outcome::Empty;
        }
        let mut outcome = Outcome::Empty;
        for place in places {
            let groups = slots.groups.get(&place);
            if demand.group.is_some_and(|group| groups.is_some_and(|groups| groups.contains(&group))) {
                continue;
            }
            if !self.spend(slots.goals.len() as u64 + 1) {
                return Outcome::Unknown(None);
            }
            let mut slots = slots.clone();
            slots.goals.entry(place).or_default().push(demand.goal);
            slots.groups.entry(place).or_default().extend(demand.group);
            let goals = self.goals_of(elements, &slots, place);
            // A place that cannot meet the demand need not be tried with all that follows.
            if matches!(self.solve(&goals), Outcome::Empty) {
                continue;
            }
            self.depth += 1;
            let placed = self.place(elements, next + 1, slots);
            self.depth -= 1;
            match placed {
                Outcome::Empty => {}
                Outcome::Value(value) => return Outcome::Value(value),
                unknown => outcome = unknown,
            }
        }
        outcome
    }

    /// The goals of an element.
    fn goals_of(&self, elements: &Elements<'_>, slots: &Slots, index: usize) -> Vec<Goal> {
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
    fn fill(&mut self, elements: &Elements<'_>, slots: &Slots) -> Outcome {
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
            let same = self.model.node_of(Keyword::Enum(Rc::new(Constants::of([element.clone()]))));
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
                with.push((self.model.node_of(Keyword::Enum(taken)), false));
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

/// What must exist; `None` where that is too much.
fn demands(array: &ArrayFacts) -> Option<Vec<Demand>> {
    let at = array.at.iter().map(|(index, goal)| Demand {
        from: *index,
        is_exact: true,
        goal: *goal,
        group: None,
    });
    let mut demands: Vec<_> = at.collect();
    let from = array.from.iter().map(|(index, goal)| Demand {
        from: *index,
        is_exact: false,
        goal: *goal,
        group: None,
    });
    demands.extend(from);
    for (group, (node, least)) in array.at_least.iter().enumerate() {
        let least = usize::try_from(*least).ok().filter(|least| *least <= MAX_DEMANDS)?;
        let one = || Demand { from: 0, is_exact: false, goal: (*node, true), group: Some(group) };
        demands.extend((0..least).map(|_| one()));
    }
    Some(demands)
}
