//! What a schema says of a payload, and who may see it.

use super::*;

#[tokio::test]
async fn a_payload_that_matches_is_accepted() {
    let fixture = of_type(strict("Enforce"), event("e").with("payload", json!({"card": 4242}))).await;

    fixture.reconcile(&key()).await;

    let accepted = fixture.condition(&key(), ConditionType::Accepted);
    assert_eq!(accepted.map(|(reason, _)| reason).as_deref(), Some("PayloadValid"));
}

#[tokio::test]
async fn a_payload_that_does_not_match_is_not_sent() {
    let fixture = of_type(strict("Enforce"), wrong()).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InvalidPayload".to_owned(), Vec::new()));
    assert!(fixture.message(&key()).contains("4242"), "{}", fixture.message(&key()));
}

#[tokio::test]
async fn no_kubernetes_event_shows_a_payload() {
    for policy in ["Enforce", "Warn"] {
        let fixture = of_type(strict(policy), wrong()).await;

        fixture.reconcile(&key()).await;

        let records = fixture.ctx.host.events(&key());
        assert!(records[0].warning && records[0].message.contains("/card"), "{records:?}");
        assert!(records.iter().all(|record| !record.message.contains("4242")), "{records:?}");
    }
}

#[tokio::test]
async fn with_warn_it_is_sent_all_the_same() {
    let fixture = of_type(strict("Warn"), wrong()).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Sent".to_owned(), vec!["message.create"]));
    assert_eq!(fixture.events(&key()), ["PayloadMismatch", "EventSent"]);
}

#[tokio::test]
async fn with_audit_it_is_sent_without_a_warning() {
    let fixture = of_type(strict("Audit"), wrong()).await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.events(&key()), ["EventSent"]);
    let accepted = fixture.condition(&key(), ConditionType::Accepted);
    assert_eq!(accepted.map(|(reason, _)| reason).as_deref(), Some("PayloadMismatch"));
}

#[tokio::test]
async fn another_schema_wakes_what_was_refused() {
    let fixture = of_type(strict("Enforce"), wrong()).await;
    fixture.reconcile(&key()).await;
    fixture.declare(event_type("a.one"));

    fixture.reconcile(&event_type("a.one").key()).await;

    assert!(fixture.woken().contains("e"));
}
