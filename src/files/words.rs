//! Values in words, for messages: short, and without what may be a credential.

use serde_json::Value;

/// What was found, in a few words.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".into(),
    }
}

/// A text in quotes, at most sixty characters of it; of a URL, only scheme and host.
fn quoted(text: &str) -> String {
    if text.contains("://") {
        return host_only(text);
    }
    match text.char_indices().nth(60) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}... ({} characters)", &text[..end], text.chars().count()),
    }
}

/// Scheme and host of a URL: the path, the query and the user may be credentials.
#[must_use]
pub fn host_only(text: &str) -> String {
    match url::Url::parse(text.trim()) {
        Ok(url) if url.host_str().is_some() => {
            format!("{}://{}/...", url.scheme(), url.host_str().unwrap_or_default())
        }
        _ => "a text that is no URL (not shown: it may hold a credential)".into(),
    }
}

/// A JSON Schema type with its article.
pub(super) fn kind(name: &str) -> &str {
    match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

/// What a pattern of our CRDs asks for, in words. A test finds the pattern that has none.
pub(super) fn pattern(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        r"^https?://[^\s/?#]+([/?#][^\s]*)?$" => "an address that begins with http:// or https://",
        r"^https?://[^\s/?#@]+(/[^\s?#]*)?$" => {
            "an address that begins with http:// or https://, without user, query and fragment"
        }
        "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$" => "a duration such as 90s, 10m or 1h30m",
        "^[a-zA-Z0-9_.-]+$" | "^[-._a-zA-Z0-9]+$" => "letters, digits, -, _ and . only",
        "^[a-zA-Z0-9_.*-]+$" => "letters, digits, -, _, . and * only",
        "^[a-zA-Z0-9_-]+$" => "letters, digits, - and _ only",
        "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" => {
            "lower-case letters, digits, - and ., beginning and ending with a letter or digit"
        }
        "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" => {
            "the name of an HTTP header: letters, digits, - and !#$%&'*+.^_`|~ only"
        }
        "^[A-Za-z]+$" => "letters only",
        _ => return None,
    })
}

/// The candidate that was most likely meant.
pub(super) fn meant<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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
    use serde_json::json;

    #[test]
    fn urls_lose_what_may_be_a_credential() {
        assert_eq!(
            found(&json!("https://user:pw@hooks.example.org:8/secret?x=y")),
            "https://hooks.example.org/..."
        );
        assert!(!found(&json!("ht tp://secret")).contains("secret"));
        assert_eq!(found(&json!("a".repeat(70))), format!("\"{}\"... (70 characters)", "a".repeat(60)));
    }

    #[test]
    fn typing_errors_are_guessed() {
        assert_eq!(meant("eventtypes", ["url", "eventTypes"]), Some("eventTypes"));
        assert_eq!(meant("event_types", ["url", "eventTypes"]), Some("eventTypes"));
        assert_eq!(meant("uri", ["url", "eventTypes"]), Some("url"));
        assert_eq!(meant("colour", ["url", "eventTypes"]), None);
    }
}
