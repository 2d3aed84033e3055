//! The exponent of a number: JSON does not bound it, and `1e-99999999999999999999` is a number that is more than zero.
//!
//! What is done with one takes time in proportion to its digits, of which a payload may have a million.

use std::{cmp::Ordering, fmt};

/// Whole numbers of so many digits are computed with as integers; a shift of 64 bits never leaves 128 bits.
const SMALL_DIGITS: usize = 36;

/// A whole number of any size.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Exponent {
    /// At most [`SMALL_DIGITS`] digits.
    Small(i128),
    /// More digits, of which the first is not zero.
    Large { is_negative: bool, digits: String },
}

impl Exponent {
    pub const ZERO: Self = Self::Small(0);

    /// Reads an exponent as JSON writes it behind the `e`. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_negative = text.starts_with('-');
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Self::of(is_negative, digits)
    }

    fn of(is_negative: bool, digits: &str) -> Option<Self> {
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self::ZERO);
        }
        if digits.len() > SMALL_DIGITS {
            return Some(Self::Large { is_negative, digits: digits.to_owned() });
        }
        let absolute: i128 = digits.parse().ok()?;
        Some(Self::Small(if is_negative { -absolute } else { absolute }))
    }

    /// The sum with a number of few digits.
    pub fn plus(&self, shift: i64) -> Self {
        let shift = i128::from(shift);
        let (is_negative, digits) = match self {
            Self::Small(number) => {
                let sum = *number + shift;
                (sum < 0, sum.unsigned_abs().to_string().into_bytes())
            }
            // It is further from zero than any shift, so the sign stays.
            Self::Large { is_negative, digits } if *is_negative == (shift < 0) => {
                (*is_negative, sum(digits, shift.unsigned_abs()))
            }
            Self::Large { is_negative, digits } => (*is_negative, difference(digits, shift.unsigned_abs())),
        };
        // What was computed consists of digits.
        let sum = std::str::from_utf8(&digits).ok().and_then(|digits| Self::of(is_negative, digits));
        sum.unwrap_or(Self::ZERO)
    }

    /// The exponent, if it has at most 64 bits.
    pub fn to_i64(&self) -> Option<i64> {
        match self {
            Self::Small(number) => i64::try_from(*number).ok(),
            Self::Large { .. } => None,
        }
    }

    pub fn is_negative(&self) -> bool {
        match self {
            Self::Small(number) => *number < 0,
            Self::Large { is_negative, .. } => *is_negative,
        }
    }
}

/// The digits of a sum.
fn sum(digits: &str, mut addend: u128) -> Vec<u8> {
    // A place for what is carried beyond the first digit.
    let mut all = format!("0{digits}").into_bytes();
    for digit in all.iter_mut().rev() {
        if addend == 0 {
            break;
        }
        addend += u128::from(*digit - b'0');
        *digit = last_digit(addend);
        addend /= 10;
    }
    all
}

/// The digits of a difference with a smaller number.
fn difference(digits: &str, mut subtrahend: u128) -> Vec<u8> {
    let mut all = digits.as_bytes().to_vec();
    for digit in all.iter_mut().rev() {
        if subtrahend == 0 {
            break;
        }
        let (found, taken) = (u128::from(*digit - b'0'), subtrahend % 10);
        subtrahend = subtrahend / 10 + u128::from(found < taken);
        *digit = last_digit(10 + found - taken);
    }
    all
}

fn last_digit(number: u128) -> u8 {
    u8::try_from(number % 10).map_or(b'0', |digit| b'0' + digit)
}

impl Ord for Exponent {
    fn cmp(&self, other: &Self) -> Ordering {
        let absolute = |a: &String, b: &String| a.len().cmp(&b.len()).then_with(|| a.cmp(b));
        match (self, other) {
            (Self::Small(a), Self::Small(b)) => a.cmp(b),
            (Self::Large { is_negative: true, digits: a }, Self::Large { is_negative: true, digits: b }) => {
                absolute(b, a)
            }
            (
                Self::Large { is_negative: false, digits: a },
                Self::Large { is_negative: false, digits: b },
            ) => absolute(a, b),
            (Self::Large { is_negative: true, .. }, _) | (_, Self::Large { is_negative: false, .. }) => {
                Ordering::Less
            }
            (Self::Large { is_negative: false, .. }, _) | (_, Self::Large { is_negative: true, .. }) => {
                Ordering::Greater
            }
        }
    }
}

impl PartialOrd for Exponent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Exponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small(number) => number.fmt(f),
            Self::Large { is_negative, digits } => {
                f.write_str(if *is_negative { "-" } else { "" })?;
                f.write_str(digits)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::*;

    /// Whole numbers on both sides of the bounds of 64 bits and of [`SMALL_DIGITS`], with zeros before them.
    fn whole() -> impl Strategy<Value = String> {
        prop_oneof![
            r"[-+]?0{0,3}[0-9]{1,20}",
            r"[-+]?0{0,3}(10{35}|9{36}|10{36}|9{37}|10{37})",
            r"[-+]?[0-9]{34,60}"
        ]
    }

    proptest! {
        #[test]
        fn exponents_are_added_and_ordered_exactly(a in whole(), b in whole(), shift in any::<i64>(), near in -3..3_i64) {
            let exact = |text: &str| text.parse::<BigInt>().unwrap();
            let (one, other) = (Exponent::parse(&a).unwrap(), Exponent::parse(&b).unwrap());

            prop_assert_eq!(one.to_string(), exact(&a).to_string());
            prop_assert_eq!(one.cmp(&other), exact(&a).cmp(&exact(&b)));
            prop_assert_eq!(one.is_negative(), exact(&a) < BigInt::ZERO);
            prop_assert_eq!(one.to_i64(), i64::try_from(exact(&a)).ok());
            for shift in [shift, near, i64::MIN, i64::MAX] {
                let sum = one.plus(shift);
                prop_assert_eq!(sum.to_string(), (exact(&a) + shift).to_string());
                // One number has one form.
                prop_assert_eq!(Exponent::parse(&sum.to_string()), Some(sum));
            }
        }
    }

    #[test]
    fn what_is_no_exponent_is_none() {
        for text in ["", "-", "+", "--1", "1.0", "x", "1e1"] {
            assert_eq!(Exponent::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_exponent_of_a_million_digits_is_little_work() {
        let text = format!("-1{}", "0".repeat(1_000_000));

        let mut sum = None;
        let cost =
            allocation_counter::measure(|| sum = Some(Exponent::parse(&text).unwrap().plus(1).to_string()));

        assert_eq!(sum, Some(format!("-{}", "9".repeat(1_000_000))));
        assert!(cost.bytes_total < 10 * text.len() as u64, "{cost:?}");
    }
}
