//! What `payloadPolicy: Enforce` would have refused: counted by place and day, over a week, in bounded space.

use std::{cmp::Reverse, collections::BTreeMap};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::{
    api::{AuditedPlace, PayloadAudit},
    schema::Place,
};

/// The days that are counted.
pub const DAYS: usize = 7;
/// Most places in status.
pub const MAX_PLACES: usize = 10;
/// Most places that are counted before they are written.
const MAX_COUNTED: usize = 64;
/// Most places in an Event.
const MAX_NAMED: usize = 3;

/// Events whose payload does not match one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    schema_digest: String,
    events: Days,
    places: BTreeMap<Place, Seen>,
    has_more_places: bool,
}

/// A number of events for each day, by days since 1970.
type Days = BTreeMap<i64, i64>;

/// The events at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    days: Days,
    first: Timestamp,
    last: Timestamp,
}

impl Tally {
    /// Returns a tally without events. `schema_digest`: of the schema that it is about.
    #[must_use]
    pub fn new(schema_digest: impl Into<String>) -> Self {
        let (events, places) = (Days::new(), BTreeMap::new());
        Self { schema_digest: schema_digest.into(), events, places, has_more_places: false }
    }

    /// Returns the tally that status has; `None`: it cannot be read.
    #[must_use]
    pub fn of_status(audit: &PayloadAudit) -> Option<Self> {
        let last_day = day_of(audit.last_day.parse().ok()?)?;
        let days = |daily: &[i64]| -> Days {
            let daily = daily.iter().take(DAYS).copied();
            (0..)
                .zip(daily)
                .filter(|(_, count)| *count > 0)
                .map(|(ago, count)| (last_day - ago, count))
                .collect()
        };
        let places = audit.places.iter().take(MAX_PLACES).map(|place| {
            let key = Place { payload: place.payload.clone(), keyword: place.keyword.clone() };
            (key, Seen { days: days(&place.daily), first: place.first_seen, last: place.last_seen })
        });
        Some(Self {
            schema_digest: audit.schema_digest.clone(),
            events: days(&audit.daily),
            places: places.collect(),
            has_more_places: audit.has_more_places,
        })
    }

    /// Whether both are about the same schema.
    #[must_use]
    pub fn has_schema_of(&self, other: &Self) -> bool {
        self.is_about(&other.schema_digest)
    }

    /// Whether it is about this schema.
    #[must_use]
    pub fn is_about(&self, schema_digest: &str) -> bool {
        self.schema_digest == schema_digest
    }

    /// Adds an event that does not match at these places.
    pub fn record(&mut self, places: &[Place], now: Timestamp) {
        let today = now.as_second().div_euclid(SECONDS_OF_DAY);
        add(&mut self.events, today, 1);
        for place in places {
            if !self.places.contains_key(place) && self.places.len() >= MAX_COUNTED {
                self.has_more_places = true;
                continue;
            }
            let seen = self.places.entry(place.clone()).or_insert_with(|| Seen::new(now));
            seen.last = seen.last.max(now);
            add(&mut seen.days, today, 1);
        }
    }

    /// Adds the events of another tally about the same schema.
    pub fn merge(&mut self, other: Self) {
        let Self { schema_digest: _, events, places, has_more_places } = other;
        self.has_more_places |= has_more_places;
        events.into_iter().for_each(|(day, count)| add(&mut self.events, day, count));
        for (place, other) in places {
            let seen = self.places.entry(place).or_insert_with(|| Seen::new(other.first));
            seen.first = seen.first.min(other.first);
            seen.last = seen.last.max(other.last);
            other.days.into_iter().for_each(|(day, count)| add(&mut seen.days, day, count));
        }
    }

    /// Returns the tally as status has it: the week that ends with the last event, and the places with most events.
    #[must_use]
    pub fn to_status(&self, now: Timestamp) -> Option<PayloadAudit> {
        let (last_day, _) = self.events.last_key_value()?;
        let daily = |days: &Days| -> Vec<i64> {
            (0..).take(DAYS).map(|ago| days.get(&(last_day - ago)).copied().unwrap_or_default()).collect()
        };
        let places = self.places.iter().map(|(place, seen)| {
            let daily = daily(&seen.days);
            AuditedPlace {
                payload: place.payload.clone(),
                keyword: place.keyword.clone(),
                count: total(&daily),
                daily,
                first_seen: seen.first,
                last_seen: seen.last,
            }
        });
        // A place without events for a week is not shown any more.
        let mut places: Vec<_> = places.filter(|place| place.count > 0).collect();
        places.sort_by_key(|place| (Reverse(place.count), Reverse(place.last_seen)));
        let has_more_places = self.has_more_places || places.len() > MAX_PLACES;
        places.truncate(MAX_PLACES);
        let daily = daily(&self.events);
        Some(PayloadAudit {
            schema_digest: self.schema_digest.clone(),
            last_day: date_of(*last_day)?.to_string(),
            updated_at: now,
            count: total(&daily),
            daily,
            places,
            has_more_places,
        })
    }
}

impl Seen {
    fn new(first: Timestamp) -> Self {
        Self { days: Days::new(), first, last: first }
    }
}

/// Returns what status says once these events are counted as well. Those of another schema than before count alone.
#[must_use]
pub fn updated(before: Option<&PayloadAudit>, new: Tally, now: Timestamp) -> Option<PayloadAudit> {
    let before = before.and_then(Tally::of_status).filter(|before| before.is_about(&new.schema_digest));
    match before {
        Some(mut tally) => {
            tally.merge(new);
            tally.to_status(now)
        }
        None => new.to_status(now),
    }
}

/// Returns a message about the places that were not there before; `None`: there are none.
#[must_use]
pub fn describe_new(before: Option<&PayloadAudit>, now: &PayloadAudit) -> Option<String> {
    let before = before.filter(|before| before.schema_digest == now.schema_digest);
    let is_new = |place: &&AuditedPlace| {
        let mut known = before.into_iter().flat_map(|before| &before.places);
        !known.any(|known| known.payload == place.payload && known.keyword == place.keyword)
    };
    let new: Vec<_> = now.places.iter().filter(is_new).collect();
    if new.is_empty() {
        return None;
    }
    let mut places: Vec<_> =
        new.iter().take(MAX_NAMED).map(|place| format!("{} ({})", place.payload, place.keyword)).collect();
    if new.len() > MAX_NAMED {
        places.push(format!("{} more places", new.len() - MAX_NAMED));
    }
    let events = if now.count == 1 { "1 event".to_owned() } else { format!("{} events", now.count) };
    Some(format!(
        "payloadPolicy Enforce would have refused {events} of the last seven days; new places: {}; see \
         status.payloadAudit. `svix-operator schema check --widen` suggests the change of the schema that would permit them",
        places.join(", ")
    ))
}

const SECONDS_OF_DAY: i64 = 86_400;

fn day_of(date: Date) -> Option<i64> {
    let begin = date.to_zoned(TimeZone::UTC).ok()?;
    Some(begin.timestamp().as_second().div_euclid(SECONDS_OF_DAY))
}

fn date_of(day: i64) -> Option<Date> {
    let begin = Timestamp::from_second(day.checked_mul(SECONDS_OF_DAY)?).ok()?;
    Some(begin.to_zoned(TimeZone::UTC).date())
}

fn add(days: &mut Days, day: i64, count: i64) {
    let known = days.entry(day).or_default();
    *known = known.saturating_add(count);
    // Never more than the week that ends with the last day.
    if let Some((last, _)) = days.last_key_value() {
        let first = last - (DAYS as i64 - 1);
        days.retain(|day, _| *day >= first);
    }
}

fn total(daily: &[i64]) -> i64 {
    daily.iter().fold(0, |total, count| total.saturating_add(*count))
}

#[cfg(test)]
mod tests;
