//! The names of members: those that the schemas mention, and all others by the patterns that they match.

use std::{
    cell::{Cell, OnceCell},
    collections::BTreeSet,
    rc::Rc,
};

use serde_json::Value;

use super::{
    Goal, Outcome, Solver,
    facts::{Facts, ObjectFacts, SomeMember, SomeName},
};
use crate::schema::evolution::{
    constants::{Constants, bytes},
    model::{self, KeyId, Keyword, Model, NodeId, PatternId},
};

/// Most patterns by which names are divided.
const MAX_PATTERNS: usize = 64;

/// A question about the members of one object.
pub(super) struct Members<'f> {
    pub facts: &'f Facts,
    pub object: &'f ObjectFacts,
    /// The `Properties` that mention names.
    keywords: Vec<Rc<Keyword>>,
    /// The names that are mentioned, once they are needed.
    mentioned: OnceCell<Rc<Constants>>,
    /// The node that permits these only.
    mentioned_node: Cell<Option<NodeId>>,
    patterns: Vec<PatternId>,
}

/// How patterns divide names.
pub(super) type Signs = Vec<(PatternId, bool)>;

impl<'f> Members<'f> {
    pub fn of(facts: &'f Facts, model: &Model) -> Self {
        let object = &facts.object;
        let mut keywords = Vec::new();
        let mut patterns = BTreeSet::new();
        let beyond = object.some.iter().filter_map(|some| match some.name {
            SomeName::Beyond(key) => Some(key),
            _ => None,
        });
        for key in object.members.iter().copied().chain(beyond) {
            let keyword = model.shared(key);
            if let Keyword::Properties(members) = &*keyword {
                patterns.extend(members.patterns.iter().map(|(pattern, _)| *pattern));
            }
            keywords.push(keyword);
        }
        patterns.extend(object.some.iter().filter_map(|some| match some.name {
            SomeName::Like(pattern) => Some(pattern),
            _ => None,
        }));
        let patterns = patterns.into_iter().collect();
        Self {
            facts,
            object,
            keywords,
            mentioned: OnceCell::new(),
            mentioned_node: Cell::new(None),
            patterns,
        }
    }

    /// The work of collecting the names that are mentioned.
    pub fn weight(&self) -> u64 {
        let named = self.named().map(|members| members.named.len()).sum::<usize>();
        (named + self.object.present.len() + self.object.absent.len()) as u64
    }

    fn named(&self) -> impl Iterator<Item = &model::Members> {
        self.keywords.iter().filter_map(|keyword| match &**keyword {
            Keyword::Properties(members) => Some(members),
            _ => None,
        })
    }

    /// The names that are mentioned. Most objects have no member of another name, so they are collected on demand.
    fn mentioned(&self) -> &Rc<Constants> {
        self.mentioned.get_or_init(|| {
            let known = self.object.present.keys().chain(&self.object.absent);
            let names: BTreeSet<&str> = known
                .chain(self.named().flat_map(|members| members.named.keys()))
                .map(String::as_str)
                .collect();
            Rc::new(Constants::of(names.into_iter().map(Value::from)))
        })
    }

    /// The names that are mentioned.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.mentioned().iter().filter_map(Value::as_str)
    }
}

impl Solver<'_> {
    /// Whether a name is none that a `Properties` names.
    pub(super) fn is_beyond(&mut self, key: KeyId, name: &str) -> Option<bool> {
        let keyword = self.model.shared(key);
        let Keyword::Properties(members) = &*keyword else { return None };
        if members.named.contains_key(name) {
            return Some(false);
        }
        for (pattern, _) in &members.patterns {
            if self.evaluation().matches(*pattern, name)? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// The goals of the value of a name, of all `Properties` that its object matches.
    pub(super) fn member_goals(&mut self, properties: &[KeyId], name: &str) -> Option<Vec<Goal>> {
        let mut goals = Vec::new();
        for key in properties {
            let keyword = self.model.shared(*key);
            if let Keyword::Properties(properties) = &*keyword {
                let nodes = self.evaluation().members(properties, name)?;
                goals.extend(nodes.into_iter().map(|node| (node, true)));
            }
            if !self.spend(1) {
                return None;
            }
        }
        Some(goals)
    }

    /// The classes of names that are not mentioned whose member may have a value, each with the goals of that value: those of the
    /// schemas, and that of a demand. Also whether these are all such classes.
    pub(super) fn classes_with_value(
        &mut self,
        members: &Members<'_>,
        some: Option<&SomeMember>,
    ) -> (Vec<(Signs, Vec<Goal>)>, bool) {
        let (classes, mut is_complete) = self.classes(members, some);
        let mut with_value = Vec::new();
        for signs in classes {
            let mut goals = self.goals_of_class(members, &signs);
            if !self.open_bytes(size_of_val(goals.as_slice()) as u64) {
                return (with_value, false);
            }
            goals.extend(some.and_then(|some| some.goal));
            match self.solve(&goals) {
                Outcome::Empty => {}
                Outcome::Value(_) => with_value.push((signs, goals)),
                Outcome::Unknown(_) => is_complete = false,
            }
        }
        (with_value, is_complete)
    }

    /// The goals of the value of a name that is not mentioned.
    fn goals_of_class(&self, members: &Members<'_>, signs: &Signs) -> Vec<Goal> {
        let mut goals = Vec::new();
        for key in &members.object.members {
            if let Keyword::Properties(properties) = self.model.keyword(*key) {
                // The signs are in the order of the patterns.
                let like = |pattern: &PatternId| signs.binary_search(&(*pattern, true)).is_ok();
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
                    if self.contradicts((*pattern, sign), some) {
                        continue;
                    }
                    let name = self.name_of_class(members, &signs, some, [].iter());
                    // Once nothing is known any more, all classes would seem to have a name: twice as many for each pattern.
                    if self.budget.is_exceeded() || !self.open_bytes(size_of_val(signs.as_slice()) as u64) {
                        return (Vec::new(), false);
                    }
                    if !matches!(name, Outcome::Empty) {
                        divided.push(signs);
                    }
                }
            }
            classes = divided;
        }
        (classes, true)
    }

    /// Whether names that match a pattern, or do not, cannot meet a demand.
    fn contradicts(&self, (pattern, sign): (PatternId, bool), some: Option<&SomeMember>) -> bool {
        match some.map(|some| some.name) {
            Some(SomeName::Like(wanted)) => wanted == pattern && !sign,
            Some(SomeName::Beyond(key)) => match self.model.keyword(key) {
                Keyword::Properties(properties) => {
                    sign && properties.patterns.iter().any(|(other, _)| *other == pattern)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// A name that is not mentioned, of a class.
    pub(super) fn name_of_class<'n>(
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
        match self.node_of_mentioned(members) {
            Some(mentioned) => goals.extend(mentioned),
            None => return Outcome::Unknown(None),
        }
        let taken = Constants::of(taken.map(|name| Value::from(name.as_str())));
        if !self.spend(4 * taken.len() as u64 + 1) {
            return Outcome::Unknown(None);
        }
        if !taken.is_empty() {
            match self.node_of_values(&Rc::new(taken)) {
                Some(taken) => goals.push((taken, false)),
                None => return Outcome::Unknown(None),
            }
        }
        self.solve_text(&goals)
    }

    /// The goal of names that are not mentioned, if any are; `None` where that takes too much.
    fn node_of_mentioned(&mut self, members: &Members<'_>) -> Option<Option<Goal>> {
        if members.mentioned().is_empty() {
            return Some(None);
        }
        let node = match members.mentioned_node.get() {
            Some(node) => node,
            None => {
                let all = members.mentioned().iter().map(bytes).sum::<u64>();
                let node =
                    self.open_bytes(all).then(|| self.node_of_values(members.mentioned())).flatten()?;
                members.mentioned_node.set(Some(node));
                node
            }
        };
        Some(Some((node, false)))
    }

    /// Another name of the class that a name is in, if there is one; `None` where that is not known.
    pub(super) fn other_name<'n>(
        &mut self,
        members: &Members<'_>,
        name: &str,
        taken: impl Iterator<Item = &'n String>,
    ) -> Option<Option<String>> {
        let mut signs = Signs::new();
        for pattern in &members.patterns {
            signs.push((*pattern, self.evaluation().matches(*pattern, name)?));
        }
        match self.name_of_class(members, &signs, None, taken) {
            Outcome::Value(other) => Some(other.as_str().map(str::to_owned)),
            Outcome::Empty => Some(None),
            Outcome::Unknown(_) => None,
        }
    }
}
