//! JSON numbers by value: two ways of writing a number are one number.
//!
//! Svix keeps JSON in a database that writes numbers anew (`1e16` comes back as `10000000000000000`), so text and type
//! of a number say nothing about whether it was changed.

/// Whole numbers of at most so many digits are written in full; it holds every integer of 64 bits.
const MAX_PLAIN_DIGITS: usize = 20;

/// Returns the one text of a JSON number that all ways of writing it share: `-?digits`, or `-?digits e exponent` where
/// the number is not whole or is long. `text` is a number as JSON writes it.
#[must_use]
pub fn canonical(text: &str) -> String {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        // An exponent beyond 64 bits has no value to compare: its text stands for itself.
        Some((mantissa, exponent)) => match exponent.parse::<i64>() {
            Ok(exponent) => (mantissa, exponent),
            Err(_) => return text.to_owned(),
        },
        None => (unsigned, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let shift = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let exponent = exponent
        .saturating_sub(shift(fraction.len()))
        .saturating_add(shift(digits.len() - significant.len()));
    match usize::try_from(exponent) {
        Ok(zeros) if zeros.saturating_add(significant.len()) <= MAX_PLAIN_DIGITS => {
            format!("{sign}{significant}{}", "0".repeat(zeros))
        }
        _ => format!("{sign}{significant}e{exponent}"),
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(canonical("1.5e-9223372036854775808"), "15e-9223372036854775808");
    }
}
