//! A captured request, and whether it is signed with a key.

use super::{CapturedHeaders, Key};

/// A request as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// The id, timestamp and signature of the request.
    pub headers: &'a CapturedHeaders,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

impl Captured<'_> {
    /// Whether a signature of the headers is that of one of the keys.
    pub(super) fn is_signed_by(self, keys: &[Key]) -> bool {
        let text = signed_text(&self.headers.id, &self.headers.timestamp, self.body);
        self.headers.signatures().any(|(version, signature)| {
            keys.iter().any(|key| key.version() == version && key.verifies(&text, signature))
        })
    }
}

/// Returns what is signed.
pub(super) fn signed_text(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}
