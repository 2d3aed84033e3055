//! Takes what is asserted of a value apart: into facts, and into alternatives that wait.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use super::{
    Solver,
    branch::{Asserted, Branch, Contradiction, Step},
    facts::{SomeMember, SomeName},
};
use crate::schema::evolution::{
    decimal::Decimal,
    model::{KeyId, Keyword, NodeId, Type},
};

/// Most nodes of an `AtMostOne` whose alternatives are written out. Those of more nodes are divided in halves, since their
/// size is quadratic.
const MAX_FLAT: usize = 8;

impl Solver<'_> {
    /// Asserts a step and what follows from it. When the steps of the comparison are used up, what is left is not asserted,
    /// which permits more values, never fewer.
    pub(super) fn assert(&mut self, branch: &mut Branch, step: Step) -> Result<(), Contradiction> {
        let mut steps = VecDeque::from([step]);
        while let Some(step) = steps.pop_front() {
            if !self.spend(1) {
                return Ok(());
            }
            let choices = branch.choices.len();
            self.assert_step(branch, step, &mut steps)?;
            let bytes = branch.choices[choices..].iter().map(|choice| choice.bytes()).sum();
            if bytes > 0 && !self.open_bytes(bytes) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn assert_step(
        &mut self,
        branch: &mut Branch,
        step: Step,
        steps: &mut VecDeque<Step>,
    ) -> Result<(), Contradiction> {
        let facts = &mut branch.facts;
        match step {
            Step::Node(node, wanted) => {
                if let Some(known) = branch.nodes.insert(node, wanted) {
                    return if known == wanted { Ok(()) } else { Err(Contradiction) };
                }
                match (wanted, self.model.keys(node)) {
                    (true, keys) => steps.extend(keys.iter().map(|key| Step::Key(*key, true))),
                    (false, [key]) => steps.push_back(Step::Key(*key, false)),
                    (false, keys) => {
                        let alternatives = keys.iter().map(|key| vec![Step::Key(*key, false)]).collect();
                        return branch.choose(alternatives, Some(Asserted::Node(node, false)));
                    }
                }
            }
            Step::Key(key, wanted) => {
                if let Some(known) = branch.keys.insert(key, wanted) {
                    return if known == wanted { Ok(()) } else { Err(Contradiction) };
                }
                return match (self.model.keyword(key).concerns(branch.kind), wanted) {
                    (false, true) => Ok(()),
                    (false, false) => Err(Contradiction),
                    (true, true) => self.assert_keyword(branch, key, steps),
                    (true, false) => self.refute_keyword(branch, key, steps),
                };
            }
            Step::Integer(true) => facts.number.multiple_of(&Decimal::whole(1)),
            Step::Integer(false) => facts.number.not_multiple_of(Decimal::whole(1)),
            Step::Has(name, _) if facts.object.absent.contains(&name) => return Err(Contradiction),
            Step::Has(name, goal) => facts.object.present.entry(name).or_default().extend(goal),
            Step::Lacks(name) if facts.object.present.contains_key(&name) => return Err(Contradiction),
            Step::Lacks(name) => drop(facts.object.absent.insert(name)),
            Step::SomeMember(member) => {
                self.budget.spend(facts.object.some.len() as u64 / 4);
                if !facts.object.some.contains(&member) {
                    facts.object.some.push(member);
                }
            }
            Step::At(index, goal) => facts.array.at.push((index, goal)),
            Step::From(index, goal) => facts.array.from.push((index, goal)),
            Step::AtMost(node, most) => facts.array.at_most.push((node, most)),
            Step::AtLeast(node, least) => facts.array.at_least.push((node, least)),
            Step::OneOf(alternatives) => return branch.choose(alternatives, None),
        }
        Ok(())
    }

    fn assert_keyword(
        &mut self,
        branch: &mut Branch,
        key: KeyId,
        steps: &mut VecDeque<Step>,
    ) -> Result<(), Contradiction> {
        let keyword = self.model.shared(key);
        let asserted = Some(Asserted::Key(key, true));
        let facts = &mut branch.facts;
        match &*keyword {
            Keyword::Never => return Err(Contradiction),
            Keyword::Types(types) if types.has(branch.kind) => {}
            Keyword::Types(types) if branch.kind == Type::Number && types.integer => {
                facts.number.multiple_of(&Decimal::whole(1));
            }
            Keyword::Types(_) => return Err(Contradiction),
            Keyword::Enum(values) => {
                facts.values = match facts.values.take() {
                    Some(known) if self.budget.spend(known.len() as u64 * values.depth()) => {
                        Some(Rc::new(known.filtered(|value| values.contains(value))))
                    }
                    _ => Some(Rc::clone(values)),
                }
            }
            Keyword::AllOf(nodes) => steps.extend(nodes.iter().map(|node| Step::Node(*node, true))),
            Keyword::AnyOf(nodes) => {
                let alternatives = nodes.iter().map(|node| vec![Step::Node(*node, true)]).collect();
                return branch.choose(alternatives, asserted);
            }
            Keyword::AtMostOne(nodes) if nodes.len() <= MAX_FLAT => {
                // Each case leaves out one node and refutes all others.
                let case = |kept: usize| {
                    let others = nodes.iter().enumerate().filter(|(index, _)| *index != kept);
                    others.map(|(_, node)| Step::Node(*node, false)).collect()
                };
                return branch.choose((0..nodes.len()).map(case).collect(), asserted);
            }
            Keyword::AtMostOne(nodes) => {
                // None of one half, and at most one of the other.
                let (one, other) = nodes.split_at(nodes.len() / 2);
                let mut case = |none: &[NodeId], rest: &[NodeId]| {
                    let rest = self.model.key(Keyword::AtMostOne(rest.to_vec()));
                    let none = none.iter().map(|node| Step::Node(*node, false));
                    none.chain([Step::Key(rest, true)]).collect()
                };
                return branch.choose(vec![case(one, other), case(other, one)], asserted);
            }
            Keyword::Not(node) => steps.push_back(Step::Node(*node, false)),
            Keyword::If { condition, then, otherwise } => {
                let side = |wanted: bool, node: &Option<NodeId>| {
                    let node = node.map(|node| Step::Node(node, true));
                    [Step::Node(*condition, wanted)].into_iter().chain(node).collect()
                };
                return branch.choose(vec![side(true, then), side(false, otherwise)], asserted);
            }
            Keyword::Minimum { bound, is_exclusive } => facts.number.at_least(bound.clone(), *is_exclusive),
            Keyword::Maximum { bound, is_exclusive } => facts.number.at_most(bound.clone(), *is_exclusive),
            Keyword::MultipleOf(divisor) => facts.number.multiple_of(divisor),
            Keyword::MinLength(least) | Keyword::MinItems(least) | Keyword::MinProperties(least) => {
                facts.size.at_least(*least);
            }
            Keyword::MaxLength(most) | Keyword::MaxItems(most) | Keyword::MaxProperties(most) => {
                facts.size.at_most(*most);
            }
            Keyword::Pattern(pattern) => return fact(&mut facts.patterns, *pattern, true),
            Keyword::Facet(facet) => return fact(&mut facts.facets, *facet, true),
            Keyword::UniqueItems if facts.array.has_duplicate => return Err(Contradiction),
            Keyword::UniqueItems => facts.array.is_unique = true,
            Keyword::Items { .. } => facts.array.items.push(key),
            Keyword::Contains { node, min, max } => {
                if *min > 0 {
                    facts.array.at_least.push((*node, *min));
                }
                facts.array.at_most.extend(max.map(|max| (*node, max)));
            }
            Keyword::Required(name) => steps.push_back(Step::Has(name.clone(), None)),
            Keyword::Properties(_) => facts.object.members.push(key),
            Keyword::PropertyNames(node) => facts.object.names.push((*node, true)),
            Keyword::Dependent { name, node } => {
                let alternatives = vec![vec![Step::Lacks(name.clone())], vec![Step::Node(*node, true)]];
                return branch.choose(alternatives, asserted);
            }
            Keyword::Other { .. } => branch.inexact.push(key),
        }
        Ok(())
    }

    fn refute_keyword(
        &mut self,
        branch: &mut Branch,
        key: KeyId,
        steps: &mut VecDeque<Step>,
    ) -> Result<(), Contradiction> {
        let keyword = self.model.shared(key);
        let asserted = Some(Asserted::Key(key, false));
        let facts = &mut branch.facts;
        match &*keyword {
            Keyword::Never => {}
            Keyword::Types(types) if types.has(branch.kind) => return Err(Contradiction),
            Keyword::Types(types) if branch.kind == Type::Number && types.is_by_spelling => {
                branch.inexact.push(key);
            }
            Keyword::Types(types) if branch.kind == Type::Number && types.integer => {
                steps.push_back(Step::Integer(false));
            }
            Keyword::Types(_) => {}
            Keyword::Enum(values) => facts.excluded.push(Rc::clone(values)),
            Keyword::AllOf(nodes) => {
                let alternatives = nodes.iter().map(|node| vec![Step::Node(*node, false)]).collect();
                return branch.choose(alternatives, asserted);
            }
            Keyword::AnyOf(nodes) => steps.extend(nodes.iter().map(|node| Step::Node(*node, false))),
            Keyword::AtMostOne(nodes) if nodes.len() <= MAX_FLAT => {
                // One of two nodes that match is the first of them.
                let case = |first: usize| {
                    let second =
                        nodes[first + 1..].iter().map(|node| vec![Step::Node(*node, true)]).collect();
                    vec![Step::Node(nodes[first], true), Step::OneOf(second)]
                };
                return branch.choose((0..nodes.len() - 1).map(case).collect(), asserted);
            }
            Keyword::AtMostOne(nodes) => {
                // Two of one half, two of the other, or one of each.
                let (one, other) = nodes.split_at(nodes.len() / 2);
                let [two, two_others] = [one, other]
                    .map(|half| Step::Key(self.model.key(Keyword::AtMostOne(half.to_vec())), false));
                let [any, any_other] =
                    [one, other].map(|half| Step::Key(self.model.key(Keyword::AnyOf(half.to_vec())), true));
                return branch.choose(vec![vec![two], vec![two_others], vec![any, any_other]], asserted);
            }
            Keyword::Not(node) => steps.push_back(Step::Node(*node, true)),
            Keyword::If { condition, then, otherwise } => {
                let side = |wanted: bool, node: &Option<NodeId>| {
                    node.map(|node| vec![Step::Node(*condition, wanted), Step::Node(node, false)])
                };
                let alternatives = [side(true, then), side(false, otherwise)].into_iter().flatten().collect();
                return branch.choose(alternatives, asserted);
            }
            Keyword::Minimum { bound, is_exclusive } => facts.number.at_most(bound.clone(), !is_exclusive),
            Keyword::Maximum { bound, is_exclusive } => facts.number.at_least(bound.clone(), !is_exclusive),
            Keyword::MultipleOf(divisor) => facts.number.not_multiple_of(divisor.clone()),
            Keyword::MinLength(least) | Keyword::MinItems(least) | Keyword::MinProperties(least) => {
                facts.size.at_most(least.checked_sub(1).ok_or(Contradiction)?);
            }
            Keyword::MaxLength(most) | Keyword::MaxItems(most) | Keyword::MaxProperties(most) => {
                facts.size.at_least(most.saturating_add(1));
            }
            Keyword::Pattern(pattern) => return fact(&mut facts.patterns, *pattern, false),
            Keyword::Facet(facet) => return fact(&mut facts.facets, *facet, false),
            Keyword::UniqueItems if facts.array.is_unique => return Err(Contradiction),
            Keyword::UniqueItems => facts.array.has_duplicate = true,
            Keyword::Items { prefix, rest } => {
                let from = prefix.len();
                let at = prefix.iter().enumerate().map(|(index, node)| vec![Step::At(index, (*node, false))]);
                let rest = rest.map(|node| vec![Step::From(from, (node, false))]);
                return branch.choose(at.chain(rest).collect(), asserted);
            }
            Keyword::Contains { node, min, max } => {
                let fewer = min.checked_sub(1).map(|most| vec![Step::AtMost(*node, most)]);
                let more = max.map(|max| vec![Step::AtLeast(*node, max.saturating_add(1))]);
                return branch.choose(fewer.into_iter().chain(more).collect(), asserted);
            }
            Keyword::Required(name) => steps.push_back(Step::Lacks(name.clone())),
            Keyword::Properties(members) => {
                let some =
                    |name, node| vec![Step::SomeMember(SomeMember { name, goal: Some((node, false)) })];
                let named = members
                    .named
                    .iter()
                    .map(|(name, node)| vec![Step::Has(name.clone(), Some((*node, false)))]);
                let patterns =
                    members.patterns.iter().map(|(pattern, node)| some(SomeName::Like(*pattern), *node));
                let additional = members.additional.map(|node| some(SomeName::Beyond(key), node));
                return branch.choose(named.chain(patterns).chain(additional).collect(), asserted);
            }
            Keyword::PropertyNames(node) => {
                let name = SomeName::Meets((*node, false));
                steps.push_back(Step::SomeMember(SomeMember { name, goal: None }));
            }
            Keyword::Dependent { name, node } => {
                steps.extend([Step::Has(name.clone(), None), Step::Node(*node, false)]);
            }
            Keyword::Other { .. } => branch.inexact.push(key),
        }
        Ok(())
    }
}

fn fact<K: Ord>(facts: &mut BTreeMap<K, bool>, key: K, wanted: bool) -> Result<(), Contradiction> {
    match facts.insert(key, wanted) {
        Some(known) if known != wanted => Err(Contradiction),
        _ => Ok(()),
    }
}
