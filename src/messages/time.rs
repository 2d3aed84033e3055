//! Points in time on the command line: `2h` (ago) or `2026-01-02T03:04:05Z`.

use std::time::Duration;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{api, plan::quoted};

const SECONDS_PER_DAY: u64 = 86_400;

/// A text that is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "found {}, expected how long ago (`2h`, `1h30m`, `7d`), a date (`2026-01-02`) or a time (`2026-01-02T03:04:05Z`)",
    quoted(.0)
)]
pub struct InvalidTime(pub String);

/// Parses a duration: days, hours, minutes and seconds, each at most once and in this order.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let Some((days, rest)) = text.split_once('d') else { return api::parse_duration(text) };
    if days.is_empty() || !days.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let days = Duration::from_secs(days.parse::<u64>().ok()?.checked_mul(SECONDS_PER_DAY)?);
    let rest = if rest.is_empty() { Duration::ZERO } else { api::parse_duration(rest)? };
    days.checked_add(rest)
}

/// Parses a point in time. A date is its midnight in UTC.
///
/// # Errors
/// It has none of the forms, or is out of range.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, InvalidTime> {
    let invalid = || InvalidTime(text.to_owned());
    if let Some(ago) = parse_duration(text) {
        return now.checked_sub(ago).map_err(|_| invalid());
    }
    if let Ok(date) = text.parse::<Date>()
        && text.len() == "2026-01-02".len()
    {
        return date.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp()).map_err(|_| invalid());
    }
    text.parse().map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    #[test]
    fn durations_dates_and_times_are_understood() {
        for (text, seconds_ago) in
            [("2h", 7200), ("1h30m", 5400), ("7d", 604_800), ("1d12h", 129_600), ("0s", 0)]
        {
            assert_eq!(parse(text, NOW).unwrap().as_second(), NOW.as_second() - seconds_ago, "{text}");
        }
        for (text, expected) in [
            ("2026-01-02", "2026-01-02T00:00:00Z"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05Z"),
            ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
        ] {
            assert_eq!(parse(text, NOW).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "2", "h", "yesterday", "-2h", "2h ago", "d", "1d1d", "+1d", "2026-13-01", "2026-01-02T03:04"]
        {
            assert_eq!(parse(text, NOW), Err(InvalidTime(text.to_owned())), "{text}");
        }
        let huge = "99999999999999999d";
        assert!(parse(huge, NOW).is_err() && parse("999999999999h", NOW).is_err());
    }
}
