//! Describes values in messages: briefly, and without what can be a credential.

use serde_json::Value;

pub(super) use crate::plan::suggest::closest;

/// Describes a value that was found.
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

/// How signing keys and tokens of Svix begin.
const CREDENTIAL_PREFIXES: [&str; 5] = ["whsec_", "whsk_", "whsk1_", "sk_", "testsk_"];

/// Returns a text in quotes, at most sixty characters of it; of a URL, only scheme and host.
fn quoted(text: &str) -> String {
    if CREDENTIAL_PREFIXES.iter().any(|prefix| text.trim_start().starts_with(prefix)) {
        return "a credential (not shown)".to_owned();
    }
    if text.contains("://") {
        return host(text).unwrap_or_else(|| {
            format!("a text of {} characters (not shown: it may hold a credential)", text.chars().count())
        });
    }
    match text.char_indices().nth(60) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}... ({} characters)", &text[..end], text.chars().count()),
    }
}

/// Returns scheme and host of a URL: the path, the query and the user can be credentials.
#[must_use]
pub fn host_only(text: &str) -> String {
    host(text).unwrap_or_else(|| "a text that is no URL (not shown: it may hold a credential)".into())
}

/// Scheme and host of a URL; the scheme in the letters that it is written in, since patterns distinguish them.
fn host(text: &str) -> Option<String> {
    let url = url::Url::parse(text.trim()).ok()?;
    let written = text.trim().get(..url.scheme().len()).filter(|it| it.eq_ignore_ascii_case(url.scheme()));
    Some(format!("{}://{}/...", written.unwrap_or(url.scheme()), url.host_str()?))
}

/// Names a JSON Schema type, with its article.
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

/// Describes what a pattern of our CRDs requires. A test fails for a pattern without a description.
pub(super) fn pattern(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        r"^https?://[^\s/?#]+([/?#][^\s]*)?$" => {
            "an address that begins with http:// or https:// in lower case, without white space"
        }
        r"^https?://[^\s/?#@]+(/[^\s?#]*)?$" => {
            "an address that begins with http:// or https:// in lower case, without white space, user, query and \
             fragment"
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
        // Patterns distinguish the letters of a scheme.
        assert_eq!(host_only("HTTPS://hooks.example.org/secret"), "HTTPS://hooks.example.org/...");
        let schema = format!("{{\"$id\": \"https://secret\"}}{}", " ".repeat(80));
        assert_eq!(found(&json!(schema)), "a text of 105 characters (not shown: it may hold a credential)");
        assert_eq!(found(&json!("a".repeat(70))), format!("\"{}\"... (70 characters)", "a".repeat(60)));
    }
}
