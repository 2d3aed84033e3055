#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn place(payload: &str) -> Place {
    Place { payload: payload.to_owned(), keyword: "type".to_owned() }
}

/// A tally of events at a place.
fn tally(events: &[(&str, &str)]) -> Tally {
    let mut tally = Tally::new("schema");
    for (payload, at) in events {
        tally.record(&[place(payload)], time(at));
    }
    tally
}

fn status(events: &[(&str, &str)]) -> PayloadAudit {
    tally(events).to_status(time("2026-05-10T12:00:00Z")).unwrap()
}

#[test]
fn events_are_counted_by_place_and_day() {
    let audit = status(&[
        ("/a", "2026-05-08T23:59:59Z"),
        ("/a", "2026-05-09T00:00:00Z"),
        ("/b", "2026-05-09T10:00:00Z"),
        ("/a", "2026-05-10T11:00:00Z"),
    ]);

    assert_eq!((audit.last_day.as_str(), audit.count), ("2026-05-10", 4));
    assert_eq!(audit.daily, [1, 2, 1, 0, 0, 0, 0]);
    let [a, b] = &audit.places[..] else { panic!("{audit:?}") };
    assert_eq!((a.payload.as_str(), a.count, &a.daily[..3]), ("/a", 3, &[1, 1, 1][..]));
    assert_eq!((a.first_seen, a.last_seen), (time("2026-05-08T23:59:59Z"), time("2026-05-10T11:00:00Z")));
    assert_eq!((b.payload.as_str(), b.count, &b.daily[..3]), ("/b", 1, &[0, 1, 0][..]));
}

#[test]
fn a_week_later_nothing_is_left_but_what_is_new() {
    let before = status(&[("/a", "2026-05-03T10:00:00Z"), ("/b", "2026-05-04T10:00:00Z")]);

    let new = tally(&[("/c", "2026-05-10T10:00:00Z")]);
    let audit = updated(Some(&before), new, time("2026-05-10T10:01:00Z")).unwrap();

    let places: Vec<_> = audit.places.iter().map(|place| (place.payload.as_str(), place.count)).collect();
    assert_eq!(places, [("/c", 1), ("/b", 1)]);
    assert_eq!(audit.daily, [1, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn it_continues_from_what_status_has() {
    let before = status(&[("/a", "2026-05-09T10:00:00Z"), ("/a", "2026-05-10T10:00:00Z")]);

    let new = tally(&[("/a", "2026-05-10T11:00:00Z")]);
    let audit = updated(Some(&before), new, time("2026-05-10T11:01:00Z")).unwrap();

    assert_eq!((audit.count, &audit.daily[..2]), (3, &[2, 1][..]));
    assert_eq!(audit.places[0].first_seen, time("2026-05-09T10:00:00Z"));
    assert_eq!(Tally::of_status(&audit).unwrap().to_status(audit.updated_at).unwrap(), audit);
}

#[test]
fn another_schema_begins_again() {
    let before = status(&[("/a", "2026-05-10T10:00:00Z")]);
    let mut new = Tally::new("another schema");
    new.record(&[place("/b")], time("2026-05-10T11:00:00Z"));

    let audit = updated(Some(&before), new, time("2026-05-10T11:01:00Z")).unwrap();

    assert_eq!((audit.count, audit.places.len(), audit.places[0].payload.as_str()), (1, 1, "/b"));
}

#[test]
fn status_has_the_ten_places_with_most_events() {
    let mut tally = Tally::new("schema");
    for index in 0..200 {
        let now = time("2026-05-10T10:00:00Z");
        tally.record(&[place(&format!("/{index}")), place("/often")], now);
    }

    let audit = tally.to_status(time("2026-05-10T12:00:00Z")).unwrap();

    assert_eq!((audit.places.len(), audit.has_more_places), (MAX_PLACES, true));
    assert_eq!((audit.places[0].payload.as_str(), audit.places[0].count, audit.count), ("/often", 200, 200));
    assert!(tally.places.len() <= MAX_COUNTED);
}

#[test]
fn the_clock_may_go_back() {
    let before = status(&[("/a", "2026-05-10T10:00:00Z")]);
    let new = tally(&[("/a", "2026-05-01T10:00:00Z"), ("/a", "2026-05-09T10:00:00Z")]);

    let audit = updated(Some(&before), new, time("2026-05-09T10:00:00Z")).unwrap();

    assert_eq!((audit.last_day.as_str(), audit.count), ("2026-05-10", 2));
}

#[test]
fn a_status_that_cannot_be_read_counts_as_none() {
    let mut before = status(&[("/a", "2026-05-10T10:00:00Z")]);
    before.last_day = "yesterday".to_owned();

    let audit =
        updated(Some(&before), tally(&[("/b", "2026-05-10T10:00:00Z")]), time("2026-05-10T10:00:00Z"));

    assert_eq!(audit.unwrap().count, 1);
}

#[test]
fn only_new_places_are_described() {
    let before = status(&[("/a", "2026-05-09T10:00:00Z")]);
    let new = tally(&[("/a", "2026-05-10T11:00:00Z"), ("/b", "2026-05-10T11:00:00Z")]);
    let now = updated(Some(&before), new, time("2026-05-10T11:01:00Z")).unwrap();

    let text = describe_new(Some(&before), &now).unwrap();

    assert!(text.contains("refused 3 events") && text.contains("new places: /b (type); see"), "{text}");
    assert_eq!(describe_new(Some(&now), &now), None);
}
