//! Writes a regular expression so that Svix's compiler translates it in one step.
//!
//! Its translation replaces one escape, such as `\w` or `\cA`, and then parses the whole pattern again. A pattern of a few
//! kilobytes can have thousands of them.

use std::borrow::Cow;

use regex_syntax::ast::{self, Ast, ClassPerl, ClassPerlKind, ClassSetItem, Span, parse::Parser};

/// Patterns of so few escapes are translated as they are.
const FEW: usize = 32;

/// Returns a pattern whose translation is the same, and takes time in proportion to its length. (It is another one only where a
/// comment in the mode `x` has a `\cJ`.)
pub(super) fn brief(pattern: &str) -> Cow<'_, str> {
    if pattern.matches('\\').count() <= FEW {
        return Cow::Borrowed(pattern);
    }
    Cow::Owned(in_one_step(pattern))
}

fn in_one_step(pattern: &str) -> String {
    let pattern = with_controls(pattern);
    // What cannot be parsed is not translated any further.
    let Ok(parsed) = Parser::new().parse(&pattern) else { return pattern };
    let Ok(classes) = ast::visit(&parsed, Classes(Vec::new()));
    let (mut brief, mut end) = (String::with_capacity(pattern.len()), 0);
    for (span, class) in classes {
        brief.push_str(&pattern[end..span.start.offset]);
        brief.push_str(class);
        end = span.end.offset;
    }
    brief.push_str(&pattern[end..]);
    brief
}

/// Replaces each `\c` and its letter by the control character that they are.
fn with_controls(pattern: &str) -> String {
    let (mut replaced, mut chars) = (String::with_capacity(pattern.len()), pattern.chars());
    while let Some(char) = chars.next() {
        if char != '\\' {
            replaced.push(char);
            continue;
        }
        let mut rest = chars.clone();
        match (rest.next(), rest.next()) {
            (Some('c'), Some(letter)) if letter.is_ascii_alphabetic() => {
                replaced.push(char::from(letter as u8 % 32));
                chars = rest;
            }
            (escaped, _) => {
                replaced.push(char);
                replaced.extend(escaped);
                chars.next();
            }
        }
    }
    replaced
}

/// Collects, in their order, the classes that have names of one letter, with what Svix's compiler replaces them by.
struct Classes(Vec<(Span, &'static str)>);

impl Classes {
    fn add(&mut self, class: &ClassPerl) {
        let replacement = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Word, false) => "[A-Za-z0-9_]",
            (ClassPerlKind::Word, true) => "[^A-Za-z0-9_]",
            (ClassPerlKind::Space, false) => "[ \t\n\r\u{b}\u{c}\u{a0}\u{feff}\u{2003}\u{2029}]",
            (ClassPerlKind::Space, true) => "[^ \t\n\r\u{b}\u{c}\u{a0}\u{feff}\u{2003}\u{2029}]",
        };
        self.0.push((class.span, replacement));
    }
}

impl ast::Visitor for Classes {
    type Output = Vec<(Span, &'static str)>;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        if let Ast::ClassPerl(class) = ast {
            self.add(class);
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        if let ClassSetItem::Perl(class) = item {
            self.add(class);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jsonschema_regex_svix::to_rust_regex;
    use proptest::prelude::*;

    use super::*;

    const PARTS: [&str; 28] = [
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        r"[\d\W]",
        r"[^\s-\w]",
        r"\cA",
        r"\cz",
        r"[\cJ]",
        r"\c",
        r"\\",
        r"\a",
        "a",
        "é",
        "(",
        ")",
        "[",
        "]",
        "|",
        "*",
        "{2}",
        "(?=a)",
        r"\1",
        r"\p{L}",
        r"\p{\cA}",
        "^",
    ];

    proptest! {
        #[test]
        fn the_translation_is_the_same(parts in proptest::collection::vec(0..PARTS.len(), 0..12)) {
            let pattern: String = parts.into_iter().map(|part| PARTS[part]).collect();

            let (ours, theirs) = (in_one_step(&pattern), to_rust_regex(&pattern));

            // What is not translated is not compared: only whether, and why, it cannot be parsed counts.
            match (to_rust_regex(&ours), theirs) {
                (Ok(ours), Ok(theirs)) => {
                    let kind = |pattern: &str| regex_syntax::parse(pattern).map_err(|error| match error {
                        regex_syntax::Error::Parse(error) => Some(error.kind().clone()),
                        _ => None,
                    });
                    prop_assert_eq!(kind(&ours), kind(&theirs), "{}", pattern);
                }
                (ours, theirs) => prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", pattern),
            }
        }
    }

    #[test]
    fn many_escapes_are_translated_in_one_step() {
        for part in [r"\w", r"\s", r"[\d]", r"\cA", r"\cA\W"] {
            let cost = |times: usize| {
                let pattern = part.repeat(times);
                allocation_counter::measure(|| assert!(to_rust_regex(&brief(&pattern)).is_ok())).bytes_total
            };

            // In steps, it would be about ninety times as much.
            assert!(cost(3_000) < 12 * cost(300), "{part}");
        }
    }
}
