//! Classes: what stands in brackets.

use super::{
    error::{Problem, SyntaxError},
    escape::{Escape, escape},
    parser::Parser,
    set::Set,
};

/// A member of a class, or a set of them.
enum Member {
    Code(u32),
    Range(u32, u32),
    Set(Set),
}

impl Parser {
    /// A class; its `[`, at `begin`, is read.
    pub(super) fn class(&mut self, begin: usize) -> Result<Set, SyntaxError> {
        let mut set = if self.eat('^') { Set::default().negated() } else { Set::default() };
        loop {
            if self.eat(']') {
                return Ok(set);
            }
            let at = self.position;
            let first = self.member(begin)?;
            let is_range = self.peek() == Some('-') && self.peek_second().is_some_and(|c| c != ']');
            if !is_range {
                self.add(&mut set, first);
                continue;
            }
            self.position += 1;
            let last = self.member(begin)?;
            match (first, last) {
                (Member::Code(first), Member::Code(last)) if first > last => {
                    return Err(self.error_at(Problem::ReversedRange, at));
                }
                (Member::Code(first), Member::Code(last)) => self.add(&mut set, Member::Range(first, last)),
                // Annex B: a set at one end makes the dash a member.
                (first, last) => {
                    self.add(&mut set, first);
                    self.add(&mut set, Member::Code(u32::from('-')));
                    self.add(&mut set, last);
                }
            }
        }
    }

    fn add(&self, set: &mut Set, member: Member) {
        if !self.is_translated {
            return;
        }
        match member {
            Member::Code(code) => set.add_range(code, code),
            Member::Range(first, last) => set.add_range(first, last),
            Member::Set(other) => set.add(other),
        }
    }

    fn member(&mut self, begin: usize) -> Result<Member, SyntaxError> {
        let at = self.position;
        match self.bump() {
            None => Err(self.error_at(Problem::OpenClass, begin)),
            Some('\\') => match escape(self, at, true) {
                Ok(Escape::Char(code)) => Ok(Member::Code(code)),
                Ok(Escape::Set(set)) => Ok(Member::Set(set)),
                Ok(_) => Err(self.error_at(Problem::OpenClass, begin)),
                Err(SyntaxError { problem: Problem::TrailingBackslash, .. }) => {
                    Err(self.error_at(Problem::OpenClass, begin))
                }
                Err(error) => Err(error),
            },
            Some(c) => Ok(Member::Code(u32::from(c))),
        }
    }
}
