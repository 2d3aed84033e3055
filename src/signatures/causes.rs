//! Why no signature matches, as far as it can be known: a change of the request or the key with which it matches is the cause.

use super::{Captured, CapturedHeaders, Key};

/// Why no signature matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The header has no signature of a known form.
    #[error(
        "/{header}: found no signature of the form v1,<base64> or v1a,<base64>; save the header as it was received"
    )]
    NoSignature {
        /// The header.
        header: &'static str,
    },
    /// The signatures are of another kind than the keys.
    #[error(
        "/{header}: found signatures of the kind {found}, expected {expected}, which is what the key verifies; {advice}"
    )]
    OtherKind {
        /// The header.
        header: &'static str,
        /// The versions in the header.
        found: String,
        /// The versions of the keys.
        expected: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The body is another than was signed.
    #[error("the body: {0}; verify the bytes that were received, before anything parses or stores them")]
    Body(&'static str),
    /// The id is another than was signed.
    #[error("/{header}: {what}")]
    Id {
        /// The header.
        header: &'static str,
        /// How it differs.
        what: &'static str,
    },
    /// The timestamp is another than was signed.
    #[error("/{header}: {what}")]
    Timestamp {
        /// The header.
        header: &'static str,
        /// How it differs.
        what: &'static str,
    },
    /// The key is used in another way than the sender does.
    #[error("the key: {0}")]
    Key(&'static str),
    /// It cannot be known.
    #[error(
        "no signature matches: the key is not that of the endpoint, or the id, the timestamp or the body is not what was \
         signed. A signature does not show which. Compare the key with the one that Svix has for the endpoint, and the body with \
         the payload of message {id}"
    )]
    Unknown {
        /// The id of the message.
        id: String,
    },
}

/// Returns the first cause that is found. Only one part is changed at a time.
pub(super) fn find(keys: &[Key], captured: Captured<'_>) -> Cause {
    let Captured { headers, body } = captured;
    if let Some(cause) = form(keys, headers) {
        return cause;
    }
    let body_matches = |body: &[u8]| Captured { headers, body }.is_signed_by(keys);
    let changed_body = bodies(body).into_iter().find(|(changed, _)| body_matches(changed));
    if let Some((_, what)) = changed_body {
        return Cause::Body(what);
    }
    let key_matches = |key: Key| captured.is_signed_by(&[key]);
    if keys.iter().flat_map(raw_forms).any(key_matches) {
        return Cause::Key(
            "it matches if the text of the key is the key; the sender has to decode what follows whsec_ as base64 first",
        );
    }
    let with_id = |id: &str| CapturedHeaders { id: id.to_owned(), ..headers.clone() };
    let bare_id = headers.id.trim_matches(['"', '\'', '<', '>']);
    if bare_id != headers.id && (Captured { headers: &with_id(bare_id), body }).is_signed_by(keys) {
        return Cause::Id { header: headers.names.id(), what: "it matches without the quotes around the id" };
    }
    if let Some(what) = timestamp(keys, headers, body) {
        return Cause::Timestamp { header: headers.names.timestamp(), what };
    }
    Cause::Unknown { id: headers.id.clone() }
}

/// What is wrong with the form of the signatures.
fn form(keys: &[Key], headers: &CapturedHeaders) -> Option<Cause> {
    let header = headers.names.signature();
    let mut versions: Vec<&str> = headers.signatures().map(|(version, _)| version).collect();
    versions.dedup();
    if versions.is_empty() {
        return Some(Cause::NoSignature { header });
    }
    let first = keys.first()?;
    if keys.iter().any(|key| versions.contains(&key.version())) {
        return None;
    }
    let advice = match first.version() {
        "v1" => "a v1a signature is verified with the endpoint's public key, whpk_",
        _ => "a v1 signature is verified with the endpoint's secret, whsec_",
    };
    Some(Cause::OtherKind { header, found: versions.join(", "), expected: first.version(), advice })
}

/// Other bodies that the sender may have signed.
fn bodies(body: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    let mut bodies = Vec::new();
    let trimmed = body.strip_suffix(b"\n").map(|body| body.strip_suffix(b"\r").unwrap_or(body));
    match trimmed {
        Some(trimmed) => {
            bodies.push((
                trimmed.to_vec(),
                "it matches without the line break at its end, which an editor or `echo` adds",
            ));
        }
        None => bodies.push(([body, b"\n"].concat(), "it matches with a line break at its end")),
    }
    if let Some(bare) = body.strip_prefix("\u{feff}".as_bytes()) {
        bodies.push((bare.to_vec(), "it matches without the byte order mark at its start"));
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let unix = text.replace("\r\n", "\n");
        bodies.push((unix.replace('\n', "\r\n").into_bytes(), "it matches with CR LF in place of LF"));
        bodies.push((unix.into_bytes(), "it matches with LF in place of CR LF"));
        bodies.push((text.trim().as_bytes().to_vec(), "it matches without the white space around it"));
    }
    if let Ok(compact) = without_white_space(body) {
        let what =
            "it matches without the white space between its values: it was formatted after it was received";
        bodies.push((compact, what));
    }
    bodies.push((Vec::new(), "it matches an empty body: something had read the body before it was signed"));
    bodies
}

/// The same JSON text without white space outside of strings.
fn without_white_space(body: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::from_slice::<serde::de::IgnoredAny>(body)?;
    let (mut compact, mut is_string, mut is_escaped) = (Vec::with_capacity(body.len()), false, false);
    for &byte in body {
        if is_string || !byte.is_ascii_whitespace() {
            compact.push(byte);
        }
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_string,
            b'"' => is_string = !is_string,
            _ => {}
        }
    }
    Ok(compact)
}

/// The key as a sender has it that does not decode the base64.
fn raw_forms(key: &Key) -> Vec<Key> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let Some(bytes) = key.as_symmetric() else { return Vec::new() };
    let text = STANDARD.encode(bytes);
    vec![Key::symmetric(format!("whsec_{text}").into_bytes()), Key::symmetric(text.into_bytes())]
}

/// How the timestamp differs from the one that was signed.
fn timestamp(keys: &[Key], headers: &CapturedHeaders, body: &[u8]) -> Option<&'static str> {
    let written = headers.timestamp.parse::<i64>().ok();
    let with = |timestamp: i64| {
        let headers = CapturedHeaders { timestamp: timestamp.to_string(), ..headers.clone() };
        Captured { headers: &headers, body }.is_signed_by(keys)
    };
    let Some(written) = written else {
        return Some("found no whole number, expected the seconds since 1970 that were signed");
    };
    if with(written / 1000) {
        return Some("it matches in seconds: found milliseconds, expected the seconds since 1970");
    }
    // A clock that is an hour or a day apart, as of a log in local time.
    let near = (1..=24).flat_map(|hours| [hours * 3600, -hours * 3600]);
    let mut near = near.filter_map(|apart| written.checked_add(apart));
    near.any(with).then_some(
        "it matches with a timestamp that is whole hours apart: a log shows it in another time zone",
    )
}
