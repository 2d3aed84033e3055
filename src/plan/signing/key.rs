//! Signing keys: the form that Svix accepts and the form that it returns.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::plan::secrets::Sensitive;

/// Lengths of a symmetric key, in bytes.
const SYMMETRIC: std::ops::RangeInclusive<usize> = 24..=75;
/// Length of an ed25519 key: the seed and the public key.
const ED25519: usize = 64;
/// Length of a key that is generated here, in bytes.
pub const NEW_KEY: usize = 32;

/// A signing key that Svix would refuse. No message contains the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is the public half of a key pair.
    #[error("found a public key (whpk_ or whpk1_), which cannot sign; {EXPECTED_KEY}")]
    Public,
    /// It is of a kind that Svix names and does not describe.
    #[error(
        "found a key that begins with whsk1_: Svix does not document such keys, and its open-source server refuses them; \
         {EXPECTED_KEY}"
    )]
    Undocumented,
    /// It has none of the known prefixes.
    #[error("found a text that does not begin with whsec_; {EXPECTED_KEY}")]
    Prefix,
    /// It is not base64.
    #[error("what follows the prefix is not base64; {EXPECTED_KEY}")]
    Encoding(#[source] base64::DecodeError),
    /// It has the wrong length.
    #[error("found {0} bytes; {EXPECTED_KEY}")]
    Length(usize),
}

const EXPECTED_KEY: &str =
    "expected whsec_ and the base64 of 24 to 75 bytes, or whsk_ and the base64 of an ed25519 key pair";

/// Checks a key before it is written to Svix.
pub fn check_key(key: &str) -> Result<(), InvalidKey> {
    let (text, is_asymmetric) = match (key.strip_prefix("whsec_"), key.strip_prefix("whsk_")) {
        (Some(text), _) => (text, false),
        (None, Some(text)) => (text, true),
        // Svix Cloud's specification permits the prefixes whsk1_ and whpk1_ and does not say what follows them.
        (None, None) if key.starts_with("whsk1_") => return Err(InvalidKey::Undocumented),
        (None, None) if key.starts_with("whpk_") || key.starts_with("whpk1_") => {
            return Err(InvalidKey::Public);
        }
        (None, None) => return Err(InvalidKey::Prefix),
    };
    let length = STANDARD.decode(text).map_err(InvalidKey::Encoding)?.len();
    let is_valid = if is_asymmetric { length == ED25519 } else { SYMMETRIC.contains(&length) };
    if is_valid { Ok(()) } else { Err(InvalidKey::Length(length)) }
}

/// The form in which Svix returns a key: an asymmetric one as its public half, others in the base64 that Svix writes.
#[must_use]
pub fn as_returned(key: &Sensitive) -> Sensitive {
    let public = |text: &str| {
        let bytes = STANDARD.decode(text).ok()?;
        Some(format!("whpk_{}", STANDARD.encode(bytes.get(ED25519 / 2..)?)))
    };
    match key.expose().strip_prefix("whsk_").and_then(public) {
        Some(public) => Sensitive::new(public),
        None => key.clone(),
    }
}

/// A new key from random bytes.
#[must_use]
pub fn new_key(random: [u8; NEW_KEY]) -> Sensitive {
    Sensitive::new(format!("whsec_{}", STANDARD.encode(random)))
}
