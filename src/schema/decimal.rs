//! JSON numbers by value: two ways of writing a number are one number.
//!
//! Svix keeps JSON in a database that rewrites numbers (`1e16` comes back as `10000000000000000`), so text and type
//! of a number say nothing about whether it was changed. And a float of 64 bits rounds: `100.0000000000000000000001` is
//! read as `100`, but is greater.

mod exponent;

use std::cmp::Ordering;

use exponent::Exponent;

/// Whole numbers of at most so many digits are written in full; it holds every integer of 64 bits.
const MAX_PLAIN_DIGITS: usize = 20;
/// Floats up to here are the integers that they are written as. Beyond, 9223372036854775808 is written as
/// `9.223372036854776e18`, which is another number.
pub(super) const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
/// Decimals of so many significant digits are read as the float that is written with the same digits.
const FLOAT_DIGITS: usize = 15;

/// Returns the one text of a JSON number that all ways of writing it share: `-?digits`, or `-?digits e exponent` where
/// the number is not whole or is long. `text` is a number as JSON writes it.
#[must_use]
pub fn canonical(text: &str) -> String {
    let Some(Decimal { is_negative, digits, exponent }) = Decimal::parse(text) else {
        return text.to_owned();
    };
    if digits.is_empty() {
        return "0".to_owned();
    }
    let sign = if is_negative { "-" } else { "" };
    match exponent.to_i64().and_then(|exponent| usize::try_from(exponent).ok()) {
        Some(zeros) if zeros.saturating_add(digits.len()) <= MAX_PLAIN_DIGITS => {
            format!("{sign}{digits}{}", "0".repeat(zeros))
        }
        _ => format!("{sign}{digits}e{exponent}"),
    }
}

/// A number as a decimal: its significant digits, times a power of ten.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    exponent: Exponent,
}

impl Decimal {
    /// Reads a number as JSON writes it. `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Exponent::parse(exponent)?),
            None => (unsigned, Exponent::ZERO),
        };
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{integer}{fraction}");
        let digits = digits.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self { is_negative: false, digits: String::new(), exponent: Exponent::ZERO });
        }
        let shift = length(digits) - length(significant) - length(fraction);
        Some(Self { is_negative, digits: significant.to_owned(), exponent: exponent.plus(shift) })
    }

    /// Whether it is a whole number.
    pub fn is_integer(&self) -> bool {
        !self.exponent.is_negative()
    }

    /// Whether it is a multiple of another number. Of zero, nothing is.
    pub fn is_multiple_of(&self, divisor: &Self) -> bool {
        if self.digits.is_empty() {
            return true;
        }
        // A divisor is read from a float or an integer of 64 bits, so it has at most twenty digits.
        let (Ok(divisor_digits), Some(divisor_exponent)) =
            (divisor.digits.parse::<u64>(), divisor.exponent.to_i64())
        else {
            return false;
        };
        let zeros = self.exponent.plus(divisor_exponent.saturating_neg());
        // Without zeros at its end, a number is no multiple of a power of ten.
        if divisor_digits == 0 || zeros.is_negative() {
            return false;
        }
        let modulus = u128::from(divisor_digits);
        let fold = |rest: u128, digit: u8| (rest * 10 + u128::from(digit - b'0')) % modulus;
        let rest = self.digits.bytes().fold(0, fold);
        (rest * power_of_ten(&zeros, modulus)).is_multiple_of(modulus)
    }

    /// The number, if it is a whole one of at most 38 digits.
    pub fn to_i128(&self) -> Option<i128> {
        let digits: i128 = if self.digits.is_empty() { 0 } else { self.digits.parse().ok()? };
        let power = 10_i128.checked_pow(u32::try_from(self.exponent.to_i64()?).ok()?)?;
        let absolute = digits.checked_mul(power)?;
        Some(if self.is_negative { -absolute } else { absolute })
    }

    /// The position of the first digit, counted from the decimal point.
    fn magnitude(&self) -> Exponent {
        self.exponent.plus(length(&self.digits))
    }

    fn cmp_absolute(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Where one is a prefix of the other, the longer one is greater, since its last digit is not zero.
            (false, false) => {
                self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits))
            }
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.cmp_absolute(other),
            (true, true) => other.cmp_absolute(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// Ten to the power of a positive number, modulo a number of at most 64 bits.
fn power_of_ten(exponent: &Exponent, modulus: u128) -> u128 {
    let times = |a: u128, b: u128| a * b % modulus;
    let power = |base: u128, exponent: u8| (0..exponent).fold(1 % modulus, |power, _| times(power, base));
    // Digit by digit: 10^123 is (10^12)^10 times 10^3.
    exponent
        .to_string()
        .bytes()
        .fold(1 % modulus, |so_far, digit| times(power(so_far, 10), power(10 % modulus, digit - b'0')))
}

/// Whether a reader that knows only integers and floats of 64 bits reads the number that is written, as JSON writes it.
pub(super) fn is_exact(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let has_exponent = text.contains(['e', 'E']);
    if !has_exponent && digits <= FLOAT_DIGITS {
        return true;
    }
    if !has_exponent && !text.contains('.') && (text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok()) {
        return true;
    }
    let Ok(float) = text.parse::<f64>() else { return false };
    let Some(read) = serde_json::Number::from_f64(float) else { return false };
    canonical(text) == canonical(&read.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_way_of_writing_a_number_has_one_text() {
        for (ways, text) in [
            (&["1", "1.0", "1.00e0", "10e-1", "0.1E+1"][..], "1"),
            (&["0", "-0", "0.0", "-0.000", "0e7", "0E-7"], "0"),
            (&["-12.50", "-1.25e1", "-1250e-2"], "-125e-1"),
            (&["1e16", "10000000000000000", "1.0E16"], "10000000000000000"),
            (&["9.223372036854776E18", "9223372036854776000"], "9223372036854776000"),
            (&["1E-7", "0.0000001"], "1e-7"),
            (&["1e300", "10e299"], "1e300"),
            (&["18446744073709551615"], "18446744073709551615"),
            (&["123456789012345678901234567890"], "12345678901234567890123456789e1"),
        ] {
            for way in ways {
                assert_eq!(canonical(way), text, "{way}");
            }
        }
    }

    #[test]
    fn numbers_that_differ_beyond_64_bits_differ() {
        assert_ne!(canonical("1.00000000000000000001"), canonical("1"));
        assert_ne!(canonical("12345678901234567890123"), canonical("12345678901234567890124"));
    }

    #[test]
    fn an_exponent_without_bounds_is_no_work() {
        assert_eq!(canonical("1e999999999999"), "1e999999999999");
        assert_eq!(canonical("1e99999999999999999999"), "1e99999999999999999999");
        assert_eq!(canonical("-10e-100000000000000000000"), "-1e-99999999999999999999");
        assert_eq!(canonical("0e99999999999999999999"), "0");
        assert_eq!(canonical("1.5e-9223372036854775808"), "15e-9223372036854775809");
    }

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn decimals_are_ordered_by_value() {
        let ascending = [
            "-1e99999999999999999999",
            "-1e400",
            "-100.0000000000000000000001",
            "-100",
            "-99.9",
            "-1e-400",
            "-1e-99999999999999999999",
            "0",
            "1e-99999999999999999999",
            "1e-9223372036854775809",
            "1e-9223372036854775808",
            "1e-400",
            "0.5",
            "2",
            "10",
            "99.99999999999999999999",
            "100",
            "100.0000000000000000000001",
            "101",
            "1e400",
            "1e9223372036854775808",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(decimal(a).cmp(&decimal(b)), i.cmp(&j), "{a} {b}");
            }
        }
        assert_eq!(decimal("1.50"), decimal("15e-1"));
    }

    #[test]
    fn multiples_are_found_at_every_size() {
        for (number, divisor, expected) in [
            ("4.5", "1.5", true),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("1e308", "0.123456789", false),
            ("1e308", "0.5", true),
            ("12345678901234567890123", "3", true),
            ("12345678901234567890124", "3", false),
            ("0", "7", true),
            ("-9", "3", true),
            ("7", "18446744073709551615", false),
            ("100.0000000000000000000001", "100", false),
            ("10", "20", false),
            ("1", "10", false),
            ("1e99999999999999999999", "0.123456789", false),
            ("1e99999999999999999999", "1048576", true),
            ("1e-99999999999999999999", "0.1", false),
            // By Fermat, 10^(p - 1) is 1 modulo a prime p.
            ("1e16000000000000000000000", "17", false),
            ("1.6e16000000000000000000001", "17", false),
        ] {
            assert_eq!(decimal(number).is_multiple_of(&decimal(divisor)), expected, "{number} {divisor}");
        }
    }

    #[test]
    fn only_numbers_that_are_rounded_are_inexact() {
        for exact in [
            "1",
            "-0",
            "0.1",
            "100.0",
            "1e300",
            "18446744073709551615",
            "-9223372036854775808",
            "1.5e-7",
            "123456789012345e-3",
            "9007199254740993",
            "1E2",
            "0.30000000000000004",
            "0e9223372036854775808",
            "-0.0E-99999999999999999999",
        ] {
            assert!(is_exact(exact), "{exact}");
        }
        for rounded in [
            "100.0000000000000000000001",
            "18446744073709551617",
            "9007199254740993.0",
            "1e-400",
            "0.1000000000000000055",
            "1.7976931348623157e308000",
            "1e-99999999999999999999",
        ] {
            assert!(!is_exact(rounded), "{rounded}");
        }
    }
}
