//! Objects: which names exist, which name meets what is asked of some member, and a value for each.
//!
//! The names that the schemas mention are tried one by one. All other names are divided by the patterns that they match; of
//! each class, the automata give a name.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Map, Value};

use super::{
    Goal, MAX_DEPTH, Obstacle, Outcome, Solver,
    candidates::Candidate,
    facts::{Facts, SomeName},
    names::Members,
};
use crate::schema::evolution::constants::Constants;

/// Most members of an object that is made.
const MAX_MEMBERS: u64 = 1_000;

/// The members that an object has.
#[derive(Clone, Default)]
struct Slots {
    /// The goals of each value, those of the schema included.
    members: BTreeMap<String, Vec<Goal>>,
}

impl Slots {
    /// The bytes that a copy takes, about.
    fn bytes(&self) -> u64 {
        let each = |(name, goals): (&String, &Vec<Goal>)| 64 + name.len() + goals.len() * size_of::<Goal>();
        self.members.iter().map(each).sum::<usize>() as u64
    }
}

impl Solver<'_> {
    pub(super) fn solve_object(&mut self, facts: &Facts) -> Outcome {
        let object = &facts.object;
        let is_empty_excluded = || facts.is_excluded(&Value::Object(Map::new()));
        if facts.size.max.is_some_and(|max| max == 0 && is_empty_excluded()) {
            return Outcome::Empty;
        }
        if facts.size.max.is_some_and(|max| (object.present.len() as u64) > max) {
            return Outcome::Empty;
        }
        let members = Members::of(facts, self.model);
        if !self.spend(members.weight()) {
            return Outcome::Unknown(None);
        }
        let mut is_known = true;
        let mut slots = Slots::default();
        for (name, goals) in &object.present {
            if !object.names.is_empty() {
                match self.meets(&object.names, &Value::String(name.clone())) {
                    Some(true) => {}
                    Some(false) => return Outcome::Empty,
                    None => is_known = false,
                }
            }
            let Some(mut all) = self.member_goals(&object.members, name) else {
                return Outcome::Unknown(None);
            };
            all.extend(goals);
            match self.solve(&all) {
                Outcome::Empty => return Outcome::Empty,
                Outcome::Value(_) => {}
                Outcome::Unknown(_) => is_known = false,
            }
            slots.members.insert(name.clone(), all);
        }
        let outcome = self.place_members(&members, slots);
        match outcome {
            Outcome::Value(value) if !is_known => Outcome::Unknown(Some(value)),
            outcome => outcome,
        }
    }

    /// Meets what is asked of some member.
    fn place_members(&mut self, members: &Members<'_>, slots: Slots) -> Outcome {
        let mut demands = Vec::new();
        for some in &members.object.some {
            let (candidates, is_complete) = self.candidates(members, some);
            if candidates.is_empty() {
                return if is_complete { Outcome::Empty } else { Outcome::Unknown(None) };
            }
            demands.push((candidates, is_complete));
        }
        let mut is_complete = demands.iter().all(|(_, is_complete)| *is_complete);
        let outcome = self.place_next(members, &demands, 0, slots, &mut is_complete);
        match outcome {
            Outcome::Empty if !is_complete => Outcome::Unknown(None),
            outcome => outcome,
        }
    }

    fn place_next(
        &mut self,
        members: &Members<'_>,
        demands: &[(Vec<Candidate>, bool)],
        next: usize,
        slots: Slots,
        is_complete: &mut bool,
    ) -> Outcome {
        if !self.step() {
            return Outcome::Unknown(None);
        }
        if self.depth >= MAX_DEPTH {
            self.obstacles.insert(Obstacle::Steps);
            return Outcome::Unknown(None);
        }
        let max = members.facts.size.max;
        if max.is_some_and(|max| slots.members.len() as u64 > max) {
            return Outcome::Empty;
        }
        let Some((candidates, _)) = demands.get(next) else { return self.fill_object(members, slots) };
        // A name that is not mentioned stands for all of its class, unless demands make a difference between names.
        let makes_difference = demands.len() > 1
            && members.object.some.iter().any(|some| matches!(some.name, SomeName::Meets(_)));
        let mut outcome = Outcome::Empty;
        for candidate in candidates {
            *is_complete &= candidate.is_mentioned || max.is_none() || !makes_difference;
            let mut names = vec![candidate.name.clone()];
            if !candidate.is_mentioned && slots.members.contains_key(&candidate.name) {
                // The member that another demand has may do for both; and there may be another name of the class.
                let other = self.other_name(members, &candidate.name, slots.members.keys());
                let is_last = matches!(other, Some(None));
                *is_complete &= other.is_some() && !makes_difference;
                // Of several members of the class that other demands have, only one is tried.
                *is_complete &= demands.len() <= 2 || (max.is_none() && !is_last);
                names.extend(other.flatten());
                names.reverse();
            }
            for name in names {
                let open_bytes = self.open_bytes;
                if !self.spend(slots.members.len() as u64) || !self.open_bytes(slots.bytes()) {
                    return Outcome::Unknown(None);
                }
                let mut slots = slots.clone();
                let goals = slots.members.entry(name).or_default();
                goals.extend(&candidate.goals);
                let goals = goals.clone();
                if matches!(self.solve(&goals), Outcome::Empty) {
                    self.close_bytes(open_bytes);
                    continue;
                }
                self.depth += 1;
                let placed = self.place_next(members, demands, next + 1, slots, is_complete);
                self.depth -= 1;
                self.close_bytes(open_bytes);
                match placed {
                    Outcome::Empty => {}
                    Outcome::Value(value) => return Outcome::Value(value),
                    unknown => outcome = unknown,
                }
            }
        }
        outcome
    }

    /// Adds members until the object is large enough, and returns it.
    fn fill_object(&mut self, members: &Members<'_>, mut slots: Slots) -> Outcome {
        let size = members.facts.size;
        if size.min > MAX_MEMBERS {
            return Outcome::Unknown(None);
        }
        let min = usize::try_from(size.min).unwrap_or(usize::MAX);
        if let Err(outcome) = self.grow(members, &mut slots, min) {
            return outcome;
        }
        let outcome = self.member_values(&slots);
        match &outcome {
            Outcome::Value(value) if members.facts.is_excluded(value) => {}
            _ => return outcome,
        }
        // An excluded object: a larger one, or another value.
        let mut larger = slots.clone();
        if size.permits(larger.members.len() + 1)
            && self.grow(members, &mut larger, slots.members.len() + 1).is_ok()
        {
            let outcome = self.member_values(&larger);
            if matches!(&outcome, Outcome::Value(value) if !members.facts.is_excluded(value)) {
                return outcome;
            }
        }
        if let Outcome::Value(value) = &outcome {
            for (name, value) in value.as_object().into_iter().flatten() {
                if !self.spend(slots.members.len() as u64) {
                    return Outcome::Unknown(None);
                }
                let same = Rc::new(Constants::of([value.clone()]));
                let Some(same) = self.node_of_values(&same) else { return Outcome::Unknown(None) };
                let mut other = slots.clone();
                other.members.entry(name.clone()).or_default().push((same, false));
                let outcome = self.member_values(&other);
                if matches!(&outcome, Outcome::Value(value) if !members.facts.is_excluded(value)) {
                    return outcome;
                }
            }
        }
        Outcome::Unknown(None)
    }

    fn member_values(&mut self, slots: &Slots) -> Outcome {
        let mut map = Map::new();
        let mut is_known = true;
        for (name, goals) in &slots.members {
            match self.solve(goals) {
                Outcome::Empty => return Outcome::Empty,
                Outcome::Value(value) => {
                    let Some(value) = self.copy(&value) else { return Outcome::Unknown(None) };
                    map.insert(name.clone(), value);
                }
                Outcome::Unknown(guess) => {
                    is_known = false;
                    let guess = guess.and_then(|guess| self.copy(&guess));
                    if guess.is_none() && !self.spend(1) {
                        return Outcome::Unknown(None);
                    }
                    map.insert(name.clone(), guess.unwrap_or(Value::Null));
                }
            }
        }
        if is_known { Outcome::value(map) } else { Outcome::Unknown(Some(Rc::new(map.into()))) }
    }

    /// Adds members that no demand asks for.
    fn grow(&mut self, members: &Members<'_>, slots: &mut Slots, size: usize) -> Result<(), Outcome> {
        let mut is_complete = true;
        for name in members.names() {
            if slots.members.len() >= size {
                return Ok(());
            }
            if !self.spend(1) {
                return Err(Outcome::Unknown(None));
            }
            if slots.members.contains_key(name) || members.object.absent.contains(name) {
                continue;
            }
            let Some(goals) = self.member_goals(&members.object.members, name) else {
                is_complete = false;
                continue;
            };
            match (self.meets(&members.object.names, &Value::from(name)), self.solve(&goals)) {
                (Some(false), _) | (_, Outcome::Empty) => {}
                (Some(true), Outcome::Value(_)) => drop(slots.members.insert(name.to_owned(), goals)),
                _ => is_complete = false,
            }
        }
        if slots.members.len() < size {
            let (classes, all) = self.classes_with_value(members, None);
            is_complete &= all;
            for (signs, goals) in classes {
                while slots.members.len() < size {
                    match self.name_of_class(members, &signs, None, slots.members.keys()) {
                        Outcome::Value(name) => {
                            let name = name.as_str().unwrap_or_default().to_owned();
                            slots.members.insert(name, goals.clone());
                        }
                        Outcome::Empty => break,
                        Outcome::Unknown(_) => {
                            is_complete = false;
                            break;
                        }
                    }
                }
            }
        }
        match (slots.members.len() >= size, is_complete) {
            (true, _) => Ok(()),
            (false, true) => Err(Outcome::Empty),
            (false, false) => Err(Outcome::Unknown(None)),
        }
    }
}
