//! Every reason and every condition is reached. The `match`es name no rest: a new reason does not compile until it has
//! a scenario, a new condition not until it is listed in which states it is seen.

mod scenarios;

use futures::future::join_all;
use serde_json::json;
use svix_operator::api::{Condition, ConditionStatus, ConditionType, Reason};

use crate::support::{
    harness::{Harness, PATIENCE},
    objects::{endpoint, event_type},
    wait::eventually,
};

use ConditionStatus::{False, True, Unknown};
use scenarios::{Scenario, Standing, scenario};

fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Waits until a condition is so.
async fn shows(scenario: &Scenario, type_: ConditionType, status: ConditionStatus, reason: Reason) {
    let what = format!("{type_:?}={status:?}/{reason} on {}", scenario.subject());
    eventually(&what, PATIENCE, async || {
        let conditions = scenario.conditions();
        match find(&conditions, type_) {
            Some(found) if found.status == status && found.reason == reason.as_str() => Ok(()),
            _ => Err(format!("{conditions:?}")),
        }
    })
    .await;
}

/// Waits until the scenario stands as it is meant to, with this reason, and kstatus would say so, too.
async fn stands(scenario: &Scenario, reason: Reason) {
    let (ready, extra) = match scenario.standing {
        Standing::Ready => (True, None),
        Standing::Waiting => (False, Some(ConditionType::Reconciling)),
        Standing::Stalled => (False, Some(ConditionType::Stalled)),
        Standing::Accepted => return shows(scenario, ConditionType::Accepted, True, reason).await,
    };
    shows(scenario, ConditionType::Ready, ready, reason).await;
    let conditions = scenario.conditions();
    for type_ in [ConditionType::Reconciling, ConditionType::Stalled] {
        let found = find(&conditions, type_).map(|found| (found.status, &*found.reason));
        let expected = (extra == Some(type_)).then_some((True, reason.as_str()));
        assert_eq!(found, expected, "{type_:?} of {reason}: {conditions:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_reached() {
    join_all(Reason::ALL.iter().map(async |&reason| stands(&scenario(reason).await, reason).await)).await;
}

/// The states of a condition that docs/conditions.md names: its status and reason, and the scenario that they are seen in.
fn states(type_: ConditionType) -> Vec<(ConditionStatus, Reason, Reason)> {
    let of = |status, reason| (status, reason, reason);
    match type_ {
        ConditionType::Accepted => vec![
            of(True, Reason::PayloadValid),
            of(True, Reason::PayloadNotValidated),
            of(True, Reason::PayloadMismatch),
            of(False, Reason::InvalidPayload),
            of(False, Reason::ValidationLimitExceeded),
        ],
        ConditionType::Sent => vec![
            of(True, Reason::Sent),
            (True, Reason::Sent, Reason::Delivered),
            of(False, Reason::Sending),
            of(False, Reason::InvalidPayload),
        ],
        ConditionType::Delivered => vec![
            of(True, Reason::Delivered),
            of(True, Reason::NoEndpointMatched),
            of(False, Reason::DeliveryFailed),
            of(Unknown, Reason::Sent),
            of(Unknown, Reason::DeliveryUnknown),
        ],
        ConditionType::InSync => vec![
            (True, Reason::InSync, Reason::Observed),
            (True, Reason::InSync, Reason::Suspended),
            of(False, Reason::Differs),
        ],
        ConditionType::DisabledInSvix => vec![of(True, Reason::DisabledInSvix)],
        ConditionType::Ready => vec![of(True, Reason::InSync), of(False, Reason::InvalidSpec)],
        ConditionType::Reconciling => vec![of(True, Reason::WaitingForEventType)],
        ConditionType::Stalled => vec![of(True, Reason::InvalidSpec)],
    }
}

/// All conditions, as the schema in the CRDs has them.
fn all_conditions() -> Vec<ConditionType> {
    let schema = schemars::schema_for!(ConditionType).to_value();
    let variants = schema["oneOf"].as_array().unwrap().iter();
    variants.map(|variant| serde_json::from_value(variant["const"].clone()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_state_of_a_condition_is_reached() {
    let all = all_conditions();
    assert_eq!(all.len(), 8, "{all:?}");
    let states = all.into_iter().flat_map(|type_| states(type_).into_iter().map(move |state| (type_, state)));
    join_all(states.map(async |(type_, (status, reason, seen_in))| {
        shows(&scenario(seen_in).await, type_, status, reason).await;
    }))
    .await;
}

#[tokio::test]
async fn conditions_that_hold_for_a_while_are_gone_afterwards() {
    // Given an endpoint that waits, an event type that stalls, one that is observed, and one that is disabled
    let mut harness = Harness::new().await;
    let waiting = endpoint("waiting", &["a.later"]);
    let stalled = event_type("a.stalled").with("schema", json!({"type": "strin"}));
    let observed = event_type("a.observed").with("managementPolicy", "Observe");
    let disabled = endpoint("disabled", &["a.one"]);
    harness.declare([
        event_type("a.one"),
        waiting.clone(),
        stalled.clone(),
        observed.clone(),
        disabled.clone(),
    ]);
    harness.wait_for_reason(&disabled.key(), "InSync").await;
    let path = "/app/default/endpoint/test.default.disabled";
    harness.edit_svix("PATCH", path, json!({"disabled": true})).await;
    harness.wait_for_reason(&disabled.key(), "DisabledInSvix").await;
    harness.wait_for_reason(&waiting.key(), "WaitingForEventType").await;
    harness.wait_for_reason(&stalled.key(), "InvalidSchema").await;
    harness.wait_for_reason(&observed.key(), "Differs").await;

    // When each of them is mended
    harness.declare([event_type("a.later"), event_type("a.stalled"), event_type("a.observed")]);
    harness.edit_svix("PATCH", path, json!({"disabled": false})).await;

    // Then only Ready is left
    for key in [waiting.key(), stalled.key(), observed.key(), disabled.key()] {
        harness.wait_for_reason(&key, "InSync").await;
        let object = harness.object(&key).unwrap();
        let types: Vec<_> = object.conditions().iter().map(|condition| condition.type_).collect();
        assert_eq!(types, [ConditionType::Ready], "{key}");
    }
}
