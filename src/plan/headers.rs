//! HTTP headers of an endpoint: which ones Svix refuses, and how they differ.
//!
//! The rules are those of the open-source server (`core/types/mod.rs`, `EndpointHeaders`).

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Header, HeaderValue, JsonPointer, Reason};

use super::{
    ReconcileError, quoted,
    secrets::{self, Secrets, Sensitive},
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

/// A header that an endpoint cannot have. No message contains a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// Its name is invalid.
    #[error("found {}, {problem}", quoted(.found))]
    Name {
        /// The name.
        found: String,
        /// What is wrong with it.
        #[source]
        problem: InvalidHeaderName,
    },
    /// Another header has the same name.
    #[error("found {} again, as in item {first}: the case of letters makes no other header", quoted(.found))]
    Duplicate {
        /// The name.
        found: String,
        /// The index of the first one.
        first: usize,
    },
    /// Its value is invalid.
    #[error(transparent)]
    Value(#[from] InvalidHeaderValue),
}

/// A name that a header cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeaderName {
    /// It is not the name of an HTTP header.
    #[error("expected the name of an HTTP header")]
    Token,
    /// Svix sets the header itself, or does not send it.
    #[error("which Svix sets itself or does not send; expected another header")]
    Reserved,
    /// Svix refuses names with this prefix.
    #[error("but Svix takes no header that starts with {0}")]
    ReservedPrefix(&'static str),
}

/// A value that a header cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeaderValue {
    /// It is too long.
    #[error("found {0} bytes, expected at most {MAX_VALUE}")]
    Length(usize),
    /// It has a byte order mark.
    #[error(
        "found a byte order mark (U+FEFF); expected text without it: save the file in UTF-8 without the mark"
    )]
    ByteOrderMark,
    /// It has a character that HTTP does not allow.
    #[error("found a control character at byte {0}, which no HTTP header can carry")]
    ControlCharacter(usize),
}

/// Checks names and inline values; returns each error with the field it is about.
#[must_use]
pub fn check(headers: &[Header]) -> Vec<(JsonPointer, InvalidHeader)> {
    let mut errors = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (index, header) in headers.iter().enumerate() {
        let place = field(index);
        let name = header.name.to_ascii_lowercase();
        let found = || header.name.clone();
        if let Err(problem) = check_name(&name) {
            errors.push((place.child("name"), InvalidHeader::Name { found: found(), problem }));
        }
        if let Some(first) = seen.insert(name, index) {
            errors.push((place.child("name"), InvalidHeader::Duplicate { found: found(), first }));
        }
        if let Ok(HeaderValue::Inline(value)) = header.value()
            && let Err(problem) = check_value(value)
        {
            errors.push((place.child("value"), problem.into()));
        }
    }
    errors
}

/// The place of a header in the spec.
fn field(index: usize) -> JsonPointer {
    JsonPointer::from_static("/spec/headers").index(index)
}

/// Checks a name in lower case.
fn check_name(name: &str) -> Result<(), InvalidHeaderName> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(InvalidHeaderName::Token);
    }
    if FORBIDDEN.contains(&name) {
        return Err(InvalidHeaderName::Reserved);
    }
    match FORBIDDEN_PREFIXES.into_iter().find(|prefix| name.starts_with(prefix)) {
        Some(prefix) => Err(InvalidHeaderName::ReservedPrefix(prefix)),
        None => Ok(()),
    }
}

/// Checks a value.
fn check_value(value: &str) -> Result<(), InvalidHeaderValue> {
    if value.len() > MAX_VALUE {
        return Err(InvalidHeaderValue::Length(value.len()));
    }
    // HTTP allows it, and no receiver expects it.
    if value.contains('\u{feff}') {
        return Err(InvalidHeaderValue::ByteOrderMark);
    }
    // The rule of the http crate, which Svix sends with.
    match value.bytes().position(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
        Some(at) => Err(InvalidHeaderValue::ControlCharacter(at)),
        None => Ok(()),
    }
}

/// The headers with the values that are in Secrets.
pub fn resolve(
    headers: &[Header],
    secrets: &Secrets,
    namespace: &str,
) -> Result<BTreeMap<String, Sensitive>, ReconcileError> {
    if let Some((field, error)) = check(headers).into_iter().next() {
        return Err(ReconcileError::at(Reason::InvalidSpec, field, error));
    }
    let mut resolved = BTreeMap::new();
    for (index, header) in headers.iter().enumerate() {
        let value = match header.value().map_err(|rule| rule.at(field(index)))? {
            HeaderValue::Inline(value) => Sensitive::new(value),
            HeaderValue::Secret(reference) => {
                let field = field(index).child("valueFrom").child("secretKeyRef");
                let value = secrets::value(secrets, reference, &field, namespace)?;
                check_value(value.expose())
                    .map_err(|problem| secrets::invalid(reference, &field, namespace, &problem))?;
                value
            }
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

/// The headers that may stay while the address goes to another host: the declared ones that are known to have
/// that value. `None`: all of them. Old values are not for the new host, and new ones not for the old.
#[must_use]
pub fn safe_for_both_hosts(
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
    fn invalid_headers_are_refused_with_their_field() {
        let found = check(&headers(json!([
            {"name": "X-Team", "value": "a"},
            {"name": "User-Agent", "value": "a"},
            {"name": "Svix-Id", "value": "a"},
            {"name": "x-team", "value": "b"},
            {"name": "X-Break", "value": "a\nb"},
            {"name": "X-Mark", "value": "\u{feff}a"},
        ])));
        let places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(
            places,
            [
                "/spec/headers/1/name",
                "/spec/headers/2/name",
                "/spec/headers/3/name",
                "/spec/headers/4/value",
                "/spec/headers/5/value",
            ]
        );
        assert_eq!(found[3].1, InvalidHeaderValue::ControlCharacter(1).into());
        assert!(found[3].1.to_string().contains("at byte 1"), "{found:?}");
        assert_eq!(found[4].1, InvalidHeaderValue::ByteOrderMark.into());
    }

    #[test]
    fn values_from_secrets_are_in_no_message() {
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
    fn hidden_values_are_unknown() {
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
    fn only_declared_values_stay_while_the_host_changes() {
        let these = |pairs: &[(&str, &str)]| -> BTreeMap<String, Sensitive> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), Sensitive::new(*value))).collect()
        };
        let wanted = these(&[("X-Team", "a"), ("Authorization", "new"), ("X-New", "n")]);
        let shown = |pairs: &[(&str, &str)]| Observed { shown: these(pairs), hidden: BTreeSet::new() };
        assert_eq!(safe_for_both_hosts(&wanted, &Observed::default()), None);
        assert_eq!(safe_for_both_hosts(&wanted, &shown(&[("x-team", "a")])), None);
        let team = Some(these(&[("x-team", "a")]));
        assert_eq!(safe_for_both_hosts(&wanted, &shown(&[("x-team", "a"), ("authorization", "old")])), team);
        assert_eq!(safe_for_both_hosts(&wanted, &shown(&[("x-team", "a"), ("x-old", "n")])), team);
        let hidden = BTreeSet::from(["authorization".to_owned()]);
        assert_eq!(safe_for_both_hosts(&wanted, &Observed { hidden, ..shown(&[("x-team", "a")]) }), team);
        assert_eq!(safe_for_both_hosts(&BTreeMap::new(), &shown(&[("x-team", "a")])), Some(BTreeMap::new()));
    }
}
