//! Who waits for which comparison.
#![allow(clippy::unwrap_used)]

use std::rc::Rc;

use futures::{FutureExt as _, future::LocalBoxFuture};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{CompatibilityAction, CompatibilityAgainst},
    plan::{
        compatibility::{Assessment, KeptVersions, Policy, Schema},
        revision::Published,
    },
};

fn requester(namespace: &str) -> Requester<'_> {
    Requester { caller: Caller::INTERNAL, namespace, may_take_long: &|| true }
}

fn published(value: &Value) -> Published {
    Published { schema: value.to_string(), format_assertion: true }
}

fn pair(old: &Value, new: &Value) -> Pair {
    Pair { old: published(old).into(), new: published(new).into(), known: Vec::new() }
}

/// A schema that is too large for a brief comparison.
fn large(kind: &str) -> Value {
    json!({"type": kind, "description": "x".repeat(200_000)})
}

fn change_to_large(kind: &str) -> Change {
    let policy = Policy {
        level: Level::Strict,
        action: CompatibilityAction::Warn,
        against: CompatibilityAgainst::All,
    };
    let [old, new] = ["number", kind].map(large);
    let of = |value| Schema { value, format_assertion: true };
    Change::begin(Some(of(&old)), of(&new), &[policy], None).unwrap()
}

/// Compares a change with the last version and then with these, and writes down when it is done.
fn assess<'a>(
    comparisons: &'a Comparisons,
    namespace: &'static str,
    kept: &'a [Value],
    log: &Rc<Mutex<Vec<&'static str>>>,
) -> LocalBoxFuture<'a, Assessment> {
    let log = Rc::clone(log);
    async move {
        let mut change = change_to_large("integer");
        let last = change.last().unwrap();
        comparisons.step(requester(namespace), &mut change, &last).await.unwrap();
        for (number, value) in (1..).zip(kept) {
            let step = change.kept(number, published(value));
            comparisons.step(requester(namespace), &mut change, &step).await.unwrap();
        }
        log.lock().push(namespace);
        change.end()
    }
    .boxed_local()
}

#[tokio::test]
async fn small_ones_do_not_wait_for_long_ones() {
    let long = Permits::new(1);
    let comparisons = Comparisons::new(Permits::new(1), long.clone());
    let _all = long.acquire(Caller::INTERNAL, "other").await;

    // It would wait forever.
    let small = pair(&json!({"type": "integer"}), &json!({"type": "number"}));
    let compared =
        comparisons.compare(requester("a"), &small, Level::ConsumerSafe, &mut false).await.unwrap();

    assert_eq!(compared, small.compare(Level::ConsumerSafe));
    let large = pair(&large("integer"), &large("number"));
    let mut takes_long = false;
    let waiting = comparisons.compare(requester("a"), &large, Level::ConsumerSafe, &mut takes_long);
    assert!(waiting.now_or_never().is_none(), "a long one waits");
}

#[tokio::test]
async fn only_long_ones_need_permission_to_take_long() {
    let comparisons = Comparisons::new(Permits::new(1), Permits::new(1));
    let requester = Requester { may_take_long: &|| false, ..requester("a") };

    let small = pair(&json!({"type": "integer"}), &json!({"type": "number"}));
    assert!(comparisons.compare(requester, &small, Level::Full, &mut false).await.is_ok());

    let large = pair(&large("integer"), &large("number"));
    assert_eq!(
        comparisons.compare(requester, &large, Level::Full, &mut false).await,
        Err(Interrupted::TakesLong)
    );
}

#[tokio::test]
async fn what_takes_more_than_a_brief_one_waits() {
    let long = Permits::new(1);
    let comparisons = Comparisons::new(Permits::new(1), long.clone());
    let all = long.acquire(Caller::INTERNAL, "other").await;
    let many = |kind: &str| {
        let bound = if kind == "number" { "minimum" } else { "maximum" };
        let objects: Vec<_> = (0..450).map(|index| json!({bound: index})).collect();
        json!({"type": kind, "oneOf": objects})
    };
    let pair = pair(&many("number"), &many("integer"));
    assert!(pair.is_small());
    assert_eq!(pair.compare_briefly(Level::Strict), None);

    let mut takes_long = false;
    let mut waiting = Box::pin(comparisons.compare(requester("a"), &pair, Level::Strict, &mut takes_long));
    // Until the brief one has ended, and the permit of it is free for another.
    let brief = async { comparisons.brief.acquire(Caller::INTERNAL, "a").await };
    tokio::select! {
        biased;
        _ = &mut waiting => unreachable!("there is no permit for it"),
        _ = brief => {}
    }
    drop(all);

    assert_eq!(waiting.await.unwrap(), pair.compare(Level::Strict));
}

#[tokio::test]
async fn others_have_turns_between_the_versions() {
    let long = Permits::new(1);
    let comparisons = Comparisons::new(Permits::new(1), long.clone());
    let kept: Vec<_> = ["string", "boolean", "array"].map(large).into();
    let log = Rc::default();
    let all = long.acquire(Caller::INTERNAL, "first").await;
    let mut many = assess(&comparisons, "many", &kept, &log);
    let mut one = assess(&comparisons, "one", &[], &log);
    assert!((&mut many).now_or_never().is_none() && (&mut one).now_or_never().is_none());

    drop(all);
    tokio::join!(many, one);

    assert_eq!(*log.lock(), ["one", "many"], "the other one waited for all of its versions");
}

#[tokio::test]
async fn turns_change_no_assessment() {
    let comparisons = Comparisons::new(Permits::new(1), Permits::new(1));
    let kept: Vec<_> = ["string", "integer", "number"].map(large).into();
    let versions = (1..).zip(kept.iter().map(published)).collect();

    let in_turns = assess(&comparisons, "a", &kept, &Rc::default()).await;

    let at_once = change_to_large("integer").assess(&KeptVersions { versions, missing: Vec::new() });
    assert_eq!(in_turns, at_once);
    assert!(matches!(in_turns, Assessment::Warn(_)), "{in_turns:?}");
}

#[tokio::test]
async fn a_comparison_that_is_given_up_keeps_no_permit() {
    let long = Permits::new(1);
    let comparisons = Comparisons::new(Permits::new(1), long.clone());
    let all = long.acquire(Caller::INTERNAL, "other").await;
    let pair = pair(&large("integer"), &large("number"));
    let mut takes_long = false;
    let mut given_up = Box::pin(comparisons.compare(requester("a"), &pair, Level::Strict, &mut takes_long));
    assert!(given_up.as_mut().now_or_never().is_none());

    drop(given_up);
    drop(all);

    assert!(long.acquire(Caller::INTERNAL, "a").now_or_never().is_some());
}

#[tokio::test]
async fn a_change_that_takes_long_uses_no_further_brief_turns() {
    let (brief, long) = (Permits::new(1), Permits::new(1));
    let comparisons = Comparisons::new(brief.clone(), long);
    let mut change = change_to_large("integer");
    let last = change.last().unwrap();
    comparisons.step(requester("a"), &mut change, &last).await.unwrap();
    let _brief = brief.acquire(Caller::INTERNAL, "other").await;

    // It would wait forever.
    let small = Step { pair: pair(&json!({"type": "string"}), &json!({"type": "integer"})), ..last };
    comparisons.step(requester("a"), &mut change, &small).await.unwrap();

    assert!(change.takes_long);
}
