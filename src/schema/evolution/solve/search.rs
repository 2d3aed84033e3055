//! The search through the cases of a question.

use std::rc::Rc;

use serde_json::Value;

use super::{
    Goal, MAX_DEPTH, Obstacle, Outcome, Solver,
    branch::{Asserted, Branch, Choice, Contradiction, Step},
    facts::Facts,
};
use crate::schema::evolution::{
    constants::{bytes, weight},
    model::Type,
};

impl Solver<'_> {
    pub(super) fn solve_type(&mut self, kind: Type, goals: &[Goal]) -> Outcome {
        let mut branch = Branch::of(kind);
        for (node, must_match) in goals {
            if self.assert(&mut branch, Step::Node(*node, *must_match)).is_err() {
                return Outcome::Empty;
            }
        }
        self.search(branch, goals)
    }

    fn search(&mut self, mut branch: Branch, goals: &[Goal]) -> Outcome {
        if !self.step() {
            return Outcome::Unknown(None);
        }
        if self.depth >= MAX_DEPTH {
            self.obstacles.insert(Obstacle::Steps);
            return Outcome::Unknown(None);
        }
        if self.settle(&mut branch).is_err() {
            return Outcome::Empty;
        }
        if branch.facts.values.is_some() {
            return self.among(&branch, goals);
        }
        match self.trim(&mut branch) {
            Ok(Some(only)) => return self.divide(branch, only, goals),
            Ok(None) => {}
            Err(Contradiction) => return Outcome::Empty,
        }
        let mut outcome = self.solve_facts(branch.kind, &branch.facts);
        let next = match &outcome {
            Outcome::Empty => return outcome,
            Outcome::Value(value) => match self.meets(goals, value) {
                Some(true) => return outcome,
                _ => self.violated(&branch, value),
            },
            Outcome::Unknown(_) => (!branch.choices.is_empty()).then_some(0),
        };
        let Some(next) = next else {
            if let Outcome::Value(value) = outcome {
                self.obstacles.extend(branch.inexact.iter().map(|key| Obstacle::Keyword(*key)));
                outcome = Outcome::Unknown(Some(value));
            }
            return outcome;
        };
        self.divide(branch, next, goals)
    }

    /// Divides a branch into the cases of a choice.
    fn divide(&mut self, mut branch: Branch, choice: usize, goals: &[Goal]) -> Outcome {
        let choice = branch.choices.swap_remove(choice);
        let mut result = Outcome::Empty;
        self.depth += 1;
        for alternative in &choice.alternatives {
            if !self.spend(branch.weight()) {
                result = result.or_unknown();
                break;
            }
            if self.is_member_empty(&branch, alternative) {
                continue;
            }
            let open_bytes = self.open_bytes;
            if !self.open_bytes(branch.bytes()) {
                result = result.or_unknown();
                break;
            }
            let mut case = branch.clone();
            let is_possible =
                alternative.iter().try_for_each(|step| self.assert(&mut case, step.clone())).is_ok();
            let outcome = if is_possible { self.search(case, goals) } else { Outcome::Empty };
            self.close_bytes(open_bytes);
            match outcome {
                Outcome::Empty => {}
                Outcome::Value(value) => {
                    result = Outcome::Value(value);
                    break;
                }
                unknown => {
                    if result.any_value().is_none() {
                        result = unknown;
                    }
                }
            }
        }
        self.depth -= 1;
        result
    }

    /// Removes the first cases of a choice as long as these are about members that have no value. In two versions of a large
    /// object, nearly all members are such, and no object needs to be made to find it out. Returns the choice that is to be
    /// divided next where it is the only one.
    fn trim(&mut self, branch: &mut Branch) -> Result<Option<usize>, Contradiction> {
        for index in 0..branch.choices.len() {
            let choice = Rc::clone(&branch.choices[index]);
            let is_of_members = |alternative: &Rc<[Step]>| matches!(&**alternative, [Step::Has(_, Some(_))]);
            if !choice.alternatives.iter().all(is_of_members) {
                continue;
            }
            let empty = choice.alternatives.iter().take_while(|it| self.is_member_empty(branch, it)).count();
            if empty == choice.alternatives.len() {
                return Err(Contradiction);
            }
            if empty > 0 {
                let alternatives = choice.alternatives[empty..].to_vec();
                branch.choices[index] = Rc::new(Choice { alternatives, asserts: choice.asserts });
            }
            if branch.choices.len() == 1 {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// Whether a case has a member of a name that has no value.
    fn is_member_empty(&mut self, branch: &Branch, case: &[Step]) -> bool {
        let [Step::Has(name, Some(goal))] = case else { return false };
        let object = &branch.facts.object;
        let Some(mut goals) = self.member_goals(&object.members, name) else { return false };
        goals.push(*goal);
        goals.extend(object.present.get(name).into_iter().flatten());
        matches!(self.solve(&goals), Outcome::Empty)
    }

    /// The outcome where the value is one of a list.
    fn among(&mut self, branch: &Branch, goals: &[Goal]) -> Outcome {
        let Some(values) = &branch.facts.values else { return Outcome::Unknown(None) };
        let mut outcome = Outcome::Empty;
        for value in values.of_type(branch.kind) {
            if !self.spend(weight(value)) {
                return outcome.or_unknown();
            }
            if branch.facts.is_excluded(value) {
                continue;
            }
            for value in self.spellings(value) {
                match self.meets(goals, &value) {
                    Some(true) if self.keep(bytes(&value)) => return Outcome::value(value),
                    Some(false) => {}
                    Some(true) => return Outcome::Unknown(None),
                    None => outcome = Outcome::Unknown(self.keep(bytes(&value)).then(|| value.into())),
                }
            }
        }
        outcome
    }

    /// The ways to write a value between which some keyword distinguishes.
    fn spellings(&self, value: &Value) -> Vec<Value> {
        let mut all = vec![value.clone()];
        if self.model.has_spelling && (value.is_i64() || value.is_u64()) {
            all.extend(value.as_f64().map(Value::from));
        }
        all
    }

    fn solve_facts(&mut self, kind: Type, facts: &Facts) -> Outcome {
        if facts.size.is_empty() {
            return Outcome::Empty;
        }
        let first = |values: &[Value]| {
            let value = values.iter().find(|value| !facts.is_excluded(value));
            value.map_or(Outcome::Empty, |value| Outcome::value(value.clone()))
        };
        match kind {
            Type::Null => first(&[Value::Null]),
            Type::Boolean => first(&[false.into(), true.into()]),
            Type::Number => self.solve_number(facts),
            Type::String => self.solve_string(facts),
            Type::Array => self.solve_array(facts),
            Type::Object => self.solve_object(facts),
        }
    }

    /// The choice to divide: one that a value violates, else one of which that is not known.
    fn violated(&mut self, branch: &Branch, value: &Value) -> Option<usize> {
        let mut not_known = None;
        for (index, choice) in branch.choices.iter().enumerate() {
            let holds = match choice.asserts {
                Some(Asserted::Node(node, wanted)) => {
                    self.evaluation().node(node, value).map(|it| it == wanted)
                }
                Some(Asserted::Key(key, wanted)) => self.evaluation().key(key, value).map(|it| it == wanted),
                None => None,
            };
            match holds {
                Some(false) => return Some(index),
                Some(true) => {}
                None => not_known = not_known.or(Some(index)),
            }
        }
        not_known
    }
}
