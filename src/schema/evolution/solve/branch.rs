//! One case of a question about values of one type: facts, and alternatives that wait.

use std::collections::HashMap;

use super::{
    Goal, MAX_DEPTH, Obstacle, Outcome, Solver,
    facts::{Facts, SomeMember, SomeName},
};
use crate::schema::evolution::{
    decimal::Decimal,
    model::{KeyId, Keyword, NodeId, Type},
};

/// One thing to assert.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Node(NodeId, bool),
    Key(KeyId, bool),
    Integer(bool),
    Has(String, Option<Goal>),
    Lacks(String),
    SomeMember(SomeMember),
    At(usize, Goal),
    From(usize, Goal),
    AtMost(NodeId, u64),
    AtLeast(NodeId, u64),
    /// Another choice.
    OneOf(Vec<Vec<Step>>),
}

/// Alternatives, each of several steps.
#[derive(Clone)]
struct Choice {
    alternatives: Vec<Vec<Step>>,
    /// What is asserted by the choice, for evaluation.
    asserts: Option<Asserted>,
}

#[derive(Clone, Copy)]
enum Asserted {
    Node(NodeId, bool),
    Key(KeyId, bool),
}

/// A branch of the search.
#[derive(Clone)]
struct Branch {
    kind: Type,
    facts: Facts,
    choices: Vec<Choice>,
    nodes: HashMap<NodeId, bool>,
    keys: HashMap<KeyId, bool>,
    /// What is not in the facts, or not exactly.
    inexact: Vec<KeyId>,
}

/// The steps of a branch contradict each other.
struct Contradiction;

impl Solver<'_> {
    pub(super) fn solve_type(&mut self, kind: Type, goals: &[Goal]) -> Outcome {
        let mut branch = Branch {
            kind,
            facts: Facts::default(),
            choices: Vec::new(),
            nodes: HashMap::new(),
            keys: HashMap::new(),
            inexact: Vec::new(),
        };
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
        if let Some(values) = &branch.facts.values {
            return self.among(&values.clone(), branch.kind, goals);
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
        let choice = branch.choices.swap_remove(next);
        let mut result = Outcome::Empty;
        self.depth += 1;
        for alternative in choice.alternatives {
            let mut case = branch.clone();
            if alternative.into_iter().try_for_each(|step| self.assert(&mut case, step)).is_err() {
                continue;
            }
            match self.search(case, goals) {
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

    /// The outcome where the value is one of a list.
    fn among(&mut self, values: &[serde_json::Value], kind: Type, goals: &[Goal]) -> Outcome {
        let mut outcome = Outcome::Empty;
        for value in values.iter().filter(|value| Type::of(value) == kind) {
            if !self.step() {
                return Outcome::Unknown(None);
            }
            match self.meets(goals, value) {
                Some(true) => return Outcome::value(value.clone()),
                Some(false) => {}
                None => outcome = Outcome::Unknown(Some(std::rc::Rc::new(value.clone()))),
            }
        }
        outcome
    }

    fn solve_facts(&mut self, kind: Type, facts: &Facts) -> Outcome {
        if facts.size.is_empty() {
            return Outcome::Empty;
        }
        let first = |values: &[serde_json::Value]| {
            let value = values.iter().find(|value| !facts.excluded.contains(value));
            value.map_or(Outcome::Empty, |value| Outcome::value(value.clone()))
        };
        match kind {
            Type::Null => first(&[serde_json::Value::Null]),
            Type::Boolean => first(&[false.into(), true.into()]),
            Type::Number => self.solve_number(facts),
            Type::String => self.solve_string(facts),
            Type::Array => self.solve_array(facts),
            Type::Object => self.solve_object(facts),
        }
    }

    /// The choice to divide: one that a value violates, else one of which that is not known.
    fn violated(&mut self, branch: &Branch, value: &serde_json::Value) -> Option<usize> {
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

    /// Removes alternatives that contradict the facts, and asserts those that are alone.
    fn settle(&mut self, branch: &mut Branch) -> Result<(), Contradiction> {
        loop {
            let mut alone = None;
            let mut index = 0;
            while index < branch.choices.len() {
                let mut choice = branch.choices[index].clone();
                let before = choice.alternatives.len();
                let mut is_met = false;
                choice.alternatives.retain(|steps| {
                    is_met |= steps.iter().all(|step| self.is_true(branch, step));
                    !steps.iter().any(|step| self.is_false(branch, step))
                });
                if is_met {
                    branch.choices.swap_remove(index);
                    continue;
                }
                match choice.alternatives.len() {
                    0 => return Err(Contradiction),
                    1 => {
                        alone = choice.alternatives.pop();
                        branch.choices.swap_remove(index);
                        break;
                    }
                    after if after < before => branch.choices[index] = choice,
                    _ => {}
                }
                index += 1;
            }
            match alone {
                Some(steps) => steps.into_iter().try_for_each(|step| self.assert(branch, step))?,
                None => return Ok(()),
            }
        }
    }

    fn is_false(&self, branch: &Branch, step: &Step) -> bool {
        match step {
            Step::Node(node, wanted) => match branch.nodes.get(node) {
                Some(known) => known != wanted,
                None => {
                    let mut keys = self.model.keys(*node).iter();
                    match wanted {
                        true => keys.any(|key| self.is_false(branch, &Step::Key(*key, true))),
                        false => keys.all(|key| self.is_false(branch, &Step::Key(*key, false))),
                    }
                }
            },
            Step::Key(key, wanted) => match branch.keys.get(key) {
                Some(known) => known != wanted,
                None => match (self.model.keyword(*key), wanted) {
                    (Keyword::Never, true) => true,
                    (Keyword::Types(types), true) => {
                        !(types.has(branch.kind) || (branch.kind == Type::Number && types.integer))
                    }
                    (Keyword::Types(types), false) => types.has(branch.kind),
                    (keyword, false) => !keyword.concerns(branch.kind),
                    _ => false,
                },
            },
            Step::Has(name, _) => branch.facts.object.absent.contains(name),
            Step::Lacks(name) => branch.facts.object.present.contains_key(name),
            _ => false,
        }
    }

    fn is_true(&self, branch: &Branch, step: &Step) -> bool {
        match step {
            Step::Node(node, wanted) => {
                branch.nodes.get(node) == Some(wanted)
                    || (*wanted
                        && self
                            .model
                            .keys(*node)
                            .iter()
                            .all(|key| self.is_true(branch, &Step::Key(*key, true))))
            }
            Step::Key(key, wanted) => {
                branch.keys.get(key) == Some(wanted)
                    || (*wanted
                        && match self.model.keyword(*key) {
                            Keyword::Types(types) => types.has(branch.kind),
                            keyword => !keyword.concerns(branch.kind),
                        })
            }
            Step::Has(name, None) => branch.facts.object.present.contains_key(name),
            Step::Lacks(name) => branch.facts.object.absent.contains(name),
            _ => false,
        }
    }

    fn assert(&mut self, branch: &mut Branch, step: Step) -> Result<(), Contradiction> {
        match step {
            Step::Node(node, wanted) => {
                if let Some(known) = branch.nodes.insert(node, wanted) {
                    return if known == wanted { Ok(()) } else { Err(Contradiction) };
                }
                let keys = self.model.keys(node).to_vec();
                match (wanted, keys.as_slice()) {
                    (true, keys) => {
                        keys.iter().try_for_each(|key| self.assert(branch, Step::Key(*key, true)))
                    }
                    (false, [key]) => self.assert(branch, Step::Key(*key, false)),
                    (false, keys) => {
                        let alternatives = keys.iter().map(|key| vec![Step::Key(*key, false)]).collect();
                        choose(branch, alternatives, Some(Asserted::Node(node, false)))
                    }
                }
            }
            Step::Key(key, wanted) => {
                if let Some(known) = branch.keys.insert(key, wanted) {
                    return if known == wanted { Ok(()) } else { Err(Contradiction) };
                }
                let keyword = self.model.keyword(key);
                match (keyword.concerns(branch.kind), wanted) {
                    (false, true) => Ok(()),
                    (false, false) => Err(Contradiction),
                    (true, true) => self.assert_keyword(branch, key),
                    (true, false) => self.refute_keyword(branch, key),
                }
            }
            Step::Integer(wanted) => {
                let one = Decimal::whole(1);
                match wanted {
                    true => branch.facts.number.multiple_of(&one),
                    false => branch.facts.number.not_multiple_of(one),
                }
                Ok(())
            }
            Step::Has(name, goal) => {
                if branch.facts.object.absent.contains(&name) {
                    return Err(Contradiction);
                }
                branch.facts.object.present.entry(name).or_default().extend(goal);
                Ok(())
            }
            Step::Lacks(name) => {
                if branch.facts.object.present.contains_key(&name) {
                    return Err(Contradiction);
                }
                branch.facts.object.absent.insert(name);
                Ok(())
            }
            Step::SomeMember(member) => {
                if !branch.facts.object.some.contains(&member) {
                    branch.facts.object.some.push(member);
                }
                Ok(())
            }
            Step::At(index, goal) => {
                branch.facts.array.at.push((index, goal));
                Ok(())
            }
            Step::From(index, goal) => {
                branch.facts.array.from.push((index, goal));
                Ok(())
            }
            Step::AtMost(node, most) => {
                branch.facts.array.at_most.push((node, most));
                Ok(())
            }
            Step::AtLeast(node, least) => {
                branch.facts.array.at_least.push((node, least));
                Ok(())
            }
            Step::OneOf(alternatives) => choose(branch, alternatives, None),
        }
    }

    fn assert_keyword(&mut self, branch: &mut Branch, key: KeyId) -> Result<(), Contradiction> {
        let keyword = self.model.keyword(key).clone();
        let asserted = Some(Asserted::Key(key, true));
        let facts = &mut branch.facts;
        match keyword {
            Keyword::Never => return Err(Contradiction),
            Keyword::Types(types) if types.has(branch.kind) => {}
            Keyword::Types(types) if branch.kind == Type::Number && types.integer => {
                facts.number.multiple_of(&Decimal::whole(1));
            }
            Keyword::Types(_) => return Err(Contradiction),
            Keyword::Enum(values) => {
                let known = facts.values.take();
                let values = values.into_iter().map(|value| value.0);
                facts.values = Some(
                    values.filter(|value| known.as_ref().is_none_or(|known| known.contains(value))).collect(),
                );
            }
            Keyword::AllOf(nodes) => {
                return nodes.into_iter().try_for_each(|node| self.assert(branch, Step::Node(node, true)));
            }
            Keyword::AnyOf(nodes) => {
                let alternatives = nodes.into_iter().map(|node| vec![Step::Node(node, true)]).collect();
                return choose(branch, alternatives, asserted);
            }
            Keyword::AtMostOne(nodes) => {
                // Each case leaves out one node and refutes all others.
                let case = |kept: usize| {
                    let others = nodes.iter().enumerate().filter(|(index, _)| *index != kept);
                    others.map(|(_, node)| Step::Node(*node, false)).collect()
                };
                return choose(branch, (0..nodes.len()).map(case).collect(), asserted);
            }
            Keyword::Not(node) => return self.assert(branch, Step::Node(node, false)),
            Keyword::If { condition, then, otherwise } => {
                let side = |wanted: bool, node: Option<NodeId>| {
                    [Step::Node(condition, wanted)]
                        .into_iter()
                        .chain(node.map(|it| Step::Node(it, true)))
                        .collect()
                };
                return choose(branch, vec![side(true, then), side(false, otherwise)], asserted);
            }
            Keyword::Minimum { bound, is_exclusive } => facts.number.at_least(bound, is_exclusive),
            Keyword::Maximum { bound, is_exclusive } => facts.number.at_most(bound, is_exclusive),
            Keyword::MultipleOf(divisor) => facts.number.multiple_of(&divisor),
            Keyword::MinLength(least) | Keyword::MinItems(least) | Keyword::MinProperties(least) => {
                facts.size.at_least(least);
            }
            Keyword::MaxLength(most) | Keyword::MaxItems(most) | Keyword::MaxProperties(most) => {
                facts.size.at_most(most);
            }
            Keyword::Pattern(pattern) => return fact(&mut facts.patterns, pattern, true),
            Keyword::Facet(facet) => return fact(&mut facts.facets, facet, true),
            Keyword::UniqueItems if facts.array.has_duplicate => return Err(Contradiction),
            Keyword::UniqueItems => facts.array.is_unique = true,
            Keyword::Items { .. } => facts.array.items.push(key),
            Keyword::Contains { node, min, max } => {
                if min > 0 {
                    facts.array.at_least.push((node, min));
                }
                facts.array.at_most.extend(max.map(|max| (node, max)));
            }
            Keyword::Required(name) => return self.assert(branch, Step::Has(name, None)),
            Keyword::Properties(_) => facts.object.members.push(key),
            Keyword::PropertyNames(node) => facts.object.names.push((node, true)),
            Keyword::Dependent { name, node } => {
                let alternatives = vec![vec![Step::Lacks(name)], vec![Step::Node(node, true)]];
                return choose(branch, alternatives, asserted);
            }
            Keyword::Other { .. } => branch.inexact.push(key),
        }
        Ok(())
    }

    fn refute_keyword(&mut self, branch: &mut Branch, key: KeyId) -> Result<(), Contradiction> {
        let keyword = self.model.keyword(key).clone();
        let asserted = Some(Asserted::Key(key, false));
        let facts = &mut branch.facts;
        match keyword {
            Keyword::Never => {}
            Keyword::Types(types) if types.has(branch.kind) => return Err(Contradiction),
            Keyword::Types(types) if branch.kind == Type::Number && types.is_by_spelling => {
                branch.inexact.push(key)
            }
            Keyword::Types(types) if branch.kind == Type::Number && types.integer => {
                return self.assert(branch, Step::Integer(false));
            }
            Keyword::Types(_) => {}
            Keyword::Enum(values) => facts.excluded.extend(values.into_iter().map(|value| value.0)),
            Keyword::AllOf(nodes) => {
                let alternatives = nodes.into_iter().map(|node| vec![Step::Node(node, false)]).collect();
                return choose(branch, alternatives, asserted);
            }
            Keyword::AnyOf(nodes) => {
                return nodes.into_iter().try_for_each(|node| self.assert(branch, Step::Node(node, false)));
            }
            Keyword::AtMostOne(nodes) => {
                // One of two nodes that match is the first of them.
                let case = |first: usize| {
                    let second =
                        nodes[first + 1..].iter().map(|node| vec![Step::Node(*node, true)]).collect();
                    vec![Step::Node(nodes[first], true), Step::OneOf(second)]
                };
                return choose(branch, (0..nodes.len() - 1).map(case).collect(), asserted);
            }
            Keyword::Not(node) => return self.assert(branch, Step::Node(node, true)),
            Keyword::If { condition, then, otherwise } => {
                let side = |wanted: bool, node: Option<NodeId>| {
                    node.map(|node| vec![Step::Node(condition, wanted), Step::Node(node, false)])
                };
                let alternatives = [side(true, then), side(false, otherwise)].into_iter().flatten().collect();
                return choose(branch, alternatives, asserted);
            }
            Keyword::Minimum { bound, is_exclusive } => facts.number.at_most(bound, !is_exclusive),
            Keyword::Maximum { bound, is_exclusive } => facts.number.at_least(bound, !is_exclusive),
            Keyword::MultipleOf(divisor) => facts.number.not_multiple_of(divisor),
            Keyword::MinLength(least) | Keyword::MinItems(least) | Keyword::MinProperties(least) => {
                facts.size.at_most(least.checked_sub(1).ok_or(Contradiction)?);
            }
            Keyword::MaxLength(most) | Keyword::MaxItems(most) | Keyword::MaxProperties(most) => {
                facts.size.at_least(most.saturating_add(1));
            }
            Keyword::Pattern(pattern) => return fact(&mut facts.patterns, pattern, false),
            Keyword::Facet(facet) => return fact(&mut facts.facets, facet, false),
            Keyword::UniqueItems if facts.array.is_unique => return Err(Contradiction),
            Keyword::UniqueItems => facts.array.has_duplicate = true,
            Keyword::Items { prefix, rest } => {
                let from = prefix.len();
                let at =
                    prefix.into_iter().enumerate().map(|(index, node)| vec![Step::At(index, (node, false))]);
                let rest = rest.map(|node| vec![Step::From(from, (node, false))]);
                return choose(branch, at.chain(rest).collect(), asserted);
            }
            Keyword::Contains { node, min, max } => {
                let fewer = min.checked_sub(1).map(|most| vec![Step::AtMost(node, most)]);
                let more = max.map(|max| vec![Step::AtLeast(node, max.saturating_add(1))]);
                return choose(branch, fewer.into_iter().chain(more).collect(), asserted);
            }
            Keyword::Required(name) => return self.assert(branch, Step::Lacks(name)),
            Keyword::Properties(members) => {
                let some =
                    |name, node| vec![Step::SomeMember(SomeMember { name, goal: Some((node, false)) })];
                let named =
                    members.named.into_iter().map(|(name, node)| vec![Step::Has(name, Some((node, false)))]);
                let patterns =
                    members.patterns.into_iter().map(|(pattern, node)| some(SomeName::Like(pattern), node));
                let additional = members.additional.map(|node| some(SomeName::Beyond(key), node));
                return choose(branch, named.chain(patterns).chain(additional).collect(), asserted);
            }
            Keyword::PropertyNames(node) => {
                let name = SomeName::Meets((node, false));
                return self.assert(branch, Step::SomeMember(SomeMember { name, goal: None }));
            }
            Keyword::Dependent { name, node } => {
                self.assert(branch, Step::Has(name, None))?;
                return self.assert(branch, Step::Node(node, false));
            }
            Keyword::Other { .. } => branch.inexact.push(key),
        }
        Ok(())
    }
}

fn choose(
    branch: &mut Branch,
    alternatives: Vec<Vec<Step>>,
    asserts: Option<Asserted>,
) -> Result<(), Contradiction> {
    if alternatives.is_empty() {
        return Err(Contradiction);
    }
    branch.choices.push(Choice { alternatives, asserts });
    Ok(())
}

fn fact<K: Ord>(
    facts: &mut std::collections::BTreeMap<K, bool>,
    key: K,
    wanted: bool,
) -> Result<(), Contradiction> {
    match facts.insert(key, wanted) {
        Some(known) if known != wanted => Err(Contradiction),
        _ => Ok(()),
    }
}
