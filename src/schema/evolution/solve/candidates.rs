//! The members that may meet what is asked of some member of an object.

use serde_json::Value;

use super::{
    Goal, Outcome, Solver,
    facts::{SomeMember, SomeName},
    names::Members,
};

/// A member that may meet a demand.
pub(super) struct Candidate {
    pub name: String,
    pub goals: Vec<Goal>,
    /// The name is one that the schemas mention; else there may be others like it.
    pub is_mentioned: bool,
}

impl Solver<'_> {
    /// The members that may meet a demand, and whether these are all.
    pub(super) fn candidates(&mut self, members: &Members<'_>, some: &SomeMember) -> (Vec<Candidate>, bool) {
        let mut candidates = Vec::new();
        let mut is_complete = true;
        for name in members.names().filter(|name| !members.object.absent.contains(*name)) {
            if !self.spend(1) {
                return (candidates, false);
            }
            let text = Value::from(name);
            let fits = match some.name {
                SomeName::Like(pattern) => self.evaluation().matches(pattern, name),
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
            let Some(mut goals) = self.member_goals(&members.object.members, name) else {
                is_complete = false;
                continue;
            };
            goals.extend(some.goal);
            goals.extend(members.object.present.get(name).into_iter().flatten());
            if !self.open_bytes(name.len() as u64 + 64 + size_of_val(goals.as_slice()) as u64) {
                return (candidates, false);
            }
            match self.solve(&goals) {
                Outcome::Empty => {}
                Outcome::Value(_) => {
                    candidates.push(Candidate { name: name.to_owned(), goals, is_mentioned: true })
                }
                Outcome::Unknown(_) => is_complete = false,
            }
        }
        let (classes, all) = self.classes_with_value(members, Some(some));
        is_complete &= all;
        for (signs, goals) in classes {
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
}
