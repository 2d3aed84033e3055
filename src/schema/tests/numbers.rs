//! Numbers are judged as exact arithmetic judges them, whatever their size and however they are written.

use std::cmp::Ordering;

use num_bigint::BigInt;
use proptest::prelude::*;

use super::*;

/// A number in exact arithmetic: a whole number times ten to the power of another. It shares nothing with what it judges.
#[derive(Clone, Debug)]
struct Exact {
    whole: BigInt,
    exponent: BigInt,
}

/// More digits than any number here has.
const FAR: u32 = 2_000;

impl Exact {
    fn of(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent = exponent.parse::<BigInt>().unwrap() - fraction.len();
        Self { whole: format!("{integer}{fraction}").parse().unwrap(), exponent }
    }

    /// How many zeros it has more at its end than another. `None`: more than any number has digits.
    fn zeros_beyond(&self, other: &Self) -> Option<u32> {
        u32::try_from(&self.exponent - &other.exponent).ok().filter(|zeros| *zeros < FAR)
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let zero = BigInt::ZERO;
        if self.whole == zero || other.whole == zero || self.whole.sign() != other.whole.sign() {
            return self.whole.sign().cmp(&other.whole.sign());
        }
        let ten = BigInt::from(10);
        match (self.zeros_beyond(other), other.zeros_beyond(self)) {
            (Some(zeros), _) => (&self.whole * ten.pow(zeros)).cmp(&other.whole),
            (_, Some(zeros)) => self.whole.cmp(&(&other.whole * ten.pow(zeros))),
            // Further apart than all of their digits.
            (None, None) if self.whole > zero => self.exponent.cmp(&other.exponent),
            (None, None) => other.exponent.cmp(&self.exponent),
        }
    }

    fn is_multiple_of(&self, divisor: &Self) -> bool {
        let ten = BigInt::from(10);
        let is_multiple = |number: BigInt, divisor: BigInt| number % divisor == BigInt::ZERO;
        match (self.zeros_beyond(divisor), divisor.zeros_beyond(self)) {
            _ if self.whole == BigInt::ZERO => true,
            (Some(zeros), _) => is_multiple(&self.whole * ten.pow(zeros), divisor.whole.clone()),
            (_, Some(zeros)) => is_multiple(self.whole.clone(), &divisor.whole * ten.pow(zeros)),
            // Smaller than the divisor: no number of a schema is so small, and none that is read so large.
            (None, None) => false,
        }
    }

    fn is_within(&self, least: &str, most: &str) -> bool {
        self.is_multiple_of(&Self::of("1"))
            && self.cmp(&Self::of(least)).is_ge()
            && self.cmp(&Self::of(most)).is_le()
    }
}

/// Digits that are at a bound of what computers compute with, or of few digits.
fn digits() -> impl Strategy<Value = BigInt> {
    let at_bounds = prop::sample::select(vec![
        "0",
        "1",
        "5",
        "100",
        "2147483648",
        "9007199254740992",
        "9223372036854775808",
        "9223372036854776000",
        "18446744073709551615",
        "18446744073709552000",
        "1844674407370955200000000000000000000000",
    ]);
    let at_bounds = (at_bounds, -1..=1, any::<bool>()).prop_map(|(number, offset, is_negative)| {
        let number: BigInt = number.parse::<BigInt>().unwrap() + offset;
        if is_negative { -number } else { number }
    });
    prop_oneof![4 => at_bounds, 1 => (-50..50_i64).prop_map(BigInt::from)]
}

/// An exponent: mostly none, or one at a bound, or one of many digits.
fn exponent() -> impl Strategy<Value = BigInt> {
    let at_bounds = prop::sample::select(vec![
        "-9223372036854775808",
        "9223372036854775807",
        "-99999999999999999999",
        "99999999999999999999",
        "-1000000000000000000000000000000000000",
        "-170141183460469231731687303715884105728",
        "-2147483648",
        "2147483647",
        "-400",
        "-324",
        "-20",
        "20",
    ]);
    prop_oneof![
        4 => Just(BigInt::ZERO),
        1 => (-3..=3).prop_map(BigInt::from),
        3 => (at_bounds, -2..=2).prop_map(|(exponent, offset)| exponent.parse::<BigInt>().unwrap() + offset),
    ]
}

/// One way of writing a number: with zeros at its end, and digits behind the point.
fn written(digits: &BigInt, exponent: &BigInt, zeros: usize, fraction: usize, big_e: bool) -> String {
    let (sign, digits) = match digits.to_string() {
        text if text.starts_with('-') => ("-", text[1..].to_owned()),
        text => ("", text),
    };
    let digits = digits + &"0".repeat(zeros);
    let digits = "0".repeat((fraction + 1).saturating_sub(digits.len())) + &digits;
    let (integer, behind) = digits.split_at(digits.len() - fraction);
    // Zeros before a number are no JSON.
    let integer = Some(integer.trim_start_matches('0')).filter(|integer| !integer.is_empty()).unwrap_or("0");
    let point = if behind.is_empty() { "" } else { "." };
    let exponent: BigInt = exponent - zeros + fraction;
    let exponent = match (exponent == BigInt::ZERO, big_e) {
        (true, _) => String::new(),
        (false, true) if exponent > BigInt::ZERO => format!("E+{exponent}"),
        (false, _) => format!("e{exponent}"),
    };
    format!("{sign}{integer}{point}{behind}{exponent}")
}

prop_compose! {
    /// Three numbers of which two are often equal, each written in its own way.
    fn numbers()(
        all in prop::collection::vec((digits(), exponent()), 3),
        ways in prop::collection::vec((0..3_usize, 0..22_usize, any::<bool>()), 3),
        same in prop::sample::select(vec![[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0], [0, 1, 2]]),
    ) -> Vec<String> {
        let number = |(place, (zeros, fraction, big_e)): (usize, &(usize, usize, bool))| {
            let (digits, exponent): &(BigInt, BigInt) = &all[same[place]];
            written(digits, exponent, *zeros, *fraction, *big_e)
        };
        ways.iter().enumerate().map(number).collect()
    }
}

/// What each schema about a number should say of another.
fn expected(limit: &Value, number: &Exact) -> Vec<(Value, bool)> {
    let exact = Exact::of(&limit.to_string());
    let order = number.cmp(&exact);
    let is_integer = number.is_multiple_of(&Exact::of("1"));
    let mut all = vec![
        (json!({ "minimum": limit }), order.is_ge()),
        (json!({ "maximum": limit }), order.is_le()),
        (json!({ "exclusiveMinimum": limit }), order.is_gt()),
        (json!({ "exclusiveMaximum": limit }), order.is_lt()),
        (json!({ "const": limit }), order.is_eq()),
        (json!({ "const": limit, "enum": [limit, "x"] }), order.is_eq()),
        (json!({ "const": limit, "enum": ["x"] }), false),
        (json!({ "enum": [limit] }), order.is_eq()),
        (json!({ "enum": [limit, "x"] }), order.is_eq()),
        (json!({ "enum": [limit, limit] }), order.is_eq()),
        (json!({ "type": "integer" }), is_integer),
        (json!({ "type": ["integer", "string"] }), is_integer),
        (json!({ "format": "int32" }), number.is_within("-2147483648", "2147483647")),
        (json!({ "format": "int64" }), number.is_within("-9223372036854775808", "9223372036854775807")),
    ];
    if exact.whole > BigInt::ZERO {
        all.push((json!({ "multipleOf": limit }), number.is_multiple_of(&exact)));
    }
    all
}

/// Whether a text is a payload that matches, and one that does not match the inverted schema.
fn permits(schema: &Value, payload: &Payload) -> bool {
    let is_valid = |schema: &Value| Compiled::new(schema, true).unwrap().judge(payload).violations.is_empty();
    let (is_permitted, is_inverted) = (is_valid(schema), is_valid(&json!({ "not": schema })));
    assert_ne!(is_permitted, is_inverted, "{schema} {payload:?}");
    is_permitted
}

fn payload(text: &str) -> Option<Payload> {
    Payload::parse(text.as_bytes()).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn numbers_are_judged_as_exact_arithmetic_does(numbers in numbers()) {
        let [limit, number, ..] = numbers.as_slice() else { return Ok(()) };
        let Ok(limit) = serde_json::from_str::<Value>(limit) else { return Ok(()) };
        let Some(single) = payload(number) else {
            // What is beyond a 64-bit float is refused as such.
            prop_assert!(Exact::of(number).cmp(&Exact::of("1.797e308")).is_gt() || Exact::of(number).cmp(&Exact::of("-1.797e308")).is_lt());
            return Ok(());
        };
        let list = payload(&format!("[{number}]")).unwrap();
        let object = payload(&format!(r#"{{"a": {number}}}"#)).unwrap();

        for (schema, expected) in expected(&limit, &Exact::of(number)) {
            prop_assert_eq!(permits(&schema, &single), expected, "{} {}", schema, number);
            prop_assert_eq!(permits(&json!({ "items": schema }), &list), expected, "{} {}", schema, number);
        }
        let is_equal = Exact::of(&limit.to_string()).cmp(&Exact::of(number)).is_eq();
        prop_assert_eq!(permits(&json!({ "const": [limit] }), &list), is_equal, "{} {}", limit, number);
        prop_assert_eq!(permits(&json!({ "const": {"a": limit} }), &object), is_equal, "{} {}", limit, number);
    }

    #[test]
    fn elements_are_unique_as_exact_arithmetic_says(numbers in numbers()) {
        let Some(three) = payload(&format!("[{}]", numbers.join(","))) else { return Ok(()) };
        let two = payload(&format!("[{}]", numbers[..2].join(","))).unwrap();
        let inner = payload(&format!("[{{\"a\":{}}},0,1,{{\"a\":{}}}]", numbers[0], numbers[1])).unwrap();

        let exact: Vec<_> = numbers.iter().map(|number| Exact::of(number)).collect();
        let differ = |a: usize, b: usize| exact[a].cmp(&exact[b]).is_ne();
        let unique = json!({"uniqueItems": true});

        prop_assert_eq!(permits(&unique, &two), differ(0, 1), "{:?}", numbers);
        prop_assert_eq!(permits(&unique, &three), differ(0, 1) && differ(0, 2) && differ(1, 2), "{:?}", numbers);
        prop_assert_eq!(permits(&unique, &inner), differ(0, 1), "{:?}", numbers);
    }
}

#[test]
fn an_exponent_has_any_size() {
    for (schema, text, is_valid) in [
        (json!({"maximum": 5}), "0e9223372036854775808", true),
        (json!({"not": {"maximum": 100}}), "0e99999999999999999999", false),
        (json!({"if": {"minimum": 0}, "then": {"maximum": -1}}), "1e-9223372036854775809", false),
        (json!({"not": {"const": 0}}), "-0e99999999999999999999", false),
        (json!({"const": 0}), "5e-99999999999999999999", false),
        (json!({"exclusiveMinimum": 0}), "5e-99999999999999999999", true),
        (json!({"exclusiveMaximum": 0}), "-5e-99999999999999999999", true),
        (json!({"minimum": 5e-324}), "5e-99999999999999999999", false),
        (json!({"not": {"multipleOf": 0.1}}), "0e9223372036854775808", false),
        (json!({"uniqueItems": true}), "[0,0e99999999999999999999]", false),
        (json!({"uniqueItems": true}), "[1e-99999999999999999999,10e-100000000000000000000]", false),
        (json!({"uniqueItems": true}), "[1e-400,1e-401,3,1e-401]", false),
        (json!({"uniqueItems": true}), "[1e-99999999999999999999,1e-100000000000000000000,1]", true),
    ] {
        let found = Compiled::new(&schema, true).unwrap().judge(&payload(text).unwrap());

        assert_eq!(found.violations.is_empty(), is_valid, "{schema} {text}");
    }
    let error = Payload::parse(br#"{"a": 1e99999999999999999999}"#).unwrap_err().to_string();
    assert!(error.starts_with("/a: ") && error.contains("a number beyond the range"), "{error}");
}

#[test]
fn a_long_constant_is_compared_by_its_digits() {
    for number in ["9007199254740993", "18446744073709551615", "-9223372036854775808", "9.223372036854776e18"]
    {
        let constant: Value = serde_json::from_str(number).unwrap();
        let schema = Compiled::new(&json!({ "const": constant }), true).unwrap();

        for (text, is_equal) in [
            (written(&Exact::of(number).whole, &Exact::of(number).exponent, 2, 6, true), true),
            (written(&(Exact::of(number).whole + 1), &Exact::of(number).exponent, 2, 6, true), false),
        ] {
            let found = schema.judge(&payload(&text).unwrap()).violations;

            assert_eq!(found.is_empty(), is_equal, "{number} {text} {found:?}");
        }
        let found = schema.judge(&payload("[]").unwrap()).violations;
        assert_eq!(found[0].message, format!("found [], expected {constant}"));
    }
    // Draft 4 knows no `const`.
    let draft_4 =
        json!({"$schema": "http://json-schema.org/draft-04/schema#", "const": 9_007_199_254_740_993_u64});
    assert_eq!(violations(&draft_4, &json!(1)), "");
}

#[test]
fn an_exponent_of_many_digits_is_counted() {
    let text = format!("1e-{}", "9".repeat(500_000));
    let bounds: Vec<_> = (1..=50).map(|bound| json!({ "minimum": -bound })).collect();
    let schema = Compiled::new(&json!({ "allOf": bounds }), true).unwrap();

    let found = schema.judge(&payload(&text).unwrap());

    assert!(found.steps > 50 * 500_000, "{found:?}");
}
