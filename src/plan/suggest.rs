//! Suggestions for names that do not exist.

/// The longest text that suggestions are made for, in bytes: the distance takes time by the product of both lengths.
const MAX_TEXT: usize = 64;

/// Returns the candidate that was most likely meant by a text: the nearest one, if only a few letters differ.
#[must_use]
pub fn closest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    if text.len() > MAX_TEXT {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::levenshtein(&text, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 5)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_guessed() {
        assert_eq!(closest("eventtypes", ["url", "eventTypes"]), Some("eventTypes"));
        assert_eq!(closest("event_types", ["url", "eventTypes"]), Some("eventTypes"));
        assert_eq!(closest("uri", ["url", "eventTypes"]), Some("url"));
        assert_eq!(closest("colour", ["url", "eventTypes"]), None);
        assert_eq!(closest("defualt", ["default", "team-a"]), Some("default"));
        assert_eq!(closest("production", ["default", "team-a"]), None);
    }
}
