//! HTTP headers of an endpoint: what Svix refuses, and what differs.
//!
//! The rules are those of the open-source server (`core/types/mod.rs`, `EndpointHeaders`).

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Header, Reason};

use super::{
    ReconcileError, quoted,
    secrets::{Secrets, Sensitive, look_up},
};

/// Longest value, in bytes.
pub const MAX_VALUE: usize = 4096;

const FORBIDDEN: [&str; 19] = [
    "age",
    "cache-control",
    "clear-site-data",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-type",
    "expires",
    "keep-alive",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "warning",
];
const FORBIDDEN_PREFIXES: [&str; 9] =
    ["svix-", "x-amz-", "x-amzn-", "x-azure-", "x-fd-", "x-gfe", "x-goog-", "x-google", "x-svix-"];

/// What is wrong with headers, each with the JSON Pointer of its place. Values in Secrets are not known here.
#[must_use]
pub fn problems(headers: &[Header]) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (index, header) in headers.iter().enumerate() {
        let at = |field: &str| format!("/spec/headers/{index}/{field}");
        let name = header.name.to_ascii_lowercase();
        if let Err(message) = check_name(&name) {
            problems.push((at("name"), format!("found {}, {message}", quoted(&header.name))));
        }
        if let Some(first) = seen.insert(name, index) {
            let message = format!(
                "found {} again, as in item {first}: the case of letters makes no other header",
                quoted(&header.name)
            );
            problems.push((at("name"), message));
        }
        match (&header.value, &header.value_from) {
            (Some(value), None) => {
                if let Err(message) = check_value(value) {
                    problems.push((at("value"), message));
                }
            }
            (None, Some(_)) => {}
            _ => problems.push((
                format!("/spec/headers/{index}"),
                "exactly one of value and valueFrom must be given".to_owned(),
            )),
        }
    }
    problems
}

/// Checks a name in lower case.
fn check_name(name: &str) -> Result<(), String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err("expected the name of an HTTP header".to_owned());
    }
    if FORBIDDEN.contains(&name) {
        return Err("which Svix sets itself or does not send; expected another header".to_owned());
    }
    match FORBIDDEN_PREFIXES.iter().find(|prefix| name.starts_with(**prefix)) {
        Some(prefix) => Err(format!("but Svix takes no header that starts with {prefix}")),
        None => Ok(()),
    }
}

/// Checks a value; the message does not hold it.
fn check_value(value: &str) -> Result<(), String> {
    if value.len() > MAX_VALUE {
        return Err(format!("found {} bytes, expected at most {MAX_VALUE}", value.len()));
    }
    // What the http crate takes as a header's value.
    match value.bytes().position(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
        Some(at) => Err(format!("found a control character at byte {at}, which no HTTP header can carry")),
        None => Ok(()),
    }
}

/// The headers with the values that are in Secrets.
pub fn resolve(
    headers: &[Header],
    secrets: &Secrets,
    namespace: &str,
) -> Result<BTreeMap<String, Sensitive>, ReconcileError> {
    if let Some((field, message)) = problems(headers).into_iter().next() {
        return Err(ReconcileError::new(Reason::InvalidSpec, format!("{field}: {message}")));
    }
    let mut resolved = BTreeMap::new();
    for (index, header) in headers.iter().enumerate() {
        let value = match (&header.value, &header.value_from) {
            (Some(value), _) => Sensitive::new(value.as_str()),
            (None, Some(source)) => {
                let reference = &source.secret_key_ref;
                let field = format!("/spec/headers/{index}/valueFrom/secretKeyRef");
                let value = look_up(secrets, reference, &field, namespace)?;
                check_value(value.expose()).map_err(|problem| {
                    let place = format!("key {:?} of Secret {namespace}/{}", reference.key, reference.name);
                    ReconcileError::new(Reason::InvalidSecret, format!("{field}: {place}: {problem}"))
                })?;
                value
            }
            // Said by `problems`.
            (None, None) => continue,
        };
        resolved.insert(header.name.clone(), value);
    }
    Ok(resolved)
}

/// The headers of an endpoint as Svix shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Those that it shows.
    pub shown: BTreeMap<String, Sensitive>,
    /// Names of those whose values it hides.
    pub hidden: BTreeSet<String>,
}

/// How headers in Svix differ from what is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Names of those that are missing, too many, or have another value, in lower case.
    pub differing: BTreeSet<String>,
    /// Whether there are some whose values cannot be compared.
    pub unknown: bool,
}

/// Compares; the case of names makes no difference.
#[must_use]
pub fn compare(wanted: &BTreeMap<String, Sensitive>, observed: &Observed) -> Comparison {
    let lower = |name: &String| name.to_ascii_lowercase();
    let wanted: BTreeMap<_, _> = wanted.iter().map(|(name, value)| (lower(name), value)).collect();
    let shown: BTreeMap<_, _> = observed.shown.iter().map(|(name, value)| (lower(name), value)).collect();
    let hidden: BTreeSet<_> = observed.hidden.iter().map(lower).collect();
    let mut comparison = Comparison::default();
    for (name, value) in &wanted {
        match shown.get(name) {
            Some(found) if found == value => {}
            None if hidden.contains(name) => comparison.unknown = true,
            _ => {
                comparison.differing.insert(name.clone());
            }
        }
    }
    let extra = shown.keys().chain(&hidden).filter(|name| !wanted.contains_key(*name)).cloned();
    comparison.differing.extend(extra);
    comparison
}

/// The headers that may stay while the address goes to another host: those that are declared, and are known to have
/// that value. `None`: all of them. Old values are not for the new host, and new ones not for the old.
#[must_use]
pub fn for_both(
    wanted: &BTreeMap<String, Sensitive>,
    observed: &Observed,
) -> Option<BTreeMap<String, Sensitive>> {
    let is_wanted = |(name, value): &(&String, &Sensitive)| {
        wanted.iter().any(|(other, expected)| other.eq_ignore_ascii_case(name) && *value == expected)
    };
    let same: BTreeMap<_, _> =
        observed.shown.iter().filter(is_wanted).map(|(name, value)| (name.clone(), value.clone())).collect();
    let all = same.len() == observed.shown.len() && observed.hidden.is_empty();
    (!all).then_some(same)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::plan::secrets::SecretData;

    fn headers(value: serde_json::Value) -> Vec<Header> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_svix_refuses_is_refused_here_with_its_place() {
        let found = problems(&headers(json!([
            {"name": "X-Team", "value": "a"},
            {"name": "User-Agent", "value": "a"},
            {"name": "Svix-Id", "value": "a"},
            {"name": "x-team", "value": "b"},
            {"name": "X-Break", "value": "a\nb"},
        ])));
        let places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(
            places,
            ["/spec/headers/1/name", "/spec/headers/2/name", "/spec/headers/3/name", "/spec/headers/4/value"]
        );
        assert!(found[3].1.contains("at byte 1"), "{found:?}");
    }

    #[test]
    fn values_come_from_secrets_and_are_in_no_message() {
        let secret = |text: &str| {
            let data = BTreeMap::from([("token".to_owned(), text.as_bytes().to_vec())]);
            Secrets::from([("s".to_owned(), Some(SecretData { data, ..SecretData::default() }))])
        };
        let from = headers(json!([
            {"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}},
        ]));
        let resolved = resolve(&from, &secret("Bearer hunter2\n"), "ns").unwrap();
        assert_eq!(resolved["Authorization"].expose(), "Bearer hunter2");
        assert!(!format!("{resolved:?}").contains("hunter2"));
        let bad = resolve(&from, &secret("hunter2\u{1}"), "ns").unwrap_err();
        assert_eq!(bad.reason, Reason::InvalidSecret);
        assert!(!bad.message.contains("hunter2") && bad.message.contains("Secret ns/s"), "{bad}");
        assert_eq!(resolve(&from, &Secrets::new(), "ns").unwrap_err().reason, Reason::SecretNotFound);
    }

    #[test]
    fn hidden_values_are_unknown_and_names_are_compared_without_case() {
        let wanted = |pairs: &[(&str, &str)]| -> BTreeMap<String, Sensitive> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), Sensitive::new(*value))).collect()
        };
        let observed = Observed {
            shown: wanted(&[("x-team", "a"), ("X-Old", "b")]),
            hidden: BTreeSet::from(["authorization".to_owned()]),
        };
        let all = compare(&wanted(&[("X-Team", "a"), ("X-Old", "b"), ("Authorization", "c")]), &observed);
        assert_eq!(all, Comparison { differing: BTreeSet::new(), unknown: true });
        let other = compare(&wanted(&[("X-Team", "z"), ("X-New", "n")]), &observed);
        let names: Vec<_> = other.differing.iter().map(String::as_str).collect();
        assert_eq!(names, ["authorization", "x-new", "x-old", "x-team"]);
    }
    #[test]
    fn only_what_is_known_to_be_declared_stays_while_the_host_changes() {
        let these = |pairs: &[(&str, &str)]| -> BTreeMap<String, Sensitive> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), Sensitive::new(*value))).collect()
        };
        let wanted = these(&[("X-Team", "a"), ("Authorization", "new"), ("X-New", "n")]);
        let shown = |pairs: &[(&str, &str)]| Observed { shown: these(pairs), hidden: BTreeSet::new() };
        assert_eq!(for_both(&wanted, &Observed::default()), None);
        assert_eq!(for_both(&wanted, &shown(&[("x-team", "a")])), None);
        let team = Some(these(&[("x-team", "a")]));
        assert_eq!(for_both(&wanted, &shown(&[("x-team", "a"), ("authorization", "old")])), team);
        assert_eq!(for_both(&wanted, &shown(&[("x-team", "a"), ("x-old", "n")])), team);
        let hidden = BTreeSet::from(["authorization".to_owned()]);
        assert_eq!(for_both(&wanted, &Observed { hidden, ..shown(&[("x-team", "a")]) }), team);
        assert_eq!(for_both(&BTreeMap::new(), &shown(&[("x-team", "a")])), Some(BTreeMap::new()));
    }
}
