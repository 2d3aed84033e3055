//! Signing secrets: their two kinds, how they read back, how they sign.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const GENERATED_LEN: usize = 24;
/// An ed25519 secret is the seed and the public key.
const ED25519_LEN: usize = 64;

/// A secret that signs deliveries.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// `whsec_`: HMAC-SHA256.
    Symmetric(Vec<u8>),
    /// `whsk_`, which reads back as the public key, `whpk_`. It is stored; signing with it is not part of the
    /// embedded Svix.
    Asymmetric(Vec<u8>),
}

/// The value does not appear in logs.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    pub(crate) fn generate() -> Self {
        Self::Symmetric(rand::random::<[u8; GENERATED_LEN]>().to_vec())
    }

    /// Returns the text that the API shows.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Symmetric(key) => format!("whsec_{}", STANDARD.encode(key)),
            Self::Asymmetric(key) => format!("whpk_{}", STANDARD.encode(&key[ED25519_LEN / 2..])),
        }
    }

    /// Returns `v1,<signature>`; `None` for a kind that this server cannot sign with.
    pub(crate) fn sign(&self, message: &str, seconds: i64, payload: &str) -> Option<String> {
        match self {
            Self::Symmetric(key) => {
                let signer = svix::webhooks::Webhook::from_bytes(key.clone()).ok()?;
                signer.sign(message, seconds, payload.as_bytes()).ok()
            }
            Self::Asymmetric(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let decode = |text: &str| STANDARD.decode(text).map_err(de::Error::custom);
        if let Some(text) = text.strip_prefix("whsk_") {
            let key = decode(text)?;
            if key.len() != ED25519_LEN {
                return Err(de::Error::custom("invalid ed25519 key"));
            }
            Ok(Self::Asymmetric(key))
        } else if let Some(text) = text.strip_prefix("whsec_") {
            decode(text).map(Self::Symmetric)
        } else {
            Err(de::Error::custom("invalid prefix"))
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}
