//! Which name was most likely meant by one that is not there.

/// The candidate that was most likely meant.
#[must_use]
pub fn closest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&text, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 5)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or replaced.
fn distance(from: &str, to: &str) -> usize {
    if from.len() > 64 {
        return usize::MAX;
    }
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
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
