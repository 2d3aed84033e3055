//! ControllerRevisions on an API server that says what the test wants.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::Value;

use super::{
    stored::{PUBLISHED_AT_ANNOTATION, VERDICT_ANNOTATION},
    *,
};
use crate::{
    controller::scripted::Script,
    plan::{
        digest::Digest,
        revision::{Comparison, ComparisonResult},
    },
};

const OWNER: RevisionOwner<'static> = RevisionOwner { namespace: "ns", uid: "u" };

fn reference() -> OwnerReference {
    OwnerReference {
        api_version: "svix-operator.dev/v1alpha1".to_owned(),
        kind: "WebhookEventType".to_owned(),
        name: "a.one".to_owned(),
        uid: "u".to_owned(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

fn sample(number: i64) -> Revision {
    Revision {
        name: format!("a.one-{number}"),
        number,
        digest: Digest::of_text(&number.to_string()).to_string(),
        published_at: Some("2026-05-02T10:00:00Z".parse().unwrap()),
        comparison: Comparison {
            result: ComparisonResult::Safe,
            level: Some(crate::schema::evolution::Level::Full),
        },
        has_schema: true,
    }
}

fn schema() -> Published {
    Published { schema: r#"{"maximum":1e30}"#.to_owned(), format_assertion: false }
}

fn created(revision: Revision) -> RevisionWrite {
    let published = revision.has_schema.then(schema);
    RevisionWrite::Create { revision, published }
}

/// What the API server stores of the request that created a revision.
fn stored(request: &str) -> Value {
    let (_, body) = request.split_once(" {").unwrap();
    serde_json::from_str(&format!("{{{body}")).unwrap()
}

/// A revision as it is stored.
async fn stored_revision(revision: Revision) -> Value {
    let script = Script::of([(201, json!({}))]);
    write(&script.client(), OWNER, reference(), created(revision)).await.unwrap();
    stored(&script.requests()[0])
}

fn page_of(items: &[Value], token: &str) -> (u16, Value) {
    (200, json!({"metadata": {"continue": token}, "items": items}))
}

#[tokio::test]
async fn a_revision_is_read_as_it_was_written() {
    let mut without_schema = sample(2);
    without_schema.has_schema = false;
    let items = [stored_revision(without_schema.clone()).await, stored_revision(sample(1)).await];

    let found = list(&Script::of([page_of(&items, "")]).client(), OWNER).await.unwrap();

    assert_eq!(found, [sample(1), without_schema]);
}

#[tokio::test]
async fn the_schema_keeps_its_digits() {
    let item = stored_revision(sample(1)).await;

    let found = published(&Script::of([(200, item)]).client(), OWNER, "a.one-1").await.unwrap();

    let value = |published: &Published| serde_json::from_str::<Value>(&published.schema).unwrap();
    assert_eq!(found.as_ref().map(value), Some(value(&schema())));
    assert!(found.is_some_and(|found| !found.format_assertion));
}

#[tokio::test]
async fn a_revision_belongs_to_the_event_type() {
    let item = stored_revision(sample(1)).await;

    assert_eq!(item["metadata"]["labels"][EVENT_TYPE_UID_LABEL], "u");
    let owners = json!([{
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType", "name": "a.one", "uid": "u",
        "controller": true,
    }]);
    assert_eq!(item["metadata"]["ownerReferences"], owners);
}

#[tokio::test]
async fn a_label_alone_makes_no_revision() {
    let mut foreign = stored_revision(sample(7)).await;
    foreign["metadata"]["ownerReferences"] = Value::Null;
    let mut other = stored_revision(sample(8)).await;
    other["metadata"]["ownerReferences"][0]["uid"] = "other".into();
    // Anything may be the data of somebody else's.
    other["data"] = json!([1]);
    let items = [foreign.clone(), other, stored_revision(sample(1)).await];

    let found = list(&Script::of([page_of(&items, "")]).client(), OWNER).await.unwrap();
    let read = published(&Script::of([(200, foreign)]).client(), OWNER, "a.one-7").await.unwrap();

    assert_eq!(found, [sample(1)]);
    assert_eq!(read, None);
}

#[tokio::test]
async fn what_somebody_edited_counts_as_not_known() {
    let mut edited = stored_revision(sample(1)).await;
    for annotation in [PUBLISHED_AT_ANNOTATION, VERDICT_ANNOTATION, LEVEL_ANNOTATION] {
        edited["metadata"]["annotations"][annotation] = "\u{1b}[31m".into();
    }

    let found = list(&Script::of([page_of(&[edited], "")]).client(), OWNER).await.unwrap();

    let comparison = Comparison::without_level(ComparisonResult::NotCompared);
    assert_eq!(found, [Revision { published_at: None, comparison, ..sample(1) }]);
}

#[tokio::test]
async fn all_pages_are_read() {
    let (one, two) = (stored_revision(sample(1)).await, stored_revision(sample(2)).await);
    let script = Script::of([page_of(&[two], "next"), page_of(&[one], "")]);

    let found = list(&script.client(), OWNER).await.unwrap();

    assert_eq!(found, [sample(1), sample(2)]);
    let requests = script.requests();
    assert!(
        requests[0].contains("labelSelector=svix-operator.dev%2Fevent-type-uid%3Du&limit=5"),
        "{requests:?}"
    );
    assert!(requests[1].contains("continue=next"), "{requests:?}");
}

#[tokio::test]
async fn a_list_without_an_end_is_left() {
    let item = stored_revision(sample(1)).await;
    let script = Script::answered_by(move |_, _| page_of(std::slice::from_ref(&item), "again"));

    let found = list(&script.client(), OWNER).await.unwrap();
    let kept = kept_versions(&script.client(), OWNER).await.unwrap();

    assert_eq!((found.len(), kept.versions.len()), (MOST_PAGES, MOST_PAGES));
    assert_eq!(kept.missing.len(), 1);
}

#[tokio::test]
async fn the_last_kept_version_is_first() {
    let mut large = sample(3);
    large.has_schema = false;
    let items =
        [stored_revision(sample(1)).await, stored_revision(large).await, stored_revision(sample(2)).await];

    let kept = kept_versions(&Script::of([page_of(&items, "")]).client(), OWNER).await.unwrap();

    assert_eq!(kept.versions.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(kept.missing, ["the schema of revision 3 is not kept"]);
}

#[tokio::test]
async fn more_than_can_be_compared_is_said() {
    let mut item = stored_revision(sample(1)).await;
    item["data"]["schema"] = json!({"description": "x".repeat(MAX_COMPARED / 4)});
    let script = Script::answered_by(move |_, _| page_of(&vec![item.clone(); 5], "more"));

    let kept = kept_versions(&script.client(), OWNER).await.unwrap();

    assert_eq!(script.requests().len(), 1);
    assert_eq!(kept.missing, ["the revisions are too large together to be compared at once"]);
}

#[tokio::test]
async fn a_revision_of_a_crashed_pass_is_taken() {
    let script = Script::of([
        (409, Value::Null),
        (200, stored_revision(sample(1)).await),
        (200, json!({"metadata": {}})),
    ]);

    write(&script.client(), OWNER, reference(), created(sample(1))).await.unwrap();

    assert!(script.requests()[2].starts_with("PATCH "), "{:?}", script.requests());
}

#[tokio::test]
async fn a_revision_of_somebody_else_is_left_alone() {
    let mut foreign = stored_revision(sample(1)).await;
    foreign["metadata"]["ownerReferences"] = Value::Null;
    let script = Script::of([(409, Value::Null), (200, foreign)]);

    let error = write(&script.client(), OWNER, reference(), created(sample(1))).await.unwrap_err();

    assert!(matches!(&error, HostError::Refused(message) if message.contains("ns/a.one-1")), "{error}");
}

#[tokio::test]
async fn a_new_number_changes_no_data() {
    let script = Script::of([(200, json!({"metadata": {}}))]);
    let revision =
        Revision { comparison: Comparison::without_level(ComparisonResult::NotCompared), ..sample(9) };

    write(&script.client(), OWNER, reference(), RevisionWrite::Renumber(revision)).await.unwrap();

    let patch = stored(&script.requests()[0]);
    assert_eq!((&patch["revision"], patch.get("data")), (&json!(9), None));
    // The level of the verdict before is removed.
    assert_eq!(patch["metadata"]["annotations"].get(LEVEL_ANNOTATION), Some(&Value::Null));
}

#[tokio::test]
async fn deleted_already_is_deleted() {
    delete(&Script::of([(404, Value::Null)]).client(), "ns", "a.one-1").await.unwrap();
}

#[tokio::test]
async fn failures_say_what_can_be_done() {
    for (code, expected) in [
        (403, "allow the operator to write ControllerRevisions"),
        (422, "ControllerRevision ns/a.one-1 cannot be written"),
        (500, "ControllerRevision ns/a.one-1 cannot be written"),
    ] {
        let script = Script::of([(code, json!("no"))]);

        let error = write(&script.client(), OWNER, reference(), created(sample(1))).await.unwrap_err();

        assert!(error.to_string().contains(expected), "{code}: {error}");
        let is_transient = matches!(error, HostError::Failed(_));
        assert_eq!(is_transient, code == 500, "{error:?}");
    }
}

#[tokio::test]
async fn a_review_goes_on_without_revisions() {
    let event_type = EventTypeId { namespace: "ns".to_owned(), uid: "u".to_owned() };
    let history = ClusterHistory(Script::of([(403, json!("no"))]).client());

    let kept = history.kept_versions(&event_type).await;

    assert!(kept.versions.is_empty() && kept.missing[0].contains("cannot be read: no"), "{kept:?}");
}
