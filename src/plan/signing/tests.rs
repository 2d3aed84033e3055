#![allow(clippy::unwrap_used)]
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use super::*;
use crate::plan::secrets::{SecretData, SecretOwner, Sensitive};

const HOUR: Duration = Duration::from_secs(3600);

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(hour * 3600).unwrap()
}

fn key(text: &str) -> Sensitive {
    new_key(std::array::from_fn(|index| text.as_bytes()[index % text.len()]))
}

fn schedule(rotate_at: Option<&str>) -> Schedule<'_> {
    Schedule { rotate_after: Some(10 * HOUR), grace: 2 * HOUR, rotate_at }
}

/// Carries out steps until nothing is left to do; a crash loses nothing but what was not written.
fn settle(journal: &mut Option<Journal>, svix: &mut Sensitive, schedule: Schedule<'_>, now: Timestamp) {
    for step in 0..10u8 {
        match plan(journal.as_ref(), svix, schedule, now) {
            SigningKeyStep::Write(written) => *journal = Some(written),
            SigningKeyStep::Prepare(rotating_for) => {
                let next = Some(key(&format!("new {step} {now}")));
                *journal = Some(Journal { next, rotating_for, ..journal.clone().unwrap() });
            }
            SigningKeyStep::Rotate(next) => *svix = next,
            SigningKeyStep::Keep(_) => return,
            SigningKeyStep::Refuse(error) => unreachable!("{error}"),
        }
    }
    unreachable!("it never settles");
}

#[test]
fn keys_are_checked_without_being_repeated() {
    assert_eq!(check_key(key("a").expose()), Ok(()));
    for bad in [
        "",
        "secret",
        "whsec_",
        "whsec_####",
        "whsec_c2hvcnQ=",
        "whsk_c2hvcnQ=",
        "whpk_c2hvcnQ=",
        "whpk1_c2hvcnQ=",
    ] {
        let message = check_key(bad).unwrap_err().to_string();
        assert!(message.contains("expected whsec_"), "{message}");
        assert!(!message.contains("c2hvcnQ"), "{message}");
    }
}

#[test]
fn keys_of_undocumented_kinds_are_named() {
    let pair = STANDARD.encode([7; 64]);
    for (key, expected) in [
        (format!("whsk1_{pair}"), InvalidKey::Undocumented),
        (format!("whpk1_{pair}"), InvalidKey::Public),
        (format!("whpk_{pair}"), InvalidKey::Public),
        (format!("whsk2_{pair}"), InvalidKey::Prefix),
        (pair.clone(), InvalidKey::Prefix),
    ] {
        assert_eq!(check_key(&key), Err(expected), "{key}");
    }
}

#[test]
fn the_key_of_svix_is_written_to_the_secret_once() {
    let (mut journal, mut svix) = (None, key("one"));
    settle(&mut journal, &mut svix, schedule(None), at(0));
    let written = journal.clone().unwrap();
    assert_eq!(written.current, Some(key("one")));
    assert_eq!(plan(journal.as_ref(), &svix, schedule(None), at(9)), SigningKeyStep::Keep(Some(at(10))));
}

#[test]
fn a_rotation_keeps_both_keys_while_both_are_valid() {
    let (mut journal, mut svix) = (None, key("one"));
    settle(&mut journal, &mut svix, schedule(None), at(0));
    settle(&mut journal, &mut svix, schedule(None), at(10));
    let rotated = journal.clone().unwrap();
    assert_ne!(svix, key("one"));
    assert_eq!((rotated.current.as_ref(), rotated.previous), (Some(&svix), Some(key("one"))));
    assert_eq!((rotated.next, rotated.previous_until), (None, Some(at(12))));
    settle(&mut journal, &mut svix, schedule(None), at(12));
    assert_eq!(journal.unwrap().previous, None);
}

#[test]
fn a_crash_at_any_point_rotates_once() {
    // After the next key is in the Secret, Svix may have received it or not; both end with the same key in both.
    for was_received in [false, true] {
        let (mut journal, mut svix) = (None, key("one"));
        settle(&mut journal, &mut svix, schedule(None), at(0));
        let next = key("next");
        journal =
            Some(Journal { next: Some(next.clone()), rotating_for: Some("now".into()), ..journal.unwrap() });
        if was_received {
            svix = next.clone();
        }
        settle(&mut journal, &mut svix, schedule(Some("now")), at(1));
        let end = journal.clone().unwrap();
        assert_eq!((svix.clone(), end.current, end.next), (next.clone(), Some(next), None));
        assert_eq!(end.rotated_for.as_deref(), Some("now"));
        // Status does not record it; the Secret does.
        let (before, key) = (journal.clone(), svix.clone());
        settle(&mut journal, &mut svix, schedule(Some("now")), at(2));
        assert_eq!((journal, svix), (before, key));
    }
}

#[test]
fn a_rotation_by_somebody_else_is_followed() {
    let (mut journal, mut svix) = (None, key("one"));
    settle(&mut journal, &mut svix, schedule(None), at(0));
    svix = key("by hand");
    settle(&mut journal, &mut svix, schedule(None), at(1));
    let end = journal.unwrap();
    assert_eq!((end.current, end.previous), (Some(key("by hand")), Some(key("one"))));
    assert_eq!(svix, key("by hand"));
}

#[test]
fn a_deleted_secret_is_restored_without_a_rotation() {
    let mut svix = key("one");
    let mut journal = None;
    settle(&mut journal, &mut svix, schedule(Some("old")), at(50));
    assert_eq!((journal.unwrap().current, svix), (Some(key("one")), key("one")));
}

#[test]
fn an_asymmetric_key_reads_back_as_its_public_half() {
    let pair: Vec<u8> = (0..64).collect();
    let key = Sensitive::new(format!("whsk_{}", STANDARD.encode(&pair)));
    assert_eq!(check_key(key.expose()), Ok(()));
    assert_eq!(as_returned(&key).expose(), format!("whpk_{}", STANDARD.encode(&pair[32..])));
}

/// A Secret with these data and annotations, and a megabyte beside them.
fn stuffed(data: &[(&str, &str)], annotations: &[(&str, &str)]) -> SecretData {
    let long = "x".repeat(1000);
    let text = |number: usize| (format!("other{number}"), long.clone());
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    SecretData {
        resource_version: "7".to_owned(),
        data: (0..1000)
            .map(text)
            .chain(data.iter().map(owned))
            .map(|(name, value)| (name, value.into_bytes()))
            .collect(),
        labels: (0..200).map(text).collect(),
        annotations: (0..200).map(text).chain(annotations.iter().map(owned)).collect(),
        owners: vec![SecretOwner::default(); 1000],
    }
}

#[test]
fn of_a_former_secret_only_the_key_is_kept() {
    let names = (0..50_000).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let few = (0..30).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let (labels, entry) = ("svix-operator.dev/signing-key-labels", "svix-operator.dev/signing-key-entry");
    let since = ("svix-operator.dev/signing-key-since", "2026-01-01T00:00:00Z");
    let (current, next, long) = (key("a"), key("b"), "x".repeat(9000));
    let keys = [("k", current.expose()), ("k.next", next.expose()), ("k.previous", long.as_str())];
    let recorded = stuffed(&keys, &[(ENDPOINT_ANNOTATION, "hook"), (entry, "k"), (labels, &few), since]);
    let hostile = stuffed(&keys, &[(ENDPOINT_ANNOTATION, "hook"), (entry, &names), (labels, &names)]);

    let (kept, rest) = (only_key(recorded), only_key(hostile));

    assert_eq!(kept.data.keys().collect::<Vec<_>>(), ["k", "k.next"]);
    assert_eq!((kept.annotations.len(), kept.labels.len(), kept.owners.len()), (4, 0, 0));
    assert_eq!(kept.resource_version, "7");
    let retirement = retirement(&kept).unwrap();
    let removed = |name: &str| retirement.data.get(name) == Some(&None);
    assert!(["k", "k.next", "k.previous"].into_iter().all(removed), "{retirement:?}");
    assert_eq!(
        retirement.labels.len(),
        20 + 1,
        "as many labels as a spec can name, and that of the endpoint"
    );
    assert_eq!(rest.data.keys().collect::<Vec<_>>(), ["k", "k.next"], "those that are keys");
    assert_eq!(rest.annotations.len(), 1);
}
