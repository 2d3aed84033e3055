//! How a payload violates a schema, as it is reported.

/// Most violations of one payload that are reported: more do not help a person.
pub(super) const MAX_VIOLATIONS: usize = 10;
/// Most violations that are counted in addition: a hostile payload has as many as it has bytes.
pub(super) const MAX_COUNTED: usize = 990;

/// One way in which a payload violates a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where in the payload, as a JSON Pointer; empty: the whole payload.
    pub pointer: String,
    /// What was found, and what was expected.
    pub message: String,
}

impl Violation {
    /// Returns the violation as one line about a text that has a name, such as `payload`: the whole text is called by the
    /// name in place of `/`.
    #[must_use]
    pub fn within(&self, name: &str) -> String {
        if self.pointer.is_empty() { format!("{name}: {}", self.message) } else { format!("{name}: {self}") }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{pointer}: {}", self.message)
    }
}

/// Returns violations in one line; `more` is the number of further ones.
#[must_use]
pub fn describe(violations: &[Violation], more: usize) -> String {
    let mut text = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match more {
        0 => {}
        MAX_COUNTED.. => text.push_str(&format!("; and at least {more} more")),
        _ => text.push_str(&format!("; and {more} more")),
    }
    text
}
