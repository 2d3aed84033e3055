//! Secrets that a signing key was written to before, and labels that a spec stopped naming.

use super::*;

fn published(to: Value) -> Manifest {
    hook().with("signingSecret", json!({ "toSecret": to }))
}

fn key_in_svix(fixture: &Fixture) -> Option<String> {
    fixture.endpoint_in_svix(UID).map(|endpoint| endpoint.secret)
}

#[tokio::test]
async fn another_secret_takes_the_key_from_the_first() {
    let fixture = synced(published(json!({"name": "keys"}))).await;
    fixture.declare(published(json!({"name": "others"})));

    fixture.reconcile(&key()).await;

    let host = &fixture.ctx.host;
    assert_eq!(host.secret_value("others", "signingKey"), key_in_svix(&fixture));
    assert_eq!(host.secret_value("keys", "signingKey"), None);
    assert_eq!((fixture.reason(&key()), fixture.writes()), ("InSync".to_owned(), Vec::new()));
}

#[tokio::test]
async fn another_entry_replaces_the_first() {
    let fixture = synced(published(json!({"name": "keys"}))).await;
    fixture.declare(published(json!({"name": "keys", "key": "other"})));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.ctx.host.secret_entries("keys"), ["other"]);
    assert_eq!(fixture.ctx.host.secret_value("keys", "other"), key_in_svix(&fixture));
}

#[tokio::test]
async fn a_secret_that_is_not_written_to_any_more_loses_the_key() {
    let fixture = synced(published(json!({"name": "keys"}))).await;
    fixture.declare(hook());

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.ctx.host.secret_entries("keys"), [""; 0]);
}

#[tokio::test]
async fn other_entries_of_a_former_secret_stay() {
    let fixture = synced(published(json!({"name": "keys"}))).await;
    fixture.ctx.host.set_secret("keys", "mine", "value");
    fixture.declare(published(json!({"name": "others"})));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.ctx.host.secret_entries("keys"), ["mine"]);
}

#[tokio::test]
async fn a_crash_between_two_names_leaves_no_key_behind() {
    // Given a key in a second Secret that status does not know
    let fixture = synced(published(json!({"name": "first"}))).await;
    fixture.declare(published(json!({"name": "second"})));
    fixture.ctx.host.fail(Write::Report, HostError::Failed("crash".to_owned()));
    fixture.reconcile(&key()).await;
    fixture.ctx.host.recover();
    assert!(fixture.ctx.host.secret_value("second", "signingKey").is_some());

    for name in ["third", "first"] {
        // When the spec names another one, or the first again
        fixture.declare(published(json!({ "name": name })));
        fixture.reconcile(&key()).await;

        // Then only that one has it.
        for other in ["first", "second", "third"] {
            assert_eq!(
                fixture.ctx.host.secret_value(other, "signingKey").is_some(),
                other == name,
                "{name}: {other}"
            );
        }
    }
}

#[tokio::test]
async fn a_crash_before_the_secret_is_unnamed_leaves_no_key() {
    let published_at_first = declaring(published(json!({"name": "keys"}))).await;
    let published_later = synced(hook()).await;
    published_later.declare(published(json!({"name": "keys"})));
    for fixture in [published_at_first, published_later] {
        // Given a key in a Secret, and a process that ended before status said so
        fixture.ctx.host.fail_after(Write::Report, 1, HostError::Failed("crash".to_owned()));
        fixture.reconcile(&key()).await;
        fixture.ctx.host.recover();
        assert!(fixture.ctx.host.secret_value("keys", "signingKey").is_some());

        // When the spec writes it nowhere any more, be it only compared meanwhile
        fixture.declare(hook().with("managementPolicy", json!("Observe")));
        fixture.reconcile(&key()).await;
        fixture.declare(hook());
        fixture.reconcile(&key()).await;

        // Then the Secret has no key, and status says nothing of one.
        assert_eq!(fixture.ctx.host.secret_entries("keys"), [""; 0]);
        assert_eq!(fixture.status(&key())["signingKey"], json!(null));
    }
}

#[tokio::test]
async fn a_key_is_written_only_after_status_says_so() {
    let fixture = declaring(published(json!({"name": "keys"}))).await;
    fixture.ctx.host.fail(Write::Report, HostError::Failed("crash".to_owned()));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.ctx.host.secret_entries("keys"), [""; 0]);
}

#[tokio::test]
async fn a_label_that_the_spec_stops_naming_is_removed() {
    let labels = json!({"team": "billing", "stage": "test"});
    let fixture = synced(published(json!({"name": "keys", "labels": labels}))).await;
    fixture.ctx.host.label_secret("keys", "theirs", "value");
    fixture.declare(published(json!({"name": "keys", "labels": {"team": "payments"}})));

    fixture.reconcile(&key()).await;

    let labels = fixture.ctx.host.secret_labels("keys");
    let shown: Vec<_> = ["team", "stage", "theirs"].map(|name| labels.get(name).map(String::as_str)).into();
    assert_eq!(shown, [Some("payments"), None, Some("value")]);
}

#[tokio::test]
async fn a_secret_in_sync_is_not_written_again() {
    let fixture = synced(published(json!({"name": "keys", "labels": {"team": "billing"}}))).await;
    let writes = fixture.ctx.host.writes(&key()).len();

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.ctx.host.writes(&key()).len(), writes);
}

#[tokio::test]
async fn a_key_that_is_replaced_by_one_from_a_secret_is_removed() {
    let fixture = synced(published(json!({"name": "keys"}))).await;
    fixture.ctx.host.set_secret("given", "key", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    fixture.declare(hook().with("signingSecret", json!({"fromSecret": {"name": "given", "key": "key"}})));

    fixture.reconcile(&key()).await;

    assert_eq!(fixture.ctx.host.secret_entries("keys"), [""; 0]);
    assert_eq!(fixture.ctx.host.secret_entries("given"), ["key"]);
}
