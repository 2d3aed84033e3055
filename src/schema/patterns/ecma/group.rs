//! Groups: their kinds, names and flags.

use std::collections::BTreeSet;

use super::{
    captures::MAX_NAME,
    error::{Problem, SyntaxError},
    escape::{Escape, escape},
    parser::{Parser, Term},
    pattern::Construct,
};

/// Deepest nesting of groups; the engine has a bound of its own above it.
const MAX_DEPTH: usize = 200;

impl Parser {
    /// A group; returns the names that it declares.
    pub(super) fn group(&mut self) -> Result<(Term, BTreeSet<String>), SyntaxError> {
        let begin = self.position;
        self.position += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error_at(Problem::TooDeep, begin));
        }
        let flags = self.flags;
        let mut own = None;
        let mut term = Term::Atom;
        if !self.eat('?') {
            self.out.push('(');
        } else if self.eat(':') {
            self.out.push_str("(?:");
        } else if let Some(construct) = self.look_around() {
            self.refuse(construct, begin);
            self.out.push_str("(?:");
            // Annex B lets a look-ahead be repeated.
            if !matches!(construct, Construct::Lookahead | Construct::NegativeLookahead) {
                term = Term::Assertion;
            }
        } else if self.eat('<') {
            own = Some(self.group_name().ok_or_else(|| self.error_at(Problem::GroupName, begin))?);
            self.out.push('(');
        } else {
            self.modifiers(begin)?;
        }
        let mut names = self.disjunction()?;
        if let Some(own) = own
            && !names.insert(own)
        {
            return Err(self.error_at(Problem::GroupName, begin));
        }
        if !self.eat(')') {
            return Err(self.error_at(Problem::OpenGroup, begin));
        }
        self.out.push(')');
        self.flags = flags;
        self.depth -= 1;
        Ok((term, names))
    }

    /// The rest of `(?=`, `(?!`, `(?<=` and `(?<!`.
    fn look_around(&mut self) -> Option<Construct> {
        for (begin, construct) in [
            ("=", Construct::Lookahead),
            ("!", Construct::NegativeLookahead),
            ("<=", Construct::Lookbehind),
            ("<!", Construct::NegativeLookbehind),
        ] {
            if self.eat_all(begin) {
                return Some(construct);
            }
        }
        None
    }

    /// The flags of `(?i-s:`.
    fn modifiers(&mut self, begin: usize) -> Result<(), SyntaxError> {
        let (mut on, mut off) = (String::new(), None::<String>);
        loop {
            match self.bump() {
                Some(c @ ('i' | 'm' | 's')) if !on.contains(c) && !off.iter().any(|off| off.contains(c)) => {
                    off.as_mut().unwrap_or(&mut on).push(c);
                }
                Some('-') if off.is_none() => off = Some(String::new()),
                Some(':') if !on.is_empty() || off.iter().any(|off| !off.is_empty()) => break,
                _ => return Err(self.error_at(Problem::UnknownGroup, begin)),
            }
        }
        let off = off.unwrap_or_default();
        for (flags, set) in [(&on, true), (&off, false)] {
            if flags.contains('m') {
                self.flags.multiline = set;
            }
            if flags.contains('s') {
                self.flags.dot_all = set;
            }
        }
        self.out.push_str(match (on.contains('i'), off.contains('i')) {
            (true, _) => "(?i:",
            (_, true) => "(?-i:",
            _ => "(?:",
        });
        Ok(())
    }

    /// `name>`, as of a group; the `<` is read.
    pub(super) fn group_name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            let mut c = self.bump()?;
            if c == '>' {
                return (!name.is_empty()).then_some(name);
            }
            if c == '\\' {
                let begin = self.position - 1;
                let Ok(Escape::Char(code)) = escape(self, begin, false) else { return None };
                c = char::from_u32(code)?;
            }
            let is_first = name.is_empty();
            let is_allowed = c.is_alphabetic()
                || matches!(c, '$' | '_')
                || (!is_first && (c.is_alphanumeric() || matches!(c, '\u{200c}' | '\u{200d}')));
            if !is_allowed || name.len() > MAX_NAME {
                return None;
            }
            name.push(c);
        }
    }
}
