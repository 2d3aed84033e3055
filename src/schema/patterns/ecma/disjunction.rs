//! Reads alternatives, which are sequences of terms, and writes their translation.

use std::collections::BTreeSet;

use super::{
    error::{Problem, SyntaxError},
    escape::{Escape, escape},
    parser::{Parser, Term},
    pattern::{Construct, Pattern},
    set::Set,
};

impl Parser {
    pub fn parse(mut self) -> Result<Pattern, SyntaxError> {
        self.disjunction()?;
        if self.position < self.pattern.len() {
            return Err(self.error(Problem::UnmatchedParenthesis));
        }
        Ok(Pattern {
            translation: self.out,
            unsupported: self.unsupported,
            remarks: self.remarks,
            has_letter_escape: self.has_letter_escape,
        })
    }

    /// Alternatives up to a `)` or the end; returns the names of the groups in them.
    pub(super) fn disjunction(&mut self) -> Result<BTreeSet<String>, SyntaxError> {
        let mut all = BTreeSet::new();
        loop {
            merge(&mut all, self.alternative()?);
            if !self.eat('|') {
                return Ok(all);
            }
            self.out.push('|');
        }
    }

    fn alternative(&mut self) -> Result<BTreeSet<String>, SyntaxError> {
        let mut names = BTreeSet::new();
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            let begin = self.position;
            let term = match c {
                '(' => {
                    let (term, inner) = self.group()?;
                    if merge(&mut names, inner) {
                        return Err(self.error_at(Problem::GroupName, begin));
                    }
                    term
                }
                _ => self.term(c)?,
            };
            self.quantifier(term)?;
        }
        Ok(names)
    }

    fn term(&mut self, c: char) -> Result<Term, SyntaxError> {
        let begin = self.position;
        self.position += 1;
        match c {
            '^' | '$' => {
                if self.flags.multiline {
                    self.refuse(Construct::MultilineAnchor, begin);
                }
                self.out.push(c);
                return Ok(Term::Assertion);
            }
            '.' if self.flags.dot_all => self.set(&Set::all()),
            '.' => self.set(&Set::dot()),
            '[' => {
                let set = self.class(begin)?;
                self.set(&set);
            }
            '\\' => return self.escaped(begin),
            '*' | '+' | '?' => return Err(self.error_at(Problem::NothingToRepeat, begin)),
            '{' => {
                self.position = begin;
                if self.braces()?.is_some() {
                    return Err(self.error_at(Problem::NothingToRepeat, begin));
                }
                self.literal_braces(begin);
                self.position = begin + 1;
                self.literal('{');
            }
            c => self.literal(c),
        }
        Ok(Term::Atom)
    }

    fn escaped(&mut self, begin: usize) -> Result<Term, SyntaxError> {
        match escape(self, begin, false)? {
            Escape::Char(code) => match char::from_u32(code) {
                Some(c) => self.literal(c),
                // A lone surrogate: no text has one.
                None => self.set(&Set::default()),
            },
            Escape::Set(set) => self.set(&set),
            Escape::WordBoundary => {
                self.out.push_str(r"(?-u:\b)");
                return Ok(Term::Assertion);
            }
            Escape::NotWordBoundary => {
                self.out.push_str(r"(?-u:\B)");
                return Ok(Term::Assertion);
            }
            Escape::BackReference => self.refuse(Construct::BackReference, begin),
        }
        Ok(Term::Atom)
    }

    fn literal(&mut self, c: char) {
        if self.is_translated {
            push_literal(&mut self.out, c);
        }
    }

    fn set(&mut self, set: &Set) {
        if self.is_translated {
            set.write(&mut self.out);
        }
    }
}

/// Adds names to others; whether one is in both. The smaller set is added to the larger one: each level of a pattern hands
/// its names to the level around it, and there may be many of both.
fn merge(names: &mut BTreeSet<String>, mut others: BTreeSet<String>) -> bool {
    if names.len() < others.len() {
        std::mem::swap(names, &mut others);
    }
    let mut is_twice = false;
    for name in others {
        is_twice |= !names.insert(name);
    }
    is_twice
}

/// Appends a character that stands for itself.
fn push_literal(out: &mut String, c: char) {
    match c {
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
            out.push('\\');
            out.push(c);
        }
        _ if c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() => out.push(c),
        _ => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}
