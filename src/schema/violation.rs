//! How a payload violates a schema, as it is reported.

/// Most violations of one payload that are reported: more do not help a person.
pub(super) const MAX_VIOLATIONS: usize = 10;
/// Most violations that are counted in addition: a hostile payload has as many as it has bytes.
pub(super) const MAX_COUNTED: usize = 990;

/// Longest place of a violation, in bytes. The names of members may be as long as a payload, and each violation has its place.
const MAX_POINTER: usize = 1024;

/// One way in which a payload violates a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where in the payload, as a JSON Pointer; empty: the whole payload. Of a place whose pointer is longer than a kilobyte, the
    /// closest one around it that is not, and the message says so.
    pub pointer: String,
    /// What was found, and what was expected.
    pub message: String,
}

impl Violation {
    /// Returns a violation at a place.
    pub(super) fn at(pointer: &str, message: String) -> Self {
        if pointer.len() <= MAX_POINTER {
            return Self { pointer: pointer.to_owned(), message };
        }
        // A slash in a name is `~1`, so this ends a part.
        let end = pointer.as_bytes()[..=MAX_POINTER].iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let message =
            format!("within it, at a place whose name is longer than {MAX_POINTER} bytes: {message}");
        Self { pointer: pointer[..end].to_owned(), message }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_place_is_the_closest_short_one() {
        let name = "é".repeat(MAX_POINTER);
        let exact = format!("/{}", "x".repeat(MAX_POINTER - 1));

        let at = |pointer: &str| Violation::at(pointer, "found 1".to_owned());

        assert_eq!(at("/a/0"), Violation { pointer: "/a/0".to_owned(), message: "found 1".to_owned() });
        assert_eq!(at(&exact).pointer, exact);
        assert_eq!(at(&format!("{exact}/0")).pointer, exact);
        for (pointer, expected) in [(format!("/a/{name}/0"), "/a"), (format!("/{name}"), "")] {
            let violation = at(&pointer);
            assert_eq!(violation.pointer, expected);
            assert_eq!(
                violation.message,
                "within it, at a place whose name is longer than 1024 bytes: found 1"
            );
        }
    }
}
