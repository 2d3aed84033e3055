//! Objects: which names exist, which name meets what is asked of some member, and a value for each.
//!
//! The names that the schemas mention are tried one by one. All other names are divided by the patterns that they match; of
//! each class, the automata give a name.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use serde_json::{Map, Value};

use super::{
    Goal, Outcome, Solver,
    facts::{Facts, ObjectFacts, SomeMember, SomeName},
};
use crate::schema::evolution::model::{Constant, KeyId, Keyword, PatternId};

/// Most members of an object that is made.
const MAX_MEMBERS: u64 = 1_000;
/// Most patterns by which names are divided.
const MAX_PATTERNS: usize = 8;

/// The members that an object has.
#[derive(Clone, Default)]
struct Slots {
    /// The goals of each value, those of the schema included.
    members: BTreeMap<String, Vec<Goal>>,
}

/// A member that may meet a demand.
struct Candidate {
    name: String,
    goals: Vec<Goal>,
    /// The name is one that the schemas mention; else there may be others like it.
    is_mentioned: bool,
}

/// A question about the members of one object.
struct Members<'f> {
    facts: &'f Facts,
    object: &'f ObjectFacts,
    /// The names that are mentioned.
    mentioned: BTreeSet<String>,
    patterns: Vec<PatternId>,
}

/// How patterns divide names.
type Signs = Vec<(PatternId, bool)>;

impl Solver<'_> {
    pub(super) fn solve_object(&mut self, facts: &Facts) -> Outcome {
        let object = &facts.object;
        let is_empty_excluded =
            || facts.excluded.iter().any(|value| value.as_object().is_some_and(Map::is_empty));
        if facts.size.max.is_some_and(|max| max == 0 && is_empty_excluded()) {
            return Outcome::Empty;
        }
        if facts.size.max.is_some_and(|max| (object.present.len() as u64) > max) {
            return Outcome::Empty;
        }
        let mut mentioned: BTreeSet<String> = object.present.keys().chain(&object.absent).cloned().collect();
        let mut patterns = BTreeSet::new();
        for key in &object.members {
            if let Keyword::Properties(members) = self.model.keyword(*key) {
                mentioned.extend(members.named.keys().cloned());
                patterns.extend(members.patterns.iter().map(|(pattern, _)| *pattern));
            }
        }
        for member in &object.some {
            match member.name {
                SomeName::Like(pattern) => drop(patterns.insert(pattern)),
                SomeName::Beyond(key) => {
                    if let Keyword::Properties(members) = self.model.keyword(key) {
                        mentioned.extend(members.named.keys().cloned());
                        patterns.extend(members.patterns.iter().map(|(pattern, _)| *pattern));
                    }
                }
                SomeName::Meets(_) => {}
            }
        }
        let members = Members { facts, object, mentioned, patterns: patterns.into_iter().collect() };
        let mut is_known = true;
        let mut slots = Slots::default();
        for (name, goals) in &object.present {
            match self.meets(&object.names, &Value::String(name.clone())) {
                Some(true) => {}
                Some(false) => return Outcome::Empty,
                None => is_known = false,
            }
            let Some(mut all) = self.member_goals(&members, name) else { return Outcome::Unknown(None) };
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
        let max = members.facts.size.max;
        if max.is_some_and(|max| slots.members.len() as u64 > max) {
            return Outcome::Empty;
        }
        let Some((candidates, _)) = demands.get(next) else { return self.fill_object(members, slots) };
        let mut outcome = Outcome::Empty;
        for candidate in candidates {
            let mut slots = slots.clone();
            let mut name = candidate.name.clone();
            if !candidate.is_mentioned && slots.members.contains_key(&name) {
                // Another name of the same class, if the size permits one; this one may do for both.
                *is_complete = false;
                if let Some(other) = self.other_name(members, &name, &slots) {
                    name = other;
                }
            }
            // Two demands that each have a name of their own might share one.
            *is_complete &= candidate.is_mentioned || max.is_none();
            let goals = slots.members.entry(name).or_default();
            goals.extend(&candidate.goals);
            let goals = goals.clone();
            if matches!(self.solve(&goals), Outcome::Empty) {
                continue;
            }
            match self.place_next(members, demands, next + 1, slots, is_complete) {
                Outcome::Empty => {}
                Outcome::Value(value) => return Outcome::Value(value),
                unknown => outcome = unknown,
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
            Outcome::Value(value) if members.facts.excluded.contains(value) => {}
            _ => return outcome,
        }
        // An excluded object: a larger one, or another value.
        let mut larger = slots.clone();
        if size.permits(larger.members.len() + 1)
            && self.grow(members, &mut larger, slots.members.len() + 1).is_ok()
        {
            let outcome = self.member_values(&larger);
            if matches!(&outcome, Outcome::Value(value) if !members.facts.excluded.contains(value)) {
                return outcome;
            }
        }
        if let Outcome::Value(value) = &outcome {
            for (name, value) in value.as_object().into_iter().flatten() {
                let same = self.model.node_of(Keyword::Enum(vec![Constant::of(value)]));
                let mut other = slots.clone();
                other.members.entry(name.clone()).or_default().push((same, false));
                let outcome = self.member_values(&other);
                if matches!(&outcome, Outcome::Value(value) if !members.facts.excluded.contains(value)) {
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
                Outcome::Value(value) => drop(map.insert(name.clone(), (*value).clone())),
                Outcome::Unknown(guess) => {
                    is_known = false;
                    map.insert(name.clone(), guess.map_or(Value::Null, |guess| (*guess).clone()));
                }
            }
        }
        if is_known { Outcome::value(map) } else { Outcome::Unknown(Some(Rc::new(map.into()))) }
    }

    /// Adds members that no demand asks for.
    fn grow(&mut self, members: &Members<'_>, slots: &mut Slots, size: usize) -> Result<(), Outcome> {
        let mut is_complete = true;
        for name in &members.mentioned {
            if slots.members.len() >= size {
                return Ok(());
            }
            if slots.members.contains_key(name) || members.object.absent.contains(name) {
                continue;
            }
            let Some(goals) = self.member_goals(members, name) else {
                is_complete = false;
                continue;
            };
            match (self.meets(&members.object.names, &Value::String(name.clone())), self.solve(&goals)) {
                (Some(false), _) | (_, Outcome::Empty) => {}
                (Some(true), Outcome::Value(_)) => drop(slots.members.insert(name.clone(), goals)),
                _ => is_complete = false,
            }
        }
        if slots.members.len() < size {
            let (classes, all) = self.classes(members, None);
            is_complete &= all;
            for signs in classes {
                let goals = self.goals_of_class(members, &signs);
                match self.solve(&goals) {
                    Outcome::Empty => continue,
                    Outcome::Value(_) => {}
                    Outcome::Unknown(_) => {
                        is_complete = false;
                        continue;
                    }
                }
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

    /// The members that may meet a demand, and whether these are all.
    fn candidates(&mut self, members: &Members<'_>, some: &SomeMember) -> (Vec<Candidate>, bool) {
        let mut candidates = Vec::new();
        let mut is_complete = true;
        for name in members.mentioned.iter().filter(|name| !members.object.absent.contains(*name)) {
            let text = Value::String(name.clone());
            let fits = match some.name {
                SomeName::Like(pattern) => self.checks.matches(self.model, pattern, name),
                SomeName::Beyond(key) => self.is_beyond(key, name),
                SomeName::Meets(goal) => self.meets(&[goal], &text),
            };
            let (Some(fits), Some(permitted)) = (fits, self.meets(&members.object.names, &text)) else {
                is_complete = false;
                continue;
            };
            if !fits || !permitted {
                continue;
            }
            let Some(mut goals) = self.member_goals(members, name) else {
                is_complete = false;
                continue;
            };
            goals.extend(some.goal);
            goals.extend(members.object.present.get(name).into_iter().flatten());
            match self.solve(&goals) {
                Outcome::Empty => {}
                Outcome::Value(_) => {
                    candidates.push(Candidate { name: name.clone(), goals, is_mentioned: true })
                }
                Outcome::Unknown(_) => is_complete = false,
            }
        }
        let (classes, all) = self.classes(members, Some(some));
        is_complete &= all;
        for signs in classes {
            let mut goals = self.goals_of_class(members, &signs);
            goals.extend(some.goal);
            match self.solve(&goals) {
                Outcome::Empty => continue,
                Outcome::Value(_) => {}
                Outcome::Unknown(_) => {
                    is_complete = false;
                    continue;
                }
            }
            match self.name_of_class(members, &signs, Some(some), [].iter()) {
                Outcome::Value(name) => {
                    let name = name.as_str().unwrap_or_default().to_owned();
                    candidates.push(Candidate { name, goals, is_mentioned: false });
                }
                Outcome::Empty => {}
                Outcome::Unknown(_) => is_complete = false,
            }
        }
        (candidates, is_complete)
    }

    /// Whether a name is none that a `Properties` names.
    fn is_beyond(&mut self, key: KeyId, name: &str) -> Option<bool> {
        let Keyword::Properties(members) = self.model.keyword(key).clone() else { return None };
        if members.named.contains_key(name) {
            return Some(false);
        }
        for (pattern, _) in &members.patterns {
            if self.checks.matches(self.model, *pattern, name)? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// The goals of the value of a name.
    fn member_goals(&mut self, members: &Members<'_>, name: &str) -> Option<Vec<Goal>> {
        let mut goals = Vec::new();
        for key in &members.object.members {
            if let Keyword::Properties(properties) = self.model.keyword(*key).clone() {
                goals.extend(
                    self.evaluation().members(&properties, name)?.into_iter().map(|node| (node, true)),
                );
            }
        }
        Some(goals)
    }

    /// The goals of the value of a name that is not mentioned.
    fn goals_of_class(&self, members: &Members<'_>, signs: &Signs) -> Vec<Goal> {
        let mut goals = Vec::new();
        for key in &members.object.members {
            if let Keyword::Properties(properties) = self.model.keyword(*key) {
                let like = |pattern: &PatternId| signs.contains(&(*pattern, true));
                let matching = properties.patterns.iter().filter(|(pattern, _)| like(pattern));
                let matching: Vec<_> = matching.map(|(_, node)| (*node, true)).collect();
                if matching.is_empty() {
                    goals.extend(properties.additional.map(|node| (node, true)));
                }
                goals.extend(matching);
            }
        }
        goals
    }

    /// How the patterns divide the names that are not mentioned, and whether these are all classes that have a name.
    fn classes(&mut self, members: &Members<'_>, some: Option<&SomeMember>) -> (Vec<Signs>, bool) {
        if members.patterns.len() > MAX_PATTERNS {
            return (Vec::new(), false);
        }
        let mut classes: Vec<Signs> = vec![Vec::new()];
        for pattern in &members.patterns {
            let mut divided = Vec::new();
            for signs in classes {
                for sign in [false, true] {
                    let mut signs = signs.clone();
                    signs.push((*pattern, sign));
                    if self.contradicts(&signs, some) {
                        continue;
                    }
                    if !matches!(self.name_of_class(members, &signs, some, [].iter()), Outcome::Empty) {
                        divided.push(signs);
                    }
                }
            }
            classes = divided;
        }
        (classes, true)
    }

    /// Whether names that patterns divide in this way cannot meet a demand.
    fn contradicts(&self, signs: &Signs, some: Option<&SomeMember>) -> bool {
        match some.map(|some| some.name) {
            Some(SomeName::Like(pattern)) => signs.contains(&(pattern, false)),
            Some(SomeName::Beyond(key)) => match self.model.keyword(key) {
                Keyword::Properties(properties) => {
                    properties.patterns.iter().any(|(pattern, _)| signs.contains(&(*pattern, true)))
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// A name that is not mentioned, of a class.
    fn name_of_class<'n>(
        &mut self,
        members: &Members<'_>,
        signs: &Signs,
        some: Option<&SomeMember>,
        taken: impl Iterator<Item = &'n String>,
    ) -> Outcome {
        let mut goals = members.object.names.clone();
        if let Some(SomeName::Meets(goal)) = some.map(|some| some.name) {
            goals.push(goal);
        }
        for (pattern, sign) in signs {
            goals.push((self.model.node_of(Keyword::Pattern(*pattern)), *sign));
        }
        let names: BTreeSet<String> = members.mentioned.iter().cloned().chain(taken.cloned()).collect();
        if !names.is_empty() {
            let names = names.into_iter().map(|name| Constant(name.into())).collect();
            goals.push((self.model.node_of(Keyword::Enum(names)), false));
        }
        self.solve_text(&goals)
    }

    /// Another name of the class that a name is in.
    fn other_name(&mut self, members: &Members<'_>, name: &str, slots: &Slots) -> Option<String> {
        let mut signs = Signs::new();
        for pattern in &members.patterns {
            signs.push((*pattern, self.checks.matches(self.model, *pattern, name)?));
        }
        match self.name_of_class(members, &signs, None, slots.members.keys()) {
            Outcome::Value(other) => other.as_str().map(str::to_owned),
            _ => None,
        }
    }
}
