//! Arrays: which element meets what is asked of some element, and a value for each.
//!
//! All elements behind the longest list of schemas by position are alike, so what is asked of some element is placed at each
//! listed position, at one that another demand has, or at the next one behind the list. The shortest array will do.

use serde_json::Value;

use super::{
    MAX_DEPTH, Obstacle, Outcome, Solver,
    elements::{Demand, Elements, Slots},
    facts::{ArrayFacts, Facts},
};
use crate::schema::evolution::model::Keyword;

/// Most elements that `minContains` asks for.
const MAX_DEMANDS: usize = 32;
/// Bytes of a copy of an element of which something is asked, with a few goals.
const ELEMENT_BYTES: u64 = 160;

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
            let open_bytes = self.open_bytes;
            let bytes = ELEMENT_BYTES * (1 + slots.goals.len() as u64);
            if !self.spend(slots.goals.len() as u64 + 1) || !self.open_bytes(bytes) {
                return Outcome::Unknown(None);
            }
            let mut slots = slots.clone();
            slots.goals.entry(place).or_default().push(demand.goal);
            slots.groups.entry(place).or_default().extend(demand.group);
            let goals = self.goals_of(elements, &slots, place);
            // A place that cannot meet the demand need not be tried with all that follows.
            if matches!(self.solve(&goals), Outcome::Empty) {
                self.close_bytes(open_bytes);
                continue;
            }
            self.depth += 1;
            let placed = self.place(elements, next + 1, slots);
            self.depth -= 1;
            self.close_bytes(open_bytes);
            match placed {
                Outcome::Empty => {}
                Outcome::Value(value) => return Outcome::Value(value),
                unknown => outcome = unknown,
            }
        }
        outcome
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
