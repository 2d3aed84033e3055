//! The status that follows from an outcome.

use super::*;

#[test]
fn what_is_in_sync_is_ready_and_names_its_generation() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let status = status_of(&manifest.of_generation(7), Outcome::in_sync(RemoteRef::None), true);

        let ready = (ConditionType::Ready, ConditionStatus::True, "InSync".to_owned());
        assert_eq!(conditions(&status), [ready]);
        assert_eq!(status["observedGeneration"], 7);
    }
}

#[test]
fn what_waits_is_reconciling_whatever_the_kind() {
    for manifest in [connection(), event_type("a.one"), endpoint("hook")] {
        let status = status_of(&manifest, waiting(), true);

        let reason = "SvixUnavailable".to_owned();
        let expected = [
            (ConditionType::Reconciling, ConditionStatus::True, reason.clone()),
            (ConditionType::Ready, ConditionStatus::False, reason),
        ];
        assert_eq!(conditions(&status), expected);
    }
}

#[test]
fn what_waits_for_a_person_is_stalled_whatever_the_kind() {
    for manifest in [connection(), event_type("a.one"), endpoint("hook")] {
        let status = status_of(&manifest, stalled(), true);

        let reason = "InvalidSpec".to_owned();
        let expected = [
            (ConditionType::Stalled, ConditionStatus::True, reason.clone()),
            (ConditionType::Ready, ConditionStatus::False, reason),
        ];
        assert_eq!(conditions(&status), expected);
        assert_eq!(status["conditions"][1]["message"], "/spec/url: not a URL");
    }
}

#[test]
fn an_event_that_waits_is_not_sent_yet() {
    let status = status_of(&event("e"), waiting(), true);

    let sent = conditions(&status).into_iter().find(|(type_, ..)| *type_ == ConditionType::Sent).unwrap();
    assert_eq!(sent, (ConditionType::Sent, ConditionStatus::False, "SvixUnavailable".to_owned()));
    assert!(status.get("messageId").is_none(), "{status}");
}

#[test]
fn an_event_records_how_far_it_is() {
    let sent = WebhookEventStatus {
        message_id: Some("msg_1".to_owned()),
        attempts: Some(Attempts { pending: 2, ..Attempts::default() }),
        ..WebhookEventStatus::default()
    };
    let progress = EventProgress {
        status: sent,
        accepted: Some((Reason::PayloadValid, "it matches".to_owned())),
        is_missed: false,
    };
    let outcome = Outcome {
        ready: ReadyState::Ready(Reason::Sent, "sent; 2 to go".into()),
        ..Outcome::in_sync(RemoteRef::Event(Box::new(progress)))
    };

    let status = status_of(&event("e"), outcome, true);

    assert_eq!((&status["messageId"], &status["attempts"]["pending"]), (&json!("msg_1"), &json!(2)));
    let accepted = (ConditionType::Accepted, ConditionStatus::True, "PayloadValid".to_owned());
    assert!(conditions(&status).contains(&accepted), "{status}");
}

#[test]
fn a_reference_to_svix_is_recorded() {
    let kind = status_of(&event_type("a.one"), Outcome::in_sync(event_type_in_svix()), true);
    let hook = status_of(&endpoint("hook"), Outcome::in_sync(endpoint_in_svix()), true);

    assert_eq!(kind["svix"], json!({"connection": "default", "name": "a.one", "fields": ["description"]}));
    assert_eq!(hook["svix"]["id"], "ep_1");
}

#[test]
fn a_failure_leaves_the_reference_as_it_was() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let status = status_of(&observed(manifest), waiting(), true);

        assert_eq!(status["svix"]["connection"], "default");
    }
}

#[test]
fn what_is_not_in_svix_any_more_is_not_recorded() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let outcome = Outcome { remote: Some(RemoteRef::None), ..waiting() };

        let status = status_of(&observed(manifest), outcome, true);

        assert!(status.get("svix").is_none(), "{status}");
    }
}

#[test]
fn an_outcome_without_details_keeps_what_was_observed() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let status = status_of(&observed(manifest), waiting(), false);

        assert_eq!(status["difference"], json!({"action": "Change"}));
        let in_sync = (ConditionType::InSync, ConditionStatus::False, "Differs".to_owned());
        assert_eq!(conditions(&status)[0], in_sync);
    }
}

#[test]
fn details_replace_what_was_observed() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let outcome = Outcome { details: Some(Box::default()), ..Outcome::in_sync(RemoteRef::None) };

        let status = status_of(&observed(manifest), outcome, false);

        assert!(status.get("difference").is_none(), "{status}");
        assert_eq!(conditions(&status).len(), 1, "{status}");
    }
}

#[test]
fn only_what_is_compared_says_in_sync_and_differs() {
    for manifest in [event_type("a.one"), endpoint("hook")] {
        let outcome = || Outcome {
            details: Some(Box::new(Details {
                extra_conditions: vec![in_sync_condition()],
                difference: Some(difference()),
                ..Details::default()
            })),
            ..Outcome::in_sync(RemoteRef::None)
        };

        let compared = status_of(&manifest, outcome(), false);
        let managed = status_of(&manifest, outcome(), true);

        assert_eq!(conditions(&compared)[0].0, ConditionType::InSync);
        assert!(compared.get("difference").is_some());
        assert_eq!(conditions(&managed).len(), 1);
        assert!(managed.get("difference").is_none());
    }
}

#[test]
fn statistics_and_the_signing_key_stay_without_details() {
    let statistics = Statistics { succeeded: 3, ..Statistics::default() };
    let details = Details { statistics: Some(statistics), ..Details::default() };
    let outcome = Outcome { details: Some(Box::new(details)), ..Outcome::in_sync(RemoteRef::None) };

    let before = status_of(&endpoint("hook"), outcome, true);
    let after = status_of(&endpoint("hook").with_status(before.clone()), waiting(), true);

    assert_eq!(before["statistics"]["succeeded"], 3);
    assert_eq!(after["statistics"], before["statistics"]);
}

#[test]
fn a_rotation_stays_handled() {
    let rotated = endpoint("hook").with_status(json!({"lastHandledRotateAt": "monday"}));
    let details = Details { handled_rotate_at: Some("tuesday".to_owned()), ..Details::default() };

    let again = Outcome { details: Some(Box::new(details)), ..Outcome::in_sync(RemoteRef::None) };
    let other = Outcome { details: Some(Box::default()), ..Outcome::in_sync(RemoteRef::None) };

    assert_eq!(status_of(&rotated, again, true)["lastHandledRotateAt"], "tuesday");
    assert_eq!(status_of(&rotated, other, true)["lastHandledRotateAt"], "monday");
}

#[test]
fn a_reconcile_request_is_handled_unless_it_waits() {
    let asked = |manifest: Manifest| manifest.annotated("svix-operator.dev/reconcile-at", "now");
    for manifest in [event_type("a.one"), endpoint("hook")].map(asked) {
        let ready = status_of(&manifest, Outcome::in_sync(RemoteRef::None), true);
        let stalled = status_of(&manifest, stalled(), true);
        let waiting = status_of(&manifest, waiting(), true);

        assert_eq!(ready["lastHandledReconcileAt"], "now");
        assert_eq!(stalled["lastHandledReconcileAt"], "now");
        assert!(waiting.get("lastHandledReconcileAt").is_none(), "{waiting}");
    }
}

#[test]
fn status_speaks_of_the_generation_that_was_reconciled() {
    let (reconciled, newer) = (endpoint("hook"), endpoint("hook").of_generation(2));

    let outcome = Outcome::in_sync(RemoteRef::None);
    let status = make(&newer.object(), &reconciled.object(), outcome, None, true, Timestamp::UNIX_EPOCH);

    let Status::Endpoint(status) = status else { unreachable!("it is an endpoint") };
    assert_eq!(status.observed_generation, Some(1));
}

#[test]
fn a_connection_keeps_the_server_that_it_used() {
    let used = connection().with_status(json!({"serverUrl": "http://svix"}));
    let details = Details { server_url: Some("http://other".to_owned()), ..Details::default() };

    let moved = Outcome { details: Some(Box::new(details)), ..waiting() };

    assert_eq!(status_of(&used, waiting(), true)["serverUrl"], "http://svix");
    assert_eq!(status_of(&used, moved, true)["serverUrl"], "http://other");
}
