//! Removes alternatives that contradict what a branch asserts already.

use std::rc::Rc;

use super::{
    Solver,
    branch::{Branch, Choice, Contradiction, Step},
};
use crate::schema::evolution::model::{Keyword, Type};

impl Solver<'_> {
    /// Removes alternatives that contradict the facts, and asserts those that are alone.
    pub(super) fn settle(&mut self, branch: &mut Branch) -> Result<(), Contradiction> {
        loop {
            let mut alone = Vec::new();
            let mut index = 0;
            while index < branch.choices.len() {
                let choice = Rc::clone(&branch.choices[index]);
                let mut kept = Vec::new();
                let mut is_met = false;
                for steps in &choice.alternatives {
                    if !self.spend(1 + steps.len() as u64 / 2) {
                        // What remains is only not simplified.
                        return Ok(());
                    }
                    is_met |= steps.iter().all(|step| self.is_true(branch, step));
                    if !steps.iter().any(|step| self.is_false(branch, step)) {
                        kept.push(steps);
                    }
                }
                match kept.as_slice() {
                    _ if is_met => drop(branch.choices.swap_remove(index)),
                    [] => return Err(Contradiction),
                    [steps] => {
                        alone.push(Rc::clone(steps));
                        branch.choices.swap_remove(index);
                    }
                    _ => {
                        if kept.len() < choice.alternatives.len() {
                            let alternatives = kept.into_iter().cloned().collect();
                            branch.choices[index] = Rc::new(Choice { alternatives, asserts: choice.asserts });
                        }
                        index += 1;
                    }
                }
            }
            if alone.is_empty() {
                return Ok(());
            }
            for step in alone.iter().flat_map(|steps| steps.iter()) {
                self.assert(branch, step.clone())?;
            }
        }
    }

    fn is_false(&mut self, branch: &Branch, step: &Step) -> bool {
        match step {
            Step::Node(node, wanted) => match branch.nodes.get(node) {
                Some(known) => known != wanted,
                None => {
                    let keys = self.model.keys(*node);
                    let is_false = |key: &usize| self.is_false_key(branch, *key, *wanted);
                    let result = if *wanted { keys.iter().any(is_false) } else { keys.iter().all(is_false) };
                    self.spend(keys.len() as u64 / 2);
                    result
                }
            },
            Step::Key(key, wanted) => self.is_false_key(branch, *key, *wanted),
            Step::Has(name, _) => branch.facts.object.absent.contains(name),
            Step::Lacks(name) => branch.facts.object.present.contains_key(name),
            _ => false,
        }
    }

    fn is_false_key(&self, branch: &Branch, key: usize, wanted: bool) -> bool {
        match branch.keys.get(&key) {
            Some(known) => *known != wanted,
            None => match (self.model.keyword(key), wanted) {
                (Keyword::Never, true) => true,
                (Keyword::Types(types), true) => {
                    !(types.has(branch.kind) || (branch.kind == Type::Number && types.integer))
                }
                (Keyword::Types(types), false) => types.has(branch.kind),
                (keyword, false) => !keyword.concerns(branch.kind),
                _ => false,
            },
        }
    }

    fn is_true(&mut self, branch: &Branch, step: &Step) -> bool {
        match step {
            Step::Node(node, wanted) => {
                branch.nodes.get(node) == Some(wanted)
                    || (*wanted && {
                        let keys = self.model.keys(*node);
                        let result = keys.iter().all(|key| self.is_true_key(branch, *key, true));
                        self.spend(keys.len() as u64 / 2);
                        result
                    })
            }
            Step::Key(key, wanted) => self.is_true_key(branch, *key, *wanted),
            Step::Has(name, None) => branch.facts.object.present.contains_key(name),
            Step::Lacks(name) => branch.facts.object.absent.contains(name),
            _ => false,
        }
    }

    fn is_true_key(&self, branch: &Branch, key: usize, wanted: bool) -> bool {
        branch.keys.get(&key) == Some(&wanted)
            || (wanted
                && match self.model.keyword(key) {
                    Keyword::Types(types) => types.has(branch.kind),
                    keyword => !keyword.concerns(branch.kind),
                })
    }
}
