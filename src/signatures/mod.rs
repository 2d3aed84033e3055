//! The signatures of deliveries: how Svix and Standard Webhooks sign a request, and whether a captured request matches.
//!
//! Pure: the time is an argument. The signed text is `<id>.<timestamp>.<body>`. The keys are `whsec_` (HMAC-SHA256, `v1`),
//! `whsk_` (an ed25519 key pair, `v1a`), and its public half, `whpk_`, which verifies and cannot sign.

mod captured;
mod causes;
mod headers;
mod key;
#[cfg(test)]
mod tests;

pub use captured::Captured;
pub use causes::Cause;
pub use headers::{CapturedHeaders, InvalidHeaders, Names, lines};
pub use key::{InvalidKey, Key};

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// No signature matches any key.
    #[error("{0}")]
    NoMatch(Cause),
    /// The signature matches, and the request is too old for a receiver.
    #[error(
        "/{header}: found {timestamp}, which is {age} s ago, expected at most {tolerance} s: a receiver refuses it as a \
         replay; for a request that was captured earlier, give --ignore-timestamp"
    )]
    TooOld {
        /// The header.
        header: &'static str,
        /// Its value.
        timestamp: i64,
        /// The age in seconds.
        age: u64,
        /// The greatest age.
        tolerance: u64,
    },
    /// The signature matches, and the timestamp is in the future.
    #[error(
        "/{header}: found {timestamp}, which is {ahead} s in the future, expected at most {tolerance} s: the clock of the \
         sender or of this machine is wrong"
    )]
    InFuture {
        /// The header.
        header: &'static str,
        /// Its value.
        timestamp: i64,
        /// How far it is ahead, in seconds.
        ahead: u64,
        /// The greatest difference.
        tolerance: u64,
    },
}

/// Returns the signature of a delivery; `None` for a public key, which cannot sign.
#[must_use]
pub fn sign(key: &Key, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    key.sign(&captured::signed_text(id, &timestamp.to_string(), body))
}

/// Returns what is wrong with a request: nothing if a signature matches one of the keys and the timestamp is within `tolerance`
/// seconds of `now`. Without a tolerance, the timestamp is not compared.
#[must_use]
pub fn verify(keys: &[Key], captured: Captured<'_>, now: i64, tolerance: Option<u64>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !captured.is_signed_by(keys) {
        findings.push(Finding::NoMatch(causes::find(keys, captured)));
    }
    let CapturedHeaders { timestamp, names, .. } = captured.headers;
    // A timestamp that is no number has no signature that matches, which is reported.
    if let (Some(tolerance), Ok(timestamp)) = (tolerance, timestamp.parse::<i64>()) {
        let (header, apart) = (names.timestamp(), timestamp.abs_diff(now));
        match timestamp <= now {
            _ if apart <= tolerance => {}
            true => findings.push(Finding::TooOld { header, timestamp, age: apart, tolerance }),
            false => findings.push(Finding::InFuture { header, timestamp, ahead: apart, tolerance }),
        }
    }
    findings
}
