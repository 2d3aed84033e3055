//! What is known of a pattern that was read: its translation, what it needs, and what is probably a mistake in it.

/// A pattern that was read.
#[derive(Debug)]
pub(in crate::schema) struct Pattern {
    /// The same in the syntax of the engine.
    pub translation: String,
    /// What the engine cannot do, if the pattern needs it.
    pub unsupported: Option<Unsupported>,
    /// Parts that probably mean something else than the author thinks.
    pub remarks: Vec<Remark>,
    /// Whether a letter is escaped that means nothing but itself.
    pub(super) has_letter_escape: bool,
}

/// A construct that takes more than linear time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) struct Unsupported {
    pub construct: Construct,
    /// Where it begins, in characters from one.
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schema) enum Construct {
    Lookahead,
    NegativeLookahead,
    Lookbehind,
    NegativeLookbehind,
    BackReference,
    MultilineAnchor,
}

impl std::fmt::Display for Construct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Lookahead => "the look-ahead (?=…)",
            Self::NegativeLookahead => "the negative look-ahead (?!…)",
            Self::Lookbehind => "the look-behind (?<=…)",
            Self::NegativeLookbehind => "the negative look-behind (?<!…)",
            Self::BackReference => "the back reference",
            Self::MultilineAnchor => "the flag m with ^ or $",
        })
    }
}

impl Construct {
    /// How to do without it.
    pub fn way_out(self) -> &'static str {
        match self {
            Self::Lookahead => "write a pattern for each condition, under allOf",
            Self::NegativeLookahead | Self::NegativeLookbehind => {
                "put a pattern for what must not match under not"
            }
            Self::Lookbehind => "make what stands before it part of the pattern",
            Self::BackReference => "write out the alternatives",
            Self::MultilineAnchor => "match the line breaks themselves",
        }
    }
}

/// Something that is allowed, and probably a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::schema) struct Remark {
    pub kind: RemarkKind,
    /// In characters from one.
    pub at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::schema) enum RemarkKind {
    /// An escaped letter that means nothing but itself.
    LetterEscape(char),
    /// Braces that are a repetition in other dialects, and text in this one.
    LiteralBraces(String),
}
