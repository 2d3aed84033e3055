//! The state of reading a pattern from left to right: the place in it, and what was written and recorded.

use std::collections::{BTreeSet, HashMap};

use super::{
    captures::captures,
    error::{Problem, SyntaxError},
    pattern::{Construct, Remark, RemarkKind, Unsupported},
    set::Set,
};

/// Most remarks about one pattern.
const MAX_REMARKS: usize = 10;

pub(super) struct Parser {
    pub(super) pattern: Vec<char>,
    pub(super) position: usize,
    pub(super) out: String,
    pub(super) unsupported: Option<Unsupported>,
    pub(super) remarks: Vec<Remark>,
    pub(super) has_letter_escape: bool,
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
