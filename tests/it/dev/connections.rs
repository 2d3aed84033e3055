//! A connection with a mistake, and one that is removed.

use super::*;

const CONNECTION: &str = "apiVersion: svix-operator.dev/v1alpha1\nkind: SvixConnection\nmetadata: {name: default}\n\
                          spec: {ownerId: o, tokenSecretRef: {name: t, key: k}, managementPolicy: Observe}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_while_a_connection_is_broken() {
    let svix = svix_server::start().await;
    let other = OtherSvix::of(&svix);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one"), endpoint("hook", &["a.one"])]);
    for broken in [
        CONNECTION.replace("managementPolicy", "managementPolcy"),
        CONNECTION.replace("managementPolicy: Observe", "suspend: yes please"),
        CONNECTION.replace("Observe}", "Observe"),
        CONNECTION.replace("v1alpha1", "v1"),
        CONNECTION.replace("svix-operator.dev", "operators.example.org"),
        CONNECTION.replace("ownerId: o", "ownerId: o, ownerId: p"),
        CONNECTION.replace("{name: default}", "{name: deflaut}"),
        format!("{CONNECTION}---\n{CONNECTION}"),
    ] {
        std::fs::write(dir.path().join("c.yaml"), &broken).unwrap();

        let (code, result) = report(dir.path(), Some(&other)).await;

        assert_eq!(code, Some(1), "{broken}");
        let hook = row(&result, "hook");
        assert_eq!((&hook["reason"], &hook["state"]), (&json!("ConnectionNotFound"), &json!("Waiting")));
        let message = hook["message"].as_str().unwrap();
        assert!(message.contains("c.yaml:") || message.contains("deflaut"), "{message}");
        assert!(message.contains("correct ") || message.contains("set spec.connectionRef.name"), "{message}");
        let stored = svix.snapshot();
        assert!(stored.event_types.is_empty() && stored.endpoint("default", "dev.default.hook").is_none());
    }

    std::fs::remove_file(dir.path().join("c.yaml")).unwrap();
    std::fs::write(dir.path().join("d.yaml"), b"\xff").unwrap();
    let (_, result) = report(dir.path(), Some(&other)).await;
    assert!(row(&result, "hook")["message"].as_str().unwrap().contains("d.yaml"), "{result:#}");
    assert!(svix.snapshot().event_types.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_added_connection_ends_when_one_may_be_declared() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);
    let (_child, printed) = start(dir.path(), Some(&OtherSvix::of(&svix)));
    wait_for_output(&printed, "2 objects: 2 in sync\n").await;

    std::fs::write(dir.path().join("c.yaml"), CONNECTION.replace("Observe", "Obverse")).unwrap();
    wait_for_output(&printed, "2 objects: 1 waiting, 1 problem\n").await;
    write(dir.path(), "b.yaml", &[event_type("a.two")]);
    wait_for_output(&printed, "3 objects: 2 waiting, 1 problem\n").await;

    assert!(!svix.snapshot().event_types.contains_key("a.two"));

    std::fs::write(dir.path().join("c.yaml"), CONNECTION.replace("Observe", "Manage")).unwrap();
    wait_for_output(&printed, "3 objects: 3 in sync\n").await;
    assert!(svix.snapshot().event_types.contains_key("a.two"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_removed_with_its_objects_cleans_up() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let all = [connection(&svix.url()), event_type("a.one"), endpoint("hook", &["a.one"])];
    write(dir.path(), "a.yaml", &all);
    let (_child, printed) = start(dir.path(), Some(&OtherSvix::of(&svix)));
    wait_for_output(&printed, "3 objects: 3 in sync\n").await;
    assert!(svix.snapshot().endpoint("default", "test.default.hook").is_some());

    std::fs::remove_file(dir.path().join("a.yaml")).unwrap();

    eventually("the endpoint is deleted", Duration::from_secs(20), async || {
        match svix.snapshot().endpoint("default", "test.default.hook") {
            None => Ok(()),
            Some(_) => Err(printed.lock().unwrap().clone()),
        }
    })
    .await;
    wait_for_output(&printed, "0 objects\n").await;
    // A connection is added again to what comes later.
    write(dir.path(), "b.yaml", &[event_type("a.two")]);
    wait_for_output(&printed, "2 objects: 2 in sync\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_connection_stays_until_nothing_uses_it() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "c.yaml", &[connection(&svix.url())]);
    write(dir.path(), "a.yaml", &[event_type("a.one"), endpoint("hook", &["a.one"])]);
    let (_child, printed) = start(dir.path(), Some(&OtherSvix::of(&svix)));
    wait_for_output(&printed, "3 objects: 3 in sync\n").await;

    std::fs::remove_file(dir.path().join("c.yaml")).unwrap();
    wait_for_output(
        &printed,
        "removed from the folder, and still used by WebhookEventType default/a.one, WebhookEndpoint default/hook: ",
    )
    .await;
    wait_for_output(&printed, "3 objects: 2 in sync, 1 problem\n").await;
    assert!(!printed.lock().unwrap().contains("NotOurs"));

    std::fs::remove_file(dir.path().join("a.yaml")).unwrap();
    wait_for_output(&printed, "0 objects\n").await;
    assert!(svix.snapshot().endpoint("default", "test.default.hook").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_namespace_loses_its_labels() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let rules = json!([{"namespaces": {"matchLabels": {"team": "a"}}, "eventTypes": ["a.*"]}]);
    let namespace = Manifest(
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"team": "a"}}}),
    );
    write(dir.path(), "a.yaml", &[connection(&svix.url()).with("access", rules), event_type("a.one")]);
    write(dir.path(), "n.yaml", &[namespace]);
    let (_child, printed) = start(dir.path(), Some(&OtherSvix::of(&svix)));
    wait_for_output(&printed, "2 objects: 2 in sync\n").await;

    std::fs::remove_file(dir.path().join("n.yaml")).unwrap();

    wait_for_output(&printed, "namespace \"default\" may not declare event type \"a.one\"").await;
}

/// Runs `send --from` for an event type of a folder, without a server.
fn send(dir: &Path) -> Output {
    let payload = dir.join("payload.txt");
    std::fs::write(&payload, "{}").unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["send", "a.one", "--dry-run", "-f"]).arg(payload).arg("--from").arg(dir).output().unwrap()
}

#[test]
fn an_event_is_not_sent_through_a_broken_connection() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);
    assert_eq!(send(dir.path()).status.code(), Some(0));
    for broken in
        [CONNECTION.replace("ownerId", "owner"), CONNECTION.replace("name: default", "name: production")]
    {
        std::fs::write(dir.path().join("c.yaml"), &broken).unwrap();

        let output = send(dir.path());

        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("error: --from: ") && stderr.contains("--connection"), "{stderr}");
    }
}
