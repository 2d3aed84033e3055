//! Reads a pattern from left to right and writes its translation.

use std::collections::{BTreeSet, HashMap};

use super::{
    Construct, Pattern, Problem, Remark, RemarkKind, SyntaxError, Unsupported,
    class::Set,
    escape::{Escape, escape},
    group::captures,
};

/// Most remarks about one pattern.
const MAX_REMARKS: usize = 10;

pub(super) struct Parser {
    pub(super) pattern: Vec<char>,
    pub(super) position: usize,
    pub(super) out: String,
    pub(super) unsupported: Option<Unsupported>,
    remarks: Vec<Remark>,
    has_letter_escape: bool,
    /// Whether there is to be a translation; else the syntax is checked alone.
    pub(super) is_translated: bool,
    /// The properties that were asked for. Their names are found in large tables.
    pub(super) properties: HashMap<String, Option<Set>>,
    pub(super) depth: usize,
    /// How many groups capture, in the whole pattern.
    groups: u32,
    /// The names of groups, in the whole pattern.
    names: BTreeSet<String>,
    pub(super) flags: Flags,
}

/// The flags of ECMA-262 that a group may set.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub multiline: bool,
    pub dot_all: bool,
}

/// What a quantifier may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    Atom,
    Assertion,
}

impl Parser {
    pub fn new(pattern: &str, is_translated: bool) -> Self {
        let pattern: Vec<char> = pattern.chars().collect();
        let (groups, names) = captures(&pattern);
        Self {
            out: String::with_capacity(pattern.len() + 16),
            pattern,
            position: 0,
            unsupported: None,
            remarks: Vec::new(),
            has_letter_escape: false,
            is_translated,
            properties: HashMap::new(),
            depth: 0,
            groups,
            names,
            flags: Flags::default(),
        }
    }

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
            let names = self.alternative()?;
            all.extend(names);
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
                    for name in inner {
                        if !names.insert(name) {
                            return Err(self.error_at(Problem::GroupName, begin));
                        }
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

    /// Records a remark, of which there may be as many as characters.
    pub(super) fn remark(&mut self, kind: RemarkKind, begin: usize) {
        self.has_letter_escape |= matches!(kind, RemarkKind::LetterEscape(_));
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(Remark { kind, at: begin + 1 });
        }
    }

    pub(super) fn refuse(&mut self, construct: Construct, begin: usize) {
        self.unsupported.get_or_insert(Unsupported { construct, at: begin + 1 });
        // Something stands for it, so that a quantifier behind it has an atom.
        if construct == Construct::BackReference {
            self.out.push_str("(?:)");
        }
    }

    /// The number of capturing groups in the whole pattern.
    pub(super) fn groups(&self) -> u32 {
        self.groups
    }

    /// The names of the groups in the whole pattern.
    pub(super) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.pattern.get(self.position).copied()
    }

    pub(super) fn peek_second(&self) -> Option<char> {
        self.pattern.get(self.position + 1).copied()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += 1;
        Some(c)
    }

    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.position += usize::from(is_there);
        is_there
    }

    pub(super) fn eat_all(&mut self, wanted: &str) -> bool {
        let rest = self.pattern[self.position..].iter().copied();
        let length = wanted.chars().count();
        let is_there = rest.take(length).eq(wanted.chars());
        self.position += if is_there { length } else { 0 };
        is_there
    }

    pub(super) fn error(&self, problem: Problem) -> SyntaxError {
        self.error_at(problem, self.position)
    }

    pub(super) fn error_at(&self, problem: Problem, begin: usize) -> SyntaxError {
        SyntaxError { problem, at: begin + 1 }
    }
}

/// Appends a character that stands for itself.
pub(super) fn push_literal(out: &mut String, c: char) {
    match c {
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
            out.push('\\');
            out.push(c);
        }
        _ if c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() => out.push(c),
        _ => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
    }
}
