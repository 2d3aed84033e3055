#![allow(clippy::unwrap_used, clippy::panic)]
//! The lifecycle of the certificates in simulated time: no clock is read.

use super::*;
use crate::admission::certificates::{CertificateBundle, apply_step};

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

/// Carries out all steps that are due, with a bundle that is published at once and known after `settle`.
fn settle(bundle: &mut CertificateBundle, now: Timestamp) -> (Vec<Step>, Timestamp) {
    let mut steps = Vec::new();
    let published = now.checked_sub(jiff::SignedDuration::from_secs(31)).unwrap();
    loop {
        let step = plan(&bundle.state(&names(), Some(published)), &POLICY, now);
        if let Step::Wait(until) = step {
            assert!(until > now, "a wait must end in the future: {until} at {now}");
            return (steps, until);
        }
        *bundle = apply_step(step, bundle, &names(), &POLICY, now).unwrap();
        steps.push(step);
        assert!(steps.len() < 10, "{steps:?}");
    }
}

#[test]
fn begins_once_and_renews_after_two_thirds() {
    let mut bundle = CertificateBundle::default();
    let (steps, until) = settle(&mut bundle, day(0));
    assert_eq!(steps, [Step::Begin]);
    assert_eq!(until, day(20));
    assert_eq!(settle(&mut bundle, day(19)).0, []);
    assert_eq!(settle(&mut bundle, day(20)).0, [Step::Renew]);
    // The data of the Secret reads back as the same bundle.
    assert_eq!(CertificateBundle::parse(&bundle.to_data()), bundle);
}

#[test]
fn an_address_is_covered_in_any_notation() {
    for name in ["2001:DB8::1", "2001:db8:0:0:0:0:0:1", "::ffff:10.0.0.1", "10.0.0.1"] {
        let names = vec![name.to_owned()];
        let bundle = apply_step(Step::Begin, &CertificateBundle::default(), &names, &POLICY, day(0)).unwrap();
        // Otherwise it would be renewed in a loop.
        assert!(bundle.state(&names, None).serving.unwrap().covers_names, "{name}");
    }
}

#[test]
fn over_years_a_trusted_certificate_is_always_served() {
    let mut bundle = CertificateBundle::default();
    let (mut now, mut switches, mut renewals) = (day(0), 0, 0);
    while now < day(365 * 5) {
        let known_before = bundle.ca_bundle();
        let (steps, until) = settle(&mut bundle, now);
        for step in &steps {
            match step {
                Step::Switch => switches += 1,
                Step::Renew => renewals += 1,
                Step::Begin => assert!(known_before.is_empty(), "begun again at {now}"),
                _ => {}
            }
        }
        let state = bundle.state(&names(), None);
        let serving = state.serving.unwrap();
        assert!(serving.is_by_signer && serving.covers_names);
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
fn an_authority_signs_only_after_it_is_published() {
    let mut bundle = CertificateBundle::default();
    settle(&mut bundle, day(0));
    let now = day(200);
    bundle = apply_step(Step::Announce, &bundle, &names(), &POLICY, now).unwrap();
    // Not published, or not for long enough: the old authority still signs.
    assert_eq!(plan(&bundle.state(&names(), None), &POLICY, now), Step::Renew);
    bundle = apply_step(Step::Renew, &bundle, &names(), &POLICY, now).unwrap();
    assert!(bundle.state(&names(), None).serving.unwrap().is_by_signer);
    assert!(matches!(plan(&bundle.state(&names(), None), &POLICY, now), Step::Wait(_)));
    let at = later(now, POLICY.settle);
    assert_eq!(plan(&bundle.state(&names(), Some(now)), &POLICY, now), Step::Wait(at));
    assert_eq!(plan(&bundle.state(&names(), Some(now)), &POLICY, at), Step::Switch);
    // After the switch the old authority is trusted until it expires, and cannot sign.
    bundle = apply_step(Step::Switch, &bundle, &names(), &POLICY, at).unwrap();
    let state = bundle.state(&names(), Some(now));
    assert_eq!((state.retired.len(), state.next), (1, None));
    assert!(state.serving.unwrap().is_by_signer);
    // Every step removes expired authorities.
    assert_eq!(settle(&mut bundle, day(301)).0, [Step::Renew]);
    assert_eq!(bundle.state(&names(), None).retired, []);
}

#[test]
fn lost_or_damaged_parts_are_created_again() {
    let mut bundle = CertificateBundle::default();
    settle(&mut bundle, day(0));
    let mut data = bundle.to_data();
    data.insert("tls.key".to_owned(), b"no key".to_vec());
    assert_eq!(plan(&CertificateBundle::parse(&data).state(&names(), None), &POLICY, day(1)), Step::Renew);
    let mut data = bundle.to_data();
    data.remove("ca.key");
    assert_eq!(plan(&CertificateBundle::parse(&data).state(&names(), None), &POLICY, day(1)), Step::Begin);
    // Authorities that were trusted stay trusted.
    let again = apply_step(Step::Begin, &CertificateBundle::parse(&data), &names(), &POLICY, day(1)).unwrap();
    assert_eq!(again.state(&names(), None).retired.len(), 1);
    let other = vec!["other.svc".to_owned()];
    assert_eq!(plan(&bundle.state(&other, None), &POLICY, day(1)), Step::Renew);
    // A leader that was away for too long.
    assert_eq!(plan(&bundle.state(&names(), None), &POLICY, day(301)), Step::Begin);
    assert_eq!(plan(&bundle.state(&names(), None), &POLICY, day(40)), Step::Renew);
}

#[test]
fn an_unpublished_authority_is_used_only_after_the_old_one() {
    let mut bundle = CertificateBundle::default();
    settle(&mut bundle, day(0));
    let mut now = day(0);
    let mut steps = 0;
    loop {
        match plan(&bundle.state(&names(), None), &POLICY, now) {
            Step::Wait(until) => now = until,
            Step::Switch => break,
            step => bundle = apply_step(step, &bundle, &names(), &POLICY, now).unwrap(),
        }
        steps += 1;
        assert!(steps < 200, "no end at {now}");
    }
    assert_eq!(now, day(300));
}
