//! What `dev` reports: a row for each object, and what is wrong with a folder.

use super::*;

#[test]
fn objects_not_in_sync_have_a_reason_and_an_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.json", &[event_type("a.good"), endpoint("waits", &["a.none"])]);
    write(dir.path(), "b.yaml", &[event_type("a.bad").with("schema", json!({"type": "strin"}))]);
    std::fs::write(dir.path().join("c.yaml"), "kind: [").unwrap();
    let output = once(&[dir.path().to_str().unwrap(), "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = |name: &str| {
        let all = ["objects", "files"].map(|list| report[list].as_array().unwrap().clone()).concat();
        let object = all.iter().find(|object| object["name"].as_str().unwrap().ends_with(name));
        object.unwrap_or_else(|| panic!("{name} is not in {report}"))["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason("a.good"), "InSync");
    assert_eq!(reason("waits"), "WaitingForEventType");
    assert_eq!(reason("a.bad"), "InvalidSchema");
    assert_eq!(reason("c.yaml"), "InvalidManifest");
    assert_eq!(once(&["/nowhere/at/all"]).status.code(), Some(2));
    write(dir.path(), "a.json", &[event_type("a.good"), endpoint("waits", &["a.goood"])]);
    let text = String::from_utf8(once(&[dir.path().to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("not in Svix yet: a.goood; did you mean a.good?"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observed_objects_that_differ_are_not_in_sync() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let one = || event_type("a.one").with("description", "first");
    let hook = || endpoint("hook", &["a.one"]);
    write(dir.path(), "a.yaml", &[one(), event_type("a.two"), hook()]);
    assert_eq!(report(dir.path(), Some(&OtherSvix::of(&svix))).await.0, Some(0));
    let observed = one().with("description", "second").with("managementPolicy", "Observe");
    let suspended = hook().with("description", "second").with("suspend", true);
    write(dir.path(), "a.yaml", &[observed, event_type("a.two"), suspended]);
    let (code, report) = report(dir.path(), Some(&OtherSvix::of(&svix))).await;
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!((&report["total"], &report["inSync"], &report["differs"]), (&json!(4), &json!(2), &json!(2)));
    let (one, hook) = (row(&report, "a.one"), row(&report, "hook"));
    assert_eq!((&one["state"], &hook["state"]), (&json!("Differs"), &json!("Differs")));
    let messages = ["a.one", "hook"].map(|name| row(&report, name)["message"].as_str().unwrap().to_owned());
    assert!(messages[0].contains("description is \"first\" in Svix, declared \"second\""), "{messages:?}");
    assert!(messages[1].contains(", declared \"second\""), "{messages:?}");
    assert_eq!(hook["difference"]["fields"][0]["field"], "description", "{hook:#}");
    assert_eq!(hook["difference"]["fields"][0]["declared"], "\"second\"", "{hook:#}");
    let text = String::from_utf8(once_at(dir.path(), &svix).await.stdout).unwrap();
    assert!(text.ends_with("4 objects: 2 in sync, 2 differ\n"), "{text}");
    assert_eq!(svix.snapshot().event_types["a.one"].description, "first");
}

#[tokio::test]
async fn a_folder_without_our_manifests_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = || once(&[dir.path().to_str().unwrap()]);
    let stderr = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(run().status.code(), Some(2));
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n";
    std::fs::write(dir.path().join("a.yaml"), deployment).unwrap();
    let output = run();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no manifest of svix-operator.dev in "), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("(1 file read, 1 object of other kinds left out)"),
        "{}",
        stderr(&output)
    );
    assert!(output.stdout.is_empty());
    // With one of our manifests, the others are counted, and the added connection says so
    write(dir.path(), "b.yaml", &[event_type("a.one")]);
    let output = run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.ends_with("2 objects: 2 in sync; 1 object of other kinds left out\n"), "{text}");
    let connection = text.lines().find(|line| line.starts_with("SvixConnection")).unwrap();
    assert!(connection.ends_with("Connected (added by dev)"), "{text}");
    // Without --once, an empty folder is a warning
    std::fs::remove_file(dir.path().join("b.yaml")).unwrap();
    let mut child = Command::new(PROGRAM)
        .arg("dev")
        .arg(dir.path())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("warning: no manifest of svix-operator.dev in "), "{line}");
}

#[tokio::test]
async fn an_object_with_mistakes_is_one_row() {
    let dir = tempfile::tempdir().unwrap();
    let head = "apiVersion: svix-operator.dev/v1alpha1\nkind: ";
    let manifests = format!(
        "{head}WebhookEndpoint\nmetadata: {{name: misspelled}}\nspec:\n  uri: https://a.example\n  eventTypes: [a.one]\n\
         ---\n{head}WebhookEventType\nmetadata: {{name: a.bad}}\nspec:\n  schema:\n    type: strin\n\
         ---\n{head}WebhookEventType\nmetadata: {{name: a.text}}\nspec:\n  schemaText: |\n    {{\n      \"type\": ]\n    }}\n\
         ---\n{head}WebhookEndpoint\nmetadata: {{name: secret}}\nspec:\n  eventTypes: [a.one]\n  urlFrom:\n    \
         secretKeyRef: {{name: none, key: url}}\n\
         ---\n{head}WebhookEndpoint\nmetadata: {{name: address}}\nspec:\n  url: a.example/hook\n  eventTypes: [a.one]\n\
         ---\n{head}WebhookEventType\nmetadata: {{name: a.one}}\nspec: {{schema: {{}}}}\n"
    );
    let file = dir.path().join("a.yaml");
    std::fs::write(&file, manifests).unwrap();
    std::fs::write(dir.path().join("b.yaml"), "kind: [").unwrap();
    let (code, report) = report(dir.path(), None).await;
    assert_eq!(code, Some(1));
    assert_eq!((&report["total"], &report["files"].as_array().unwrap().len()), (&json!(7), &1), "{report:#}");
    let file = file.to_str().unwrap();
    for (name, line, pointer, beginning) in [
        ("misspelled", 4, "/spec", "4:1: /spec: exactly one of url and urlFrom must be given; "),
        ("a.bad", 13, "/spec/schema/type", "13: /spec/schema/type: "),
        (
            "a.text",
            19,
            "/spec/schemaText",
            "19: /spec/schemaText: /type: found text that is not JSON: found ], expected a value: true, false, null, a \
             number, a text in double quotes, a list or an object (line 2, column 11 of that text)",
        ),
        (
            "secret",
            30,
            "/spec/urlFrom/secretKeyRef",
            "30: /spec/urlFrom/secretKeyRef: Secret default/none is not there",
        ),
        (
            "address",
            36,
            "/spec/url",
            "36:3: /spec/url: found a text without http:// or https:// at its beginning; expected an absolute http or https URL",
        ),
    ] {
        let row = row(&report, name);
        assert_eq!(
            (&row["file"], &row["line"], &row["pointer"]),
            (&json!(file), &json!(line), &json!(pointer)),
            "{row:#}"
        );
        let message = row["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{file}:{beginning}")), "{message}");
    }
    assert_eq!(row(&report, "misspelled")["details"].as_array().unwrap().len(), 2);
    let text = String::from_utf8(once(&[dir.path().to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("7 objects: 2 in sync, 5 problems; 1 file not read in full\n"), "{text}");
    assert_eq!(text.matches("misspelled").count(), 1, "{text}");
    assert!(
        text.contains(&format!("\n    {file}:5:3: /spec/uri: there is no such field; did you mean url?\n")),
        "{text}"
    );
}

#[tokio::test]
async fn a_missing_connection_names_the_declared_ones() {
    // Given a folder whose only connection has another name than the one that objects use
    let dir = tempfile::tempdir().unwrap();
    let connection = "apiVersion: svix-operator.dev/v1alpha1\nkind: SvixConnection\nmetadata: {name: prod}\n\
                      spec: {tokenSecretRef: {name: t, key: k}, ownerId: o}\n";
    std::fs::write(dir.path().join("c.yaml"), connection).unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one"), event_type("a.two")]);

    // When it is reconciled
    let (code, result) = report(dir.path(), None).await;

    // Then no connection is added, and the objects name the declared one, and say what to do
    assert_eq!(code, Some(1));
    let message = row(&result, "a.one")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("declares prod") && message.contains("spec.connectionRef.name"), "{message}");
    assert!(!result.to_string().contains("madeUp"), "{result:#}");
}

#[tokio::test]
async fn objects_wait_for_a_connection_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one"), event_type("a.two")]);

    let (code, result) = report(dir.path(), Some(&OtherSvix::nowhere())).await;

    assert_eq!(code, Some(1));
    assert_eq!(row(&result, "default")["madeUp"], json!(true));
    assert_eq!(row(&result, "a.one")["message"], json!("waits for SvixConnection default"), "{result:#}");
    assert_eq!(row(&result, "default")["reason"], json!("SvixUnavailable"), "{result:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_loses_an_object_is_reported() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);
    write(dir.path(), "b.yaml", &[endpoint("hook", &["a.one"])]);
    let (_child, printed) = start(dir.path(), Some(&OtherSvix::of(&svix)));
    wait_for_output(&printed, "Ctrl-C ends.").await;
    // When the API group has a mistake, then nothing is deleted
    let good = std::fs::read_to_string(dir.path().join("b.yaml")).unwrap();
    std::fs::write(dir.path().join("b.yaml"), good.replace("svix-operator.dev", "svix-operator.io")).unwrap();
    wait_for_output(&printed, "did you mean svix-operator.dev/v1alpha1?").await;
    wait_for_output(&printed, "3 objects: 2 in sync, 1 problem\n").await;
    assert!(svix.snapshot().endpoint("default", "dev.default.hook").is_some());
    std::fs::write(dir.path().join("b.yaml"), good).unwrap();
    wait_for_output(&printed, "3 objects: 3 in sync\n").await;
    // When an event type is not declared any more, then the endpoint that names it says so
    std::fs::remove_file(dir.path().join("a.yaml")).unwrap();
    wait_for_output(&printed, "a.one is not declared any more, and this endpoint still names it").await;
}
