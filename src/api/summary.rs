//! Lists as one line of text, for the columns of `kubectl get`, which would print a list as JSON.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The names of a list that its summary contains.
const MAX_NAMES: usize = 3;
/// The longest name in a summary, in characters.
const MAX_NAME: usize = 64;

/// The lists of the spec as text, for `kubectl get`: the first names, and how many there are beyond them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The event types.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub event_types: Option<String>,
    /// The channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub channels: Option<String>,
}

impl Summary {
    /// The summary of these lists; `None`: both are empty.
    #[must_use]
    pub fn of(event_types: &[String], channels: Option<&[String]>) -> Option<Self> {
        let summary = Self { event_types: line(event_types), channels: line(channels.unwrap_or_default()) };
        (summary != Self::default()).then_some(summary)
    }
}

/// Returns `a, b, c and 2 more`.
fn line(names: &[String]) -> Option<String> {
    let short = |name: &String| match name.char_indices().nth(MAX_NAME) {
        None => name.clone(),
        Some((end, _)) => format!("{}…", &name[..end]),
    };
    let shown: Vec<_> = names.iter().take(MAX_NAMES).map(short).collect();
    match names.len().saturating_sub(MAX_NAMES) {
        _ if shown.is_empty() => None,
        0 => Some(shown.join(", ")),
        more => Some(format!("{} and {more} more", shown.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_list_is_one_line() {
        assert_eq!(line(&names(&[])), None);
        assert_eq!(line(&names(&["a.b"])).as_deref(), Some("a.b"));
        assert_eq!(line(&names(&["a.b", "a.c", "a.d"])).as_deref(), Some("a.b, a.c, a.d"));
        assert_eq!(line(&names(&["1", "2", "3", "4", "5"])).as_deref(), Some("1, 2, 3 and 2 more"));
    }

    #[test]
    fn a_summary_is_within_its_bound() {
        let long = vec!["é".repeat(2048); 500];

        let line = line(&long).unwrap_or_default();

        assert!(line.chars().count() <= 256 && line.ends_with("… and 497 more"), "{line}");
    }
}
