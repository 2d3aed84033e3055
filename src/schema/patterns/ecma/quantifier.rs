//! Repetitions: `*`, `+`, `?` and what stands in braces.

use super::{
    error::{Problem, SyntaxError},
    parser::{Parser, Term},
    pattern::RemarkKind,
};

/// Most repetitions that a brace may ask for.
const MAX_REPETITIONS: u32 = 1_000_000;

impl Parser {
    /// The quantifier behind a term, if there is one.
    pub(super) fn quantifier(&mut self, term: Term) -> Result<(), SyntaxError> {
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
    pub(super) fn braces(&mut self) -> Result<Option<(u32, Option<u32>)>, SyntaxError> {
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

    /// Records braces that are a repetition in other dialects: `{,3}` and `{1, 3}`.
    pub(super) fn literal_braces(&mut self, begin: usize) {
        let rest = &self.pattern[begin..self.pattern.len().min(begin + 16)];
        let Some(end) = rest.iter().position(|c| *c == '}') else { return };
        let text: String = rest[..=end].iter().collect();
        let inner = &rest[1..end];
        let is_repetition_elsewhere = inner.iter().any(char::is_ascii_digit)
            && inner.iter().all(|c| c.is_ascii_digit() || matches!(c, ',' | ' '));
        if is_repetition_elsewhere {
            self.remark(RemarkKind::LiteralBraces(text), begin);
        }
    }
}
