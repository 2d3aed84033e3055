//! The published versions of a schema.

use super::*;
use crate::{
    plan::revision::{ComparisonResult, MAX_SCHEMA, Revision},
    turns::{Caller, Permit},
};

fn schema(type_: &str) -> Value {
    json!({"type": "object", "properties": {"n": {"type": type_}}})
}

fn declared(type_: &str) -> Manifest {
    event_type("a.one").with("schema", schema(type_))
}

fn publish(fixture: &Fixture, schema: &Value) {
    let generation = fixture.stored(&key()).generation().unwrap_or_default() + 1;
    fixture.edit(&key(), |it| {
        it["spec"]["schema"] = schema.clone();
        it["metadata"]["generation"] = generation.into();
    });
}

/// Publishes these, one after the other.
async fn publish_all(fixture: &Fixture, types: &[&str]) {
    for type_ in types {
        publish(fixture, &schema(type_));
        fixture.reconcile(&key()).await;
    }
}

fn revisions(fixture: &Fixture) -> Vec<Revision> {
    fixture.ctx.host.revisions_of(&key())
}

fn numbers(fixture: &Fixture) -> Vec<i64> {
    revisions(fixture).iter().map(|revision| revision.number).collect()
}

#[tokio::test]
async fn a_created_event_type_has_revision_one() {
    let fixture = synced(declared("integer")).await;

    let [revision] = &revisions(&fixture)[..] else { panic!("{:?}", revisions(&fixture)) };
    assert_eq!((revision.number, revision.comparison.result), (1, ComparisonResult::First));
    assert!(revision.has_schema && revision.published_at.is_some(), "{revision:?}");
    let expected = json!({"revision": 1, "digest": revision.digest, "kept": 1});
    assert_eq!(fixture.status(&key())["schemaHistory"], expected);
    // There was no trace of it, so there was nothing to list.
    assert_eq!(fixture.ctx.host.revision_lists(), 0);
}

#[tokio::test]
async fn at_rest_nothing_is_read_or_written() {
    let fixture = synced(declared("integer")).await;
    let writes = fixture.ctx.host.writes(&key());

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.ctx.host.writes(&key()), writes);
    assert_eq!(fixture.ctx.host.revision_lists(), 0);
}

#[tokio::test]
async fn a_change_is_a_revision_with_a_verdict() {
    let fixture = synced(declared("integer")).await;

    publish_all(&fixture, &["number", "integer", "string"]).await;

    let verdicts: Vec<_> =
        revisions(&fixture).iter().map(|revision| revision.comparison.result.to_string()).collect();
    // The second and the first were published again as third.
    assert_eq!(verdicts, ["Breaking", "Safe", "Breaking"]);
    assert_eq!(numbers(&fixture), [2, 3, 4]);
    assert_eq!(fixture.status(&key())["schemaHistory"]["revision"], 4);
}

#[tokio::test]
async fn a_change_of_format_assertion_is_a_version() {
    let fixture = synced(declared("integer")).await;

    fixture.edit(&key(), |it| {
        it["spec"]["formatAssertion"] = false.into();
        it["metadata"]["generation"] = 2.into();
    });
    fixture.reconcile(&key()).await;

    assert_eq!(numbers(&fixture), [1, 2]);
}

#[tokio::test]
async fn a_description_is_no_version() {
    let fixture = synced(declared("integer")).await;

    fixture.declare(declared("integer").with("description", "other"));
    fixture.reconcile(&key()).await;

    assert_eq!(numbers(&fixture), [1]);
    assert_eq!(fixture.ctx.host.revision_lists(), 0);
}

#[tokio::test]
async fn what_svix_does_not_have_is_no_version() {
    let enforced = declared("integer").with("compatibility", json!({"action": "Enforce"}));
    let fixture = synced(enforced).await;

    publish_all(&fixture, &["string"]).await;

    assert_eq!(fixture.reason(&key()), "BreakingChange");
    assert_eq!(numbers(&fixture), [1]);
}

#[tokio::test]
async fn an_observed_event_type_has_no_history() {
    let fixture = declaring(declared("integer").with("managementPolicy", "Observe")).await;

    fixture.reconcile(&key()).await;

    assert_eq!(revisions(&fixture), []);
    assert_eq!(fixture.status(&key()).get("schemaHistory"), None);
}

#[tokio::test]
async fn without_a_schema_there_is_no_history() {
    let fixture = synced(event_type("a.one").changed(|it| it["spec"] = json!({}))).await;

    assert_eq!(fixture.reason(&key()), "InSync");
    assert_eq!(revisions(&fixture), []);
}

#[tokio::test]
async fn an_adopted_event_type_has_revision_one() {
    let fixture = beside(event_type("a.one"), "").await;

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.events(&key()), ["Adopted"]);
    assert_eq!(numbers(&fixture), [1]);
}

#[tokio::test]
async fn a_crash_before_status_writes_no_second_revision() {
    let fixture = declaring(declared("integer")).await;
    fixture.ctx.host.fail(Write::Report, HostError::Failed("500".to_owned()));
    fixture.reconcile(&key()).await;
    fixture.ctx.host.recover();

    fixture.reconcile(&key()).await;

    assert_eq!(numbers(&fixture), [1]);
    assert_eq!(fixture.status(&key())["schemaHistory"]["revision"], 1);
}

#[tokio::test]
async fn a_crash_before_the_revision_loses_none() {
    let fixture = synced(declared("integer")).await;
    fixture.ctx.host.fail(Write::Revision, HostError::Failed("500".to_owned()));
    publish(&fixture, &schema("number"));
    fixture.reconcile(&key()).await;
    assert_eq!(numbers(&fixture), [1]);
    fixture.ctx.host.recover();

    fixture.reconcile(&key()).await;

    assert_eq!(numbers(&fixture), [1, 2]);
}

#[tokio::test]
async fn what_a_crashed_pass_meant_to_write_is_no_version() {
    let fixture = declaring(declared("integer")).await;
    // Status, claim and revision of the first pass are lost, and the schema is changed meanwhile.
    fixture.ctx.host.fail(Write::Revision, HostError::Failed("500".to_owned()));
    fixture.ctx.host.fail(Write::Report, HostError::Failed("500".to_owned()));
    fixture.reconcile(&key()).await;
    fixture.ctx.host.recover();
    publish(&fixture, &schema("string"));

    fixture.reconcile(&key()).await;

    assert_eq!(numbers(&fixture), [1]);
    assert_eq!(revisions(&fixture)[0].comparison.result, ComparisonResult::First);
}

#[tokio::test]
async fn a_history_that_cannot_be_kept_delays_nothing() {
    let fixture = declaring(declared("integer")).await;
    for (error, next) in [
        (HostError::Forbidden("not allowed".to_owned()), Next::Later(std::time::Duration::from_secs(600))),
        (HostError::Refused("not valid".to_owned()), Next::Later(std::time::Duration::from_secs(600))),
        (HostError::Failed("no response".to_owned()), Next::Failed),
    ] {
        fixture.ctx.host.fail(Write::Revision, error.clone());

        assert_eq!(fixture.reconcile(&key()).await, next, "{error}");

        assert_eq!(fixture.reason(&key()), "InSync");
        let message = fixture.message(&key());
        assert!(message.contains("not kept") && message.contains(&error.to_string()), "{message}");
    }
    fixture.ctx.host.recover();
    fixture.reconcile(&key()).await;
    assert_eq!(fixture.message(&key()), "Svix holds what is declared");
}

#[tokio::test]
async fn a_rollback_is_the_old_revision_with_a_new_number() {
    let fixture = synced(declared("integer")).await;
    let first = revisions(&fixture)[0].name.clone();

    publish_all(&fixture, &["number", "integer"]).await;

    assert_eq!(numbers(&fixture), [2, 3]);
    assert_eq!(revisions(&fixture)[1].name, first);
}

#[tokio::test]
async fn versions_beyond_the_limit_are_removed() {
    let fixture = synced(declared("integer").with("revisionHistoryLimit", 2)).await;

    publish_all(&fixture, &["number", "string", "boolean"]).await;

    assert_eq!(numbers(&fixture), [3, 4]);
    assert_eq!(fixture.status(&key())["schemaHistory"]["kept"], 2);
}

#[tokio::test]
async fn a_smaller_limit_removes_what_is_kept() {
    let fixture = synced(declared("integer")).await;
    publish_all(&fixture, &["number", "string"]).await;

    for (limit, left) in [(1, vec![3]), (0, vec![])] {
        fixture.declare(declared("string").with("revisionHistoryLimit", limit));
        fixture.reconcile(&key()).await;
        assert_eq!(numbers(&fixture), left);
    }
    assert_eq!(fixture.status(&key())["schemaHistory"].get("revision"), None);

    let lists = fixture.ctx.host.revision_lists();
    fixture.reconcile(&key()).await;
    assert_eq!(fixture.ctx.host.revision_lists(), lists);
}

#[tokio::test]
async fn a_history_can_begin_later() {
    let fixture = synced(declared("integer").with("revisionHistoryLimit", 0)).await;
    assert_eq!(numbers(&fixture), Vec::<i64>::new());

    fixture.declare(declared("integer"));
    fixture.reconcile(&key()).await;

    assert_eq!(numbers(&fixture), [1]);
}

#[tokio::test]
async fn a_schema_that_is_too_large_has_only_a_digest() {
    // Examples are part of the schema in Svix.
    let fixture = synced(declared("integer")).await;
    let example =
        |name: usize| json!({"name": name.to_string(), "value": {"text": "x".repeat(MAX_SCHEMA / 5)}});
    let examples: Vec<_> = (0..5).map(example).collect();

    fixture.declare(declared("integer").with("examples", examples));
    fixture.reconcile(&key()).await;

    assert_eq!(fixture.reason(&key()), "InSync", "{}", fixture.message(&key()));
    let has_schema: Vec<_> = revisions(&fixture).iter().map(|revision| revision.has_schema).collect();
    assert_eq!(has_schema, [true, false]);
    // Nothing can be said about the one after it.
    fixture.declare(declared("number"));
    fixture.reconcile(&key()).await;
    assert_eq!(revisions(&fixture)[2].comparison.result, ComparisonResult::NotCompared);
}

fn against_all() -> Manifest {
    declared("integer").with("compatibility", json!({"action": "Enforce", "against": "All"}))
}

#[tokio::test]
async fn against_all_an_older_version_counts() {
    let fixture = synced(against_all()).await;
    let permit = |fixture: &Fixture| {
        let message = fixture.message(&key());
        let digest = message.split("allow-breaking: \"").nth(1).unwrap().split(' ').next().unwrap();
        let allowed = format!("{digest} agreed");
        fixture.edit(&key(), |it| {
            it["metadata"]["annotations"][crate::api::ALLOW_BREAKING_ANNOTATION] = allowed.into();
        });
    };
    publish_all(&fixture, &["number"]).await;
    permit(&fixture);
    fixture.reconcile(&key()).await;
    assert_eq!(numbers(&fixture), [1, 2]);

    // Safe for those who know the last version, and not for those who know the first one.
    let positive = json!({"type": "object", "properties": {"n": {"type": "number", "minimum": 0}}});
    publish(&fixture, &positive);
    fixture.reconcile(&key()).await;
    assert_eq!(fixture.reason(&key()), "BreakingChange");
    assert!(fixture.message(&key()).contains("that its revision 1 refused"), "{}", fixture.message(&key()));

    permit(&fixture);
    fixture.reconcile(&key()).await;
    assert_eq!(fixture.reason(&key()), "InSync");
    assert_eq!(numbers(&fixture), [1, 2, 3]);
}

#[tokio::test]
async fn against_all_a_removed_event_type_is_compared() {
    let fixture = synced(against_all()).await;
    fixture.by_hand("DELETE", "/event-type/a.one?expunge=true", Value::Null).await;
    fixture.connect("default").await;

    publish_all(&fixture, &["string"]).await;

    assert_eq!(fixture.reason(&key()), "BreakingChange");
    assert_eq!(fixture.writes(), Vec::<&str>::new());
}

#[tokio::test]
async fn against_last_no_history_is_read() {
    let fixture = synced(declared("integer").with("compatibility", json!({"action": "Enforce"}))).await;

    publish_all(&fixture, &["string"]).await;

    assert_eq!(fixture.reason(&key()), "BreakingChange");
    assert_eq!(fixture.ctx.host.revision_lists(), 0);
}

/// A version that is too large for a brief comparison, and permits only strings.
fn large() -> Value {
    json!({
        "type": "object", "description": "x".repeat(200_000), "properties": {"n": {"type": "string"}},
    })
}

/// The permit for what takes long.
async fn only_permit(fixture: &Fixture) -> Permit {
    fixture.ctx.judging.acquire(Caller::INTERNAL, "other").await
}

#[tokio::test]
async fn a_namespace_waits_for_long_work_in_one_task() {
    let fixture = synced(declared("integer")).await;
    let other = event_type("a.two").key();
    fixture.declare(event_type("a.two").with("schema", large()));
    publish(&fixture, &large());
    let (permit, key) = (only_permit(&fixture).await, key());

    let mut first = std::pin::pin!(fixture.reconcile(&key));
    let has_place = async {
        while !fixture.ctx.long_work.has_place(&key) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = &mut first => panic!("it does not wait for a permit"),
        () = has_place => {}
    }
    let next = fixture.reconcile(&other).await;
    assert!(matches!(next, Next::After(_)), "it waits without a task: {next:?}");

    drop(permit);
    first.await;
    assert!(fixture.woken().contains("a.two"));
    fixture.reconcile(&other).await;
    assert_eq!(fixture.reason(&other), "InSync");
    assert!(!fixture.ctx.long_work.has_place(&other));
}

#[tokio::test]
async fn a_small_change_does_not_wait_for_long_work() {
    let fixture = synced(against_all()).await;
    publish_all(&fixture, &["integer"]).await;
    let _permit = only_permit(&fixture).await;

    // It would wait forever.
    publish_all(&fixture, &["number"]).await;

    assert_eq!(fixture.reason(&key()), "BreakingChange");
}

#[tokio::test]
async fn kept_versions_are_read_without_a_permit() {
    let warned = declared("integer").with("compatibility", json!({"against": "All"}));
    let fixture = synced(warned).await;
    for schema in [large(), schema("integer")] {
        publish(&fixture, &schema);
        fixture.reconcile(&key()).await;
    }
    assert_eq!(numbers(&fixture), [2, 3]);
    let (permit, lists) = (only_permit(&fixture).await, fixture.ctx.host.revision_lists());
    publish(&fixture, &json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}));

    let key = key();
    let mut reconcile = std::pin::pin!(fixture.reconcile(&key));
    let listed = async {
        while fixture.ctx.host.revision_lists() == lists {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = &mut reconcile => panic!("it does not wait for a permit"),
        () = listed => {}
    }
    drop(permit);
    reconcile.await;

    let events = fixture.ctx.host.events(&key);
    let warning = events.iter().rfind(|event| event.reason == "BreakingChange").unwrap();
    assert!(warning.message.contains("revision 2"), "{}", warning.message);
}
