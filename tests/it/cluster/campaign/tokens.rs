//! Credentials that are recognised wherever they turn up, whole or encoded.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// How values begin that are in Secrets: they may be seen only there and in Svix.
const HIDDEN: &str = "leak0";
/// How credentials begin that somebody wrote into a spec: what the operator says must not repeat them.
const SHOWN: &str = "cred0";

/// Makes credentials; the same seed makes the same ones.
pub struct Tokens(StdRng);

impl Tokens {
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(!seed))
    }

    fn token(&mut self, beginning: &str) -> String {
        format!("{beginning}{:032x}", self.0.random::<u128>())
    }

    /// A value for a Secret.
    pub fn hidden(&mut self) -> String {
        self.token(HIDDEN)
    }

    /// A value for a spec.
    pub fn shown(&mut self) -> String {
        self.token(SHOWN)
    }

    /// A signing key for a Secret: 30 bytes whose base64 begins like any other token.
    pub fn signing_key(&mut self) -> String {
        let token = self.token(HIDDEN);
        format!("whsec_{token}000")
    }
}

/// Whether a text holds a value that belongs into a Secret.
pub fn is_marked(text: &str) -> bool {
    text.contains(HIDDEN)
}

/// What gives a credential away, by what it is called.
fn traces(beginning: &str) -> Vec<(String, String)> {
    let numbers: Vec<_> = beginning.bytes().map(|byte| byte.to_string()).collect();
    let mut traces = vec![
        (format!("{beginning}…"), beginning.to_owned()),
        (format!("{beginning}… as bytes"), numbers.join(", ")),
    ];
    // In base64 its look depends on what stands before it: that many characters at the begin and end are of others, too.
    for before in 0..3 {
        let encoded = STANDARD.encode(format!("{}{beginning}", "?".repeat(before)));
        let encoded = encoded.trim_end_matches('=');
        let whole = (before + beginning.len()) * 8 / 6;
        let trace = encoded[[0, 2, 3][before]..whole].to_owned();
        traces.push((format!("{beginning}… in base64"), trace));
    }
    traces
}

/// Looks for credentials in a text; answers what they are, with what stands before them. `spec`: whether those that
/// somebody wrote into a spec may be there.
pub fn found_in(text: &str, spec: bool) -> Vec<String> {
    let mut traces = traces(HIDDEN);
    traces.push(("a token of Svix".to_owned(), "testsk_".to_owned()));
    if !spec {
        traces.extend(self::traces(SHOWN));
    }
    let excerpt = |at: usize| {
        let bytes = &text.as_bytes()[at.saturating_sub(200)..text.len().min(at + 20)];
        String::from_utf8_lossy(bytes).into_owned()
    };
    let mut found: Vec<_> = traces
        .iter()
        .filter_map(|(what, trace)| Some(format!("{what}: {}", excerpt(text.find(trace.as_str())?))))
        .collect();
    // A key of Svix's own making has no mark.
    let key = text.match_indices("whsec_").find(|(at, _)| {
        let rest = &text.as_bytes()[at + 6..];
        rest.len() >= 16 && rest[..16].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
    });
    found.extend(key.map(|(at, _)| format!("a signing key: {}", excerpt(at))));
    found
}

#[test]
fn credentials_are_found_however_they_are_written() {
    let mut tokens = Tokens::new(1);
    let (hidden, shown, key) = (tokens.hidden(), tokens.shown(), tokens.signing_key());
    for before in ["", "?", "Bearer ", "https://x/"] {
        let text = format!("{before}{hidden}");
        let ways =
            [text.clone(), STANDARD.encode(&text), format!("{:?}", text.as_bytes()), format!("{text:?}")];
        for way in ways {
            assert!(!found_in(&format!("a {way} b"), true).is_empty(), "{way}");
        }
    }
    assert!(found_in(&shown, true).is_empty() && !found_in(&shown, false).is_empty());
    assert!(!found_in(&key, true).is_empty());
    assert!(!found_in("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", true).is_empty());
    assert!(found_in("expected whsec_ and the base64 of 24 to 75 bytes", false).is_empty());
}
