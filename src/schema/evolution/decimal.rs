//! Numbers as exact decimals: a bound beyond 2^53 and a multiple of 0.1 are compared digit by digit.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use serde_json::{Number, Value};

/// A decimal number: `digits` times ten to the power of `exponent`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    digits: BigInt,
    exponent: i64,
}

impl Decimal {
    /// Returns a whole number.
    pub fn whole(number: impl Into<BigInt>) -> Self {
        Self::normal(number.into(), 0)
    }

    /// Returns the number that JSON text spells.
    pub fn of(number: &Number) -> Option<Self> {
        let text = number.to_string();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text.as_str(), 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: BigInt = format!("{whole}{fraction}").parse().ok()?;
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        // What serde_json reads is a 64-bit number, so this bound excludes nothing.
        (exponent.abs() <= 2_000).then(|| Self::normal(digits, exponent))
    }

    /// Returns the number as JSON, if a payload can have it: as an integer where it is one, else as the float of the
    /// same decimal text.
    pub fn to_json(&self) -> Option<Value> {
        if self.exponent >= 0 && self.exponent <= 40 {
            let whole = &self.digits * power_of_ten(self.exponent.unsigned_abs());
            if let Ok(number) = i64::try_from(&whole) {
                return Some(number.into());
            }
            if let Ok(number) = u64::try_from(&whole) {
                return Some(number.into());
            }
        }
        let number: f64 = format!("{}e{}", self.digits, self.exponent).parse().ok()?;
        let number = Number::from_f64(number)?;
        (Self::of(&number).as_ref() == Some(self)).then_some(Value::Number(number))
    }

    /// Whether the number is larger than all that a payload can have.
    pub fn is_beyond_payloads(&self) -> bool {
        // A decimal digit has more than three bits.
        let bits = i64::try_from(self.digits.bits()).unwrap_or(i64::MAX);
        bits / 4 + self.exponent > 309
    }

    /// Whether the number is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.sign() == Sign::NoSign
    }

    /// Whether this number is a whole multiple of another, which is not zero.
    pub fn is_multiple_of(&self, other: &Self) -> bool {
        let (a, b, _) = aligned(self, other);
        b.sign() != Sign::NoSign && (a % b).sign() == Sign::NoSign
    }

    /// Returns the least common multiple of two positive numbers.
    pub fn common_multiple(&self, other: &Self) -> Self {
        let (a, b, exponent) = aligned(self, other);
        let divisor = greatest_divisor(a.clone(), b.clone());
        if divisor.sign() == Sign::NoSign {
            return self.clone();
        }
        Self::normal(a / divisor * b, exponent)
    }

    /// Returns how often another positive number goes into this one, rounded down.
    pub fn floor_div(&self, other: &Self) -> BigInt {
        let (a, b, _) = aligned(self, other);
        if b.sign() == Sign::NoSign {
            return BigInt::ZERO;
        }
        let quotient = &a / &b;
        let is_exact = (&a % &b).sign() == Sign::NoSign;
        if a.sign() == Sign::Minus && !is_exact { quotient - 1 } else { quotient }
    }

    /// Returns a whole multiple.
    pub fn times(&self, factor: &BigInt) -> Self {
        Self::normal(&self.digits * factor, self.exponent)
    }

    /// Returns the sum.
    pub fn plus(&self, other: &Self) -> Self {
        let (a, b, exponent) = aligned(self, other);
        Self::normal(a + b, exponent)
    }

    /// Returns the number halfway to another.
    pub fn halfway(&self, other: &Self) -> Self {
        let sum = self.plus(other);
        Self::normal(sum.digits * 5, sum.exponent - 1)
    }

    fn normal(mut digits: BigInt, mut exponent: i64) -> Self {
        if digits.sign() == Sign::NoSign {
            return Self { digits, exponent: 0 };
        }
        let ten = BigInt::from(10);
        while (&digits % &ten).sign() == Sign::NoSign {
            digits /= &ten;
            exponent += 1;
        }
        Self { digits, exponent }
    }
}

/// The digits of two numbers at the same exponent.
fn aligned(a: &Decimal, b: &Decimal) -> (BigInt, BigInt, i64) {
    let exponent = a.exponent.min(b.exponent);
    let at = |number: &Decimal| &number.digits * power_of_ten(number.exponent.abs_diff(exponent));
    (at(a), at(b), exponent)
}

fn power_of_ten(exponent: u64) -> BigInt {
    // Exponents of 64-bit numbers are bounded, and so are their differences.
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(u32::MAX).min(10_000))
}

fn greatest_divisor(mut a: BigInt, mut b: BigInt) -> BigInt {
    while b.sign() != Sign::NoSign {
        (a, b) = (b.clone(), a % b);
    }
    if a.sign() == Sign::Minus { -a } else { a }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b, _) = aligned(self, other);
        a.cmp(&b)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::of(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn one_number_has_one_form() {
        for (one, other) in
            [("10", "1e1"), ("0.50", "5e-1"), ("0", "-0.0"), ("9007199254740994.0", "9007199254740994")]
        {
            assert_eq!(decimal(one), decimal(other));
        }
        assert_ne!(decimal("9007199254740993"), decimal("9007199254740992"));
    }

    #[test]
    fn order_and_multiples_are_exact() {
        assert!(decimal("9007199254740993") > decimal("9007199254740992"));
        assert!(decimal("-1e300") < decimal("1e-300"));
        assert!(decimal("3.3").is_multiple_of(&decimal("1.1")));
        assert!(!decimal("3.30000000001").is_multiple_of(&decimal("1.1")));
        assert_eq!(decimal("0.4").common_multiple(&decimal("0.6")), decimal("1.2"));
        assert_eq!(decimal("-0.5").floor_div(&decimal("1")), BigInt::from(-1));
    }

    #[test]
    fn a_number_that_no_payload_has_is_not_json() {
        assert_eq!(decimal("1e2").to_json(), Some(100.into()));
        assert_eq!(decimal("18446744073709551615").to_json(), Some(u64::MAX.into()));
        let between = decimal("1").halfway(&decimal("1.0000000000000002"));
        assert_eq!(between.to_json(), None);
    }
}
