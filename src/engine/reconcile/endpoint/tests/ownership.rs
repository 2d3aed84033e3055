//! Whose an endpoint in Svix is, and what is adopted.

use super::*;

#[tokio::test]
async fn what_is_equal_and_has_no_owner_is_adopted() {
    let fixture = declaring(hook()).await;
    somebody_creates(&fixture, json!({"uid": UID})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), vec!["endpoint.patch"]));
    assert_eq!(fixture.events(&key()), ["Adopted"]);
    assert_eq!(fixture.endpoint_in_svix(UID).unwrap().metadata[OWNER], "test/default/hook");
}

#[tokio::test]
async fn what_differs_and_has_no_owner_is_left_alone() {
    let fixture = declaring(hook().with("description", "mine")).await;
    somebody_creates(&fixture, json!({"uid": UID, "description": "theirs"})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("NotOurs".to_owned(), Vec::new()));
}

#[tokio::test]
async fn what_another_owner_marked_is_left_alone() {
    for adoption in ["Match", "Override"] {
        let fixture = declaring(hook().with("adoption", adoption)).await;
        somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "other/default/hook"}})).await;

        fixture.reconcile(&key()).await;

        assert_eq!((fixture.reason(&key()), fixture.writes()), ("NotOurs".to_owned(), Vec::new()));
    }
}

#[tokio::test]
async fn its_own_mark_makes_it_ours_without_status() {
    let fixture = declaring(hook().with("adoption", "Never")).await;
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/default/hook"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), Vec::new()));
}

#[tokio::test]
async fn the_mark_of_an_object_that_is_gone_is_ours() {
    let fixture = declaring(hook().with("adoption", "Never")).await;
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/default/renamed"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), vec!["endpoint.patch"]));
}

#[tokio::test]
async fn the_mark_of_an_object_that_exists_is_not() {
    let fixture = declaring(hook().with("adoption", "Override")).await;
    fixture.declare(endpoint("other"));
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/default/other"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Conflict".to_owned(), Vec::new()));
}

#[tokio::test]
async fn the_mark_of_an_object_that_cannot_be_decoded_is_not() {
    let fixture = declaring(hook().with("adoption", "Override")).await;
    fixture.ctx.undecodable.lock().insert(endpoint("other").key());
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/default/other"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Conflict".to_owned(), Vec::new()));
}

#[tokio::test]
async fn the_mark_of_a_namespace_that_is_not_seen_is_not() {
    let namespaces = Some(BTreeSet::from(["default".to_owned()]));
    let options = Options { namespaces, settle: Duration::ZERO, ..Options::default() };
    let fixture = within(Fixture::with_options(options), hook().with("adoption", "Override")).await;
    somebody_creates(&fixture, json!({"uid": UID, "metadata": {OWNER: "test/elsewhere/gone"}})).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("Conflict".to_owned(), Vec::new()));
}

#[tokio::test]
async fn an_endpoint_is_adopted_by_its_id() {
    let fixture = declaring(hook()).await;
    let id = somebody_creates(&fixture, json!({})).await;
    fixture.edit(&key(), |it| it["metadata"]["annotations"][ADOPT_ID_ANNOTATION] = id.as_str().into());

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), vec!["endpoint.patch"]));
    assert_eq!(fixture.status(&key())["svix"]["id"], id);
}

#[tokio::test]
async fn an_id_that_is_not_there_creates_nothing() {
    let fixture = declaring(hook().annotated(ADOPT_ID_ANNOTATION, "ep_nobody")).await;

    fixture.reconcile(&key()).await;

    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InvalidSpec".to_owned(), Vec::new()));
    assert!(fixture.message(&key()).contains("ep_nobody"));
}
