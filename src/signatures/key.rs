//! Keys that sign or verify deliveries.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Length of an ed25519 seed, and of a public key.
const HALF: usize = 32;

/// A text that is no key. No message contains the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is not base64.
    #[error("what follows the prefix is not base64; {EXPECTED}")]
    Encoding(#[source] base64::DecodeError),
    /// It is of a kind that Svix names and does not describe.
    #[error("Svix does not document keys that begin with {0}; {EXPECTED}")]
    Undocumented(&'static str),
    /// It has the wrong length.
    #[error("found {0} bytes after decoding; {EXPECTED}")]
    Length(usize),
    /// The seed and the public key do not belong together.
    #[error("the two halves of the key pair do not belong together; {EXPECTED}")]
    Pair,
}

const EXPECTED: &str = "expected whsec_ and base64, whsk_ and the base64 of an ed25519 key pair (64 bytes), or whpk_ and that \
                        of a public key (32 bytes)";

/// A key.
pub struct Key(Kind);

enum Kind {
    Symmetric(Vec<u8>),
    Pair(Box<Ed25519KeyPair>, Vec<u8>),
    Public(Vec<u8>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.version())
    }
}

impl Key {
    /// Reads a key. As in Svix's libraries, `whsec_` may be absent.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let decode = |text: &str| STANDARD.decode(text).map_err(InvalidKey::Encoding);
        // Svix Cloud's specification permits these prefixes.
        if let Some(prefix) = ["whsk1_", "whpk1_"].into_iter().find(|prefix| text.starts_with(prefix)) {
            return Err(InvalidKey::Undocumented(prefix));
        }
        if let Some(text) = text.strip_prefix("whsk_") {
            let bytes = decode(text)?;
            let (Some(seed), Some(public), true) =
                (bytes.get(..HALF), bytes.get(HALF..), bytes.len() == 2 * HALF)
            else {
                return Err(InvalidKey::Length(bytes.len()));
            };
            let pair =
                Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| InvalidKey::Pair)?;
            return Ok(Self(Kind::Pair(Box::new(pair), public.to_vec())));
        }
        if let Some(text) = text.strip_prefix("whpk_") {
            let bytes = decode(text)?;
            let is_key = bytes.len() == HALF;
            return if is_key { Ok(Self(Kind::Public(bytes))) } else { Err(InvalidKey::Length(bytes.len())) };
        }
        let bytes = decode(text.strip_prefix("whsec_").unwrap_or(text))?;
        if bytes.is_empty() { Err(InvalidKey::Length(0)) } else { Ok(Self::symmetric(bytes)) }
    }

    /// A symmetric key of these bytes.
    pub(super) fn symmetric(bytes: Vec<u8>) -> Self {
        Self(Kind::Symmetric(bytes))
    }

    /// The bytes of a symmetric key.
    pub(super) fn as_symmetric(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Symmetric(bytes) => Some(bytes),
            Kind::Pair(..) | Kind::Public(_) => None,
        }
    }

    /// The version in front of its signatures.
    #[must_use]
    pub fn version(&self) -> &'static str {
        match self.0 {
            Kind::Symmetric(_) => "v1",
            Kind::Pair(..) | Kind::Public(_) => "v1a",
        }
    }

    pub(super) fn sign(&self, text: &[u8]) -> Option<String> {
        let signature = match &self.0 {
            Kind::Symmetric(bytes) => hmac(bytes, text)?.finalize().into_bytes().to_vec(),
            Kind::Pair(pair, _) => pair.sign(text).as_ref().to_vec(),
            Kind::Public(_) => return None,
        };
        Some(format!("{},{}", self.version(), STANDARD.encode(signature)))
    }

    pub(super) fn verifies(&self, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        match &self.0 {
            Kind::Symmetric(bytes) => {
                hmac(bytes, text).is_some_and(|hmac| hmac.verify_slice(&signature).is_ok())
            }
            Kind::Pair(_, public) | Kind::Public(public) => {
                UnparsedPublicKey::new(&ED25519, public).verify(text, &signature).is_ok()
            }
        }
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Option<Hmac<Sha256>> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    hmac.update(text);
    Some(hmac)
}
