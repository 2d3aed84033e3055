//! Dates, times and durations, as RFC 3339 has them, and the two looser forms of ajv-formats.

use jiff::civil::Date;

/// RFC 3339, appendix A: `P1Y2M3DT4H5M6S`, each unit once and none left out between two others, or `P4W`.
pub(super) fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    if let Some(weeks) = rest.strip_suffix('W') {
        return is_digits(weeks);
    }
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (rest, None),
    };
    let is_date = if date.is_empty() { time.is_some() } else { are_units(date, "YMD") };
    is_date && time.is_none_or(|time| are_units(time, "HMS"))
}

/// A sequence of numbers with units, in their order and without a gap.
fn are_units(text: &str, units: &str) -> bool {
    let mut rest = text;
    let mut last = None;
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()) {
        let (digits, tail) = rest.split_at(end);
        let mut tail = tail.chars();
        let unit = tail.next().and_then(|unit| units.find(unit));
        match (unit, last) {
            _ if digits.is_empty() => return false,
            (None, _) => return false,
            (Some(unit), Some(last)) if unit != last + 1 => return false,
            _ => last = unit,
        }
        rest = tail.as_str();
    }
    rest.is_empty() && last.is_some()
}

/// A time with an offset or without one.
pub(super) fn is_iso_time(text: &str) -> bool {
    let Some((hour, minute, second, offset)) = parts_of_time(text) else { return false };
    let in_range = hour <= 23 && minute <= 59 && second <= 60;
    let offset = match offset {
        "" | "Z" | "z" => Some(0),
        _ => minutes_of_offset(offset),
    };
    let Some(offset) = offset.filter(|_| in_range) else { return false };
    // A leap second is at the end of a day in UTC.
    let utc = i32::from(hour) * 60 + i32::from(minute) - offset;
    second < 60 || utc.rem_euclid(24 * 60) == 23 * 60 + 59
}

/// A date and a time, divided by `T` or a space.
pub(super) fn is_iso_date_time(text: &str) -> bool {
    let Some(at) = text.find(['T', 't', ' ']) else { return false };
    is_date(&text[..at]) && is_iso_time(&text[at + 1..])
}

fn is_date(text: &str) -> bool {
    let [year, month, day] = *text.split('-').collect::<Vec<_>>() else { return false };
    let digits =
        |text: &str, length| (text.len() == length && is_digits(text)).then(|| text.parse::<i16>().ok());
    match (digits(year, 4).flatten(), digits(month, 2).flatten(), digits(day, 2).flatten()) {
        (Some(year), Some(month), Some(day)) => match (i8::try_from(month), i8::try_from(day)) {
            (Ok(month), Ok(day)) => Date::new(year, month, day).is_ok(),
            _ => false,
        },
        _ => false,
    }
}

/// Hour, minute, second, and what stands behind them.
fn parts_of_time(text: &str) -> Option<(u8, u8, u8, &str)> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        is_digits(digits).then(|| digits.parse::<u8>().ok())?
    };
    let (hour, minute, second) = (number(0..2)?, number(3..5)?, number(6..8)?);
    (text.get(2..3) == Some(":") && text.get(5..6) == Some(":")).then_some(())?;
    let rest = text.get(8..)?;
    let rest = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            (end > 0).then(|| &fraction[end..])?
        }
    };
    Some((hour, minute, second, rest))
}

/// `+01:00` in minutes.
fn minutes_of_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str| (text.len() == 2 && is_digits(text)).then(|| text.parse::<i32>().ok())?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
