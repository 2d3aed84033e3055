//! Reads a pattern from left to right and writes its translation.

use std::collections::BTreeSet;

use super::{
    Construct, Pattern, Problem, Remark, RemarkKind, SyntaxError, Unsupported,
    class::Set,
    escape::{Escape, escape},
};

/// Deepest nesting of groups; the engine has a bound of its own above it.
const MAX_DEPTH: usize = 200;
/// Most repetitions that a brace may ask for.
const MAX_REPETITIONS: u32 = 1_000_000;

pub(super) struct Parser {
    pattern: Vec<char>,
    pub(super) position: usize,
    out: String,
    unsupported: Option<Unsupported>,
    pub(super) remarks: Vec<Remark>,
    depth: usize,
    /// How many groups capture, in the whole pattern.
    groups: u32,
    /// The names of groups, in the whole pattern.
    names: BTreeSet<String>,
    flags: Flags,
}

/// The flags of ECMA-262 that a group may set.
#[derive(Clone, Copy, Default)]
struct Flags {
    multiline: bool,
    dot_all: bool,
}

/// What a quantifier may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Term {
    Atom,
    Assertion,
}

impl Parser {
    pub fn new(pattern: &str) -> Self {
        let pattern: Vec<char> = pattern.chars().collect();
        let (groups, names) = captures(&pattern);
        Self {
            out: String::with_capacity(pattern.len() + 16),
            pattern,
            position: 0,
            unsupported: None,
            remarks: Vec::new(),
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
        Ok(Pattern { translation: self.out, unsupported: self.unsupported, remarks: self.remarks })
    }

    /// Alternatives up to a `)` or the end; returns the names of the groups in them.
    fn disjunction(&mut self) -> Result<BTreeSet<String>, SyntaxError> {
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
            let out = self.out.len();
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
            self.quantifier(term, out)?;
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
            '.' if self.flags.dot_all => Set::all().write(&mut self.out),
            '.' => Set::dot().write(&mut self.out),
            '[' => {
                let set = self.class(begin)?;
                set.write(&mut self.out);
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
                None => Set::default().write(&mut self.out),
            },
            Escape::Set(set) => set.write(&mut self.out),
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

    /// A group; returns the names that it declares.
    fn group(&mut self) -> Result<(Term, BTreeSet<String>), SyntaxError> {
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
            if !is_allowed {
                return None;
            }
            name.push(c);
        }
    }

    /// The quantifier behind a term, if there is one. `out` is where the term begins in the translation.
    fn quantifier(&mut self, term: Term, out: usize) -> Result<(), SyntaxError> {
        let begin = self.position;
        let text = match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.position += 1;
                c.to_string()
            }
            Some('{') => match self.braces()? {
                Some((least, most)) => match most {
                    None => format!("{{{least},}}"),
                    Some(most) if most == least => format!("{{{least}}}"),
                    Some(most) => format!("{{{least},{most}}}"),
                },
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        if term != Term::Atom {
            return Err(self.error_at(Problem::NothingToRepeat, begin));
        }
        // The engine reads a repetition behind a literal as one of its last character, which a literal always is here.
        debug_assert!(out < self.out.len() || self.unsupported.is_some());
        self.out.push_str(&text);
        if self.eat('?') {
            self.out.push('?');
        }
        if let Some('*' | '+' | '?') = self.peek() {
            return Err(self.error(Problem::NothingToRepeat));
        }
        let again = self.position;
        if self.peek() == Some('{') {
            if self.braces()?.is_some() {
                return Err(self.error_at(Problem::NothingToRepeat, again));
            }
            self.position = again;
        }
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}` at this place; nothing is read if it is none of them.
    fn braces(&mut self) -> Result<Option<(u32, Option<u32>)>, SyntaxError> {
        let begin = self.position;
        let parsed = self.parse_braces();
        let Some((least, most)) = parsed else {
            self.position = begin;
            return Ok(None);
        };
        if most.is_some_and(|most| most < least) {
            return Err(self.error_at(Problem::ReversedRepetition, begin));
        }
        let (Ok(least), Ok(most)) = (u32::try_from(least), most.map(u32::try_from).transpose()) else {
            return Err(self.error_at(Problem::TooManyRepetitions, begin));
        };
        if least.max(most.unwrap_or(0)) > MAX_REPETITIONS {
            return Err(self.error_at(Problem::TooManyRepetitions, begin));
        }
        Ok(Some((least, most)))
    }

    fn parse_braces(&mut self) -> Option<(u64, Option<u64>)> {
        let digits = |parser: &mut Self| {
            let begin = parser.position;
            let mut number = 0u64;
            while let Some(digit) = parser.peek().and_then(|c| c.to_digit(10)) {
                number = number.saturating_mul(10).saturating_add(u64::from(digit));
                parser.position += 1;
            }
            (parser.position > begin).then_some(number)
        };
        self.eat('{').then_some(())?;
        let least = digits(self)?;
        let most = if self.eat(',') { digits(self) } else { Some(least) };
        self.eat('}').then_some((least, most))
    }

    /// Notes braces that look like a repetition in another dialect: `{,3}` and `{1, 3}`.
    fn literal_braces(&mut self, begin: usize) {
        let rest = &self.pattern[begin..];
        let Some(end) = rest.iter().position(|c| *c == '}') else { return };
        let text: String = rest[..=end].iter().collect();
        let inner = &rest[1..end];
        let is_like_it = inner.iter().any(char::is_ascii_digit)
            && inner.iter().all(|c| c.is_ascii_digit() || matches!(c, ',' | ' '));
        if is_like_it {
            self.remarks.push(Remark { kind: RemarkKind::LiteralBraces(text), at: begin + 1 });
        }
    }

    fn literal(&mut self, c: char) {
        push_literal(&mut self.out, c);
    }

    fn refuse(&mut self, construct: Construct, begin: usize) {
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

    fn eat_all(&mut self, wanted: &str) -> bool {
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

/// The number of groups that capture, and their names.
fn captures(pattern: &[char]) -> (u32, BTreeSet<String>) {
    let (mut groups, mut names) = (0, BTreeSet::new());
    let (mut in_class, mut position) = (false, 0);
    while let Some(c) = pattern.get(position) {
        match c {
            '\\' => position += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let rest = &pattern[position + 1..];
                match rest {
                    ['?', '<', '=' | '!', ..] => {}
                    ['?', '<', name @ ..] => {
                        groups += 1;
                        names.extend(
                            name.split(|c| *c == '>').next().map(|name| name.iter().collect::<String>()),
                        );
                    }
                    ['?', ..] => {}
                    _ => groups += 1,
                }
            }
            _ => {}
        }
        position += 1;
    }
    (groups, names)
}
