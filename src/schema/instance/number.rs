//! Numbers of a payload, by their digits where a float would round them.

use std::borrow::Cow;

use jsonschema::json::JsonNumber;

use super::value::Instance;
use crate::schema::decimal::{Decimal, MAX_EXACT};

/// Steps of computing with a number as a decimal, besides one for each digit.
const STEPS_OF_DECIMAL: u64 = 64;

/// A number of a payload. Computing with it as a decimal is counted.
pub(in crate::schema) struct Number<'a> {
    pub(super) instance: Instance<'a>,
    pub(super) number: &'a serde_json::Number,
    /// The number as it is written, if neither an integer nor a float of 64 bits is that number.
    pub(super) digits: Option<&'a str>,
}

impl Number<'_> {
    /// The number as a decimal, if a float would round it.
    pub fn rounded(&self) -> Option<&str> {
        self.digits
    }

    /// The number as a decimal.
    pub fn decimal(&self) -> Option<Decimal> {
        let digits = self.digits.map_or(0, |digits| digits.len() as u64);
        if !self.instance.charge(STEPS_OF_DECIMAL + digits) {
            return None;
        }
        match self.digits {
            Some(digits) => Decimal::parse(digits),
            None => Decimal::parse(&self.number.to_string()),
        }
    }

    /// Whether two numbers are equal as decimals.
    pub fn equals(&self, other: &Self) -> bool {
        let (a, b) = (self.number, other.number);
        // Equal decimals are rounded to one float.
        if a.as_f64() != b.as_f64() {
            return false;
        }
        let are_written_alike = a.is_f64() == b.is_f64();
        match (self.digits, other.digits) {
            (None, None) if are_written_alike => a == b,
            (None, None) if a.as_f64().is_some_and(|float| float.abs() < MAX_EXACT) => true,
            _ => self.decimal().is_some_and(|decimal| Some(decimal) == other.decimal()),
        }
    }
}

impl JsonNumber for Number<'_> {
    #[inline]
    fn as_u64(&self) -> Option<u64> {
        if self.digits.is_some() { None } else { self.number.as_u64() }
    }

    #[inline]
    fn as_i64(&self) -> Option<i64> {
        if self.digits.is_some() { None } else { self.number.as_i64() }
    }

    /// No float, rather than the rounded one.
    #[inline]
    fn as_f64(&self) -> Option<f64> {
        if self.digits.is_some() { None } else { self.number.as_f64() }
    }

    fn as_str(&self) -> Cow<'_, str> {
        match self.digits {
            Some(digits) => Cow::Borrowed(digits),
            None => Cow::Owned(self.number.to_string()),
        }
    }

    fn to_number(&self) -> Cow<'_, serde_json::Number> {
        Cow::Borrowed(self.number)
    }

    #[inline]
    fn is_integer(&self) -> bool {
        match self.digits {
            Some(_) => self.decimal().is_some_and(|decimal| decimal.is_integer()),
            None => {
                self.number.is_u64()
                    || self.number.is_i64()
                    || self.number.as_f64().is_some_and(|it| it.fract() == 0.0)
            }
        }
    }
}
