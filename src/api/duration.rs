//! Durations as resources write them: `1h30m`, `10m`, `90s`.

use std::time::Duration;

/// Parses hours, minutes and seconds, each at most once and in this order. `None`: it is not of that form.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let (mut seconds, mut digits, mut units) = (0u64, String::new(), "hms".chars());
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        units.find(|unit| *unit == c)?;
        let factor = match c {
            'h' => 3600,
            'm' => 60,
            _ => 1,
        };
        seconds = seconds.checked_add(digits.parse::<u64>().ok()?.checked_mul(factor)?)?;
        digits.clear();
    }
    (digits.is_empty() && !text.is_empty()).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_minutes_and_seconds_in_this_order() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h1m1s", 3661), ("0s", 0)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "10", "m", "1m1h", "1s1s", "1d", "-1s", "99999999999999999999h", "1.5h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
