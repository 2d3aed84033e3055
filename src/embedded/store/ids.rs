//! Identifiers as Svix generates them: a prefix and a KSUID with a millisecond byte, 27 characters of base 62 that
//! sort by time. Two ids of the same four milliseconds sort at random, as they do in Svix.

use jiff::Timestamp;

/// Seconds between the Unix epoch and the KSUID epoch.
const KSUID_EPOCH: i64 = 1_400_000_000;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ENCODED_LEN: usize = 27;

pub(crate) const APPLICATION: &str = "app_";
pub(crate) const ENDPOINT: &str = "ep_";
pub(crate) const MESSAGE: &str = "msg_";
pub(crate) const ATTEMPT: &str = "atmpt_";

/// Returns a new id of the time `at`.
pub(crate) fn new(prefix: &str, at: Timestamp) -> String {
    with_payload(prefix, at, rand::random())
}

/// Returns the smallest id that an entity created at `at` can have; the server compares `before` and `after` with it.
pub(crate) fn first_of(prefix: &str, at: Timestamp) -> String {
    with_payload(prefix, at, [0; 15])
}

fn with_payload(prefix: &str, at: Timestamp, payload: [u8; 15]) -> String {
    let milliseconds = at.as_millisecond().max(KSUID_EPOCH * 1000);
    let seconds = u32::try_from(milliseconds / 1000 - KSUID_EPOCH).unwrap_or(u32::MAX);
    let quarter = u8::try_from(milliseconds % 1000 / 4).unwrap_or(u8::MAX);
    let mut bytes = [0; 20];
    bytes[..4].copy_from_slice(&seconds.to_be_bytes());
    bytes[4] = quarter;
    bytes[5..].copy_from_slice(&payload);
    format!("{prefix}{}", base62(bytes))
}

/// Long division of a 160-bit number by 62, most significant digit first.
fn base62(mut number: [u8; 20]) -> String {
    let mut digits = [b'0'; ENCODED_LEN];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = remainder << 8 | u32::from(*byte);
            // The quotient of a byte-wise division by 62 fits a byte, for the remainder is below 62.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *digit = ALPHABET[remainder as usize];
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_its_prefix_and_sorts_by_time() {
        let early = new(MESSAGE, Timestamp::constant(1_700_000_000, 0));
        let late = new(MESSAGE, Timestamp::constant(1_700_000_000, 4_000_000));
        assert!(early < late, "{early} {late}");
        assert_eq!(early.len(), MESSAGE.len() + ENCODED_LEN);
        assert!(first_of(MESSAGE, Timestamp::constant(1_700_000_000, 0)) <= early);
    }

    #[test]
    fn the_encoding_is_that_of_ksuid() {
        assert_eq!(base62([0xff; 20]), "aWgEPTl1tmebfsQzFP4bxwgy80V");
        assert_eq!(base62([0; 20]), "000000000000000000000000000");
    }
}
