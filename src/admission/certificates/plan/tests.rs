#![allow(clippy::unwrap_used, clippy::panic)]
//! The certificates' life over simulated time: no clock is asked.

use super::*;
use crate::admission::certificates::{Held, carried_out};

const POLICY: Policy = Policy {
    authority: Duration::from_secs(300 * 24 * 3600),
    serving: Duration::from_secs(30 * 24 * 3600),
    settle: Duration::from_secs(30),
};

fn names() -> Vec<String> {
    vec!["svix-operator-webhook.svix-operator.svc".to_owned(), "127.0.0.1".to_owned()]
}

fn day(days: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + days * 24 * 3600).unwrap()
}

/// Does everything that is due, with a bundle that is published at once and known after `settle`.
fn settle(held: &mut Held, now: Timestamp) -> (Vec<Step>, Timestamp) {
    let mut steps = Vec::new();
    let published = now.checked_sub(jiff::SignedDuration::from_secs(31)).unwrap();
    loop {
        let step = plan(&held.state(&names(), Some(published)), &POLICY, now);
        if let Step::Wait(until) = step {
            assert!(until > now, "a wait for what has passed is no wait: {until} at {now}");
            return (steps, until);
        }
        *held = carried_out(step, held, &names(), &POLICY, now).unwrap();
        steps.push(step);
        assert!(steps.len() < 10, "{steps:?}");
    }
}

#[test]
fn it_begins_once_and_then_rests_until_two_thirds_have_passed() {
    let mut held = Held::default();
    let (steps, until) = settle(&mut held, day(0));
    assert_eq!(steps, [Step::Begin]);
    assert_eq!(until, day(20));
    assert_eq!(settle(&mut held, day(19)).0, []);
    assert_eq!(settle(&mut held, day(20)).0, [Step::Renew]);
    // What is written is what is read back.
    assert_eq!(Held::read(&held.data()), held);
}

#[test]
fn an_address_is_signed_for_once_however_it_is_written() {
    for name in ["2001:DB8::1", "2001:db8:0:0:0:0:0:1", "::ffff:10.0.0.1", "10.0.0.1"] {
        let names = vec![name.to_owned()];
        let held = carried_out(Step::Begin, &Held::default(), &names, &POLICY, day(0)).unwrap();
        // Else it is made anew again and again, without a rest.
        assert!(held.state(&names, None).serving.unwrap().right_names, "{name}");
    }
}

#[test]
fn over_years_a_valid_certificate_is_always_served_and_its_authority_always_known() {
    let mut held = Held::default();
    let (mut now, mut switches, mut renewals) = (day(0), 0, 0);
    while now < day(365 * 5) {
        let known_before = held.bundle();
        let (steps, until) = settle(&mut held, now);
        for step in &steps {
            match step {
                Step::Switch => switches += 1,
                Step::Renew => renewals += 1,
                Step::Begin => assert!(known_before.is_empty(), "begun anew at {now}"),
                _ => {}
            }
        }
        let state = held.state(&names(), None);
        let serving = state.serving.unwrap();
        assert!(serving.by_signer && serving.right_names);
        assert!(
            serving.validity.not_after >= until,
            "it ends at {} before {until}",
            serving.validity.not_after
        );
        assert!(state.signer.unwrap().not_after >= serving.validity.not_after);
        assert!(state.retired.len() <= 1 && state.retired.iter().all(|old| old.not_after > now));
        now = until;
    }
    assert!((8..=10).contains(&switches), "{switches} switches");
    assert!((60..=110).contains(&renewals), "{renewals} renewals");
}

#[test]
fn nothing_is_signed_by_an_authority_before_it_is_known() {
    let mut held = Held::default();
    settle(&mut held, day(0));
    let now = day(200);
    held = carried_out(Step::Announce, &held, &names(), &POLICY, now).unwrap();
    // Not published, or not for long enough: the old one goes on, and renews.
    assert_eq!(plan(&held.state(&names(), None), &POLICY, now), Step::Renew);
    held = carried_out(Step::Renew, &held, &names(), &POLICY, now).unwrap();
    assert!(held.state(&names(), None).serving.unwrap().by_signer);
    assert!(matches!(plan(&held.state(&names(), None), &POLICY, now), Step::Wait(_)));
    let at = later(now, POLICY.settle);
    assert_eq!(plan(&held.state(&names(), Some(now)), &POLICY, now), Step::Wait(at));
    assert_eq!(plan(&held.state(&names(), Some(now)), &POLICY, at), Step::Switch);
    // After the switch the old one is trusted until it ends, and cannot sign.
    held = carried_out(Step::Switch, &held, &names(), &POLICY, at).unwrap();
    let state = held.state(&names(), Some(now));
    assert_eq!((state.retired.len(), state.next), (1, None));
    assert!(state.serving.unwrap().by_signer);
    // Every step leaves out what has ended.
    assert_eq!(settle(&mut held, day(301)).0, [Step::Renew]);
    assert_eq!(held.state(&names(), None).retired, []);
}

#[test]
fn what_is_lost_or_broken_is_made_again() {
    let mut held = Held::default();
    settle(&mut held, day(0));
    let mut data = held.data();
    data.insert("tls.key".to_owned(), b"no key".to_vec());
    assert_eq!(plan(&Held::read(&data).state(&names(), None), &POLICY, day(1)), Step::Renew);
    let mut data = held.data();
    data.remove("ca.key");
    assert_eq!(plan(&Held::read(&data).state(&names(), None), &POLICY, day(1)), Step::Begin);
    // Begun anew, what was trusted stays trusted.
    let anew = carried_out(Step::Begin, &Held::read(&data), &names(), &POLICY, day(1)).unwrap();
    assert_eq!(anew.state(&names(), None).retired.len(), 1);
    let other = vec!["other.svc".to_owned()];
    assert_eq!(plan(&held.state(&other, None), &POLICY, day(1)), Step::Renew);
    // A leader that was away for too long.
    assert_eq!(plan(&held.state(&names(), None), &POLICY, day(301)), Step::Begin);
    assert_eq!(plan(&held.state(&names(), None), &POLICY, day(40)), Step::Renew);
}

#[test]
fn an_authority_that_cannot_be_published_is_used_only_when_the_old_one_has_ended() {
    let mut held = Held::default();
    settle(&mut held, day(0));
    let mut now = day(0);
    let mut steps = 0;
    loop {
        match plan(&held.state(&names(), None), &POLICY, now) {
            Step::Wait(until) => now = until,
            Step::Switch => break,
            step => held = carried_out(step, &held, &names(), &POLICY, now).unwrap(),
        }
        steps += 1;
        assert!(steps < 200, "no end at {now}");
    }
    assert_eq!(now, day(300));
}
