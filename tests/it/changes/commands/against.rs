//! What manifests are compared with in place of Svix: a commit, a folder, and what is declared elsewhere.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_declared_elsewhere() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    fs::remove_file(folder.path().join("m/connection.yaml")).unwrap();

    let missing = folder.on(&svix, &["diff", "m"]).await;
    let named = folder.on(&svix, &["apply", "m", "--owner-id", "prod", "--yes"]).await;

    assert_eq!((code(&missing), code(&named)), (2, 0), "{} {}", error(&missing), error(&named));
    assert!(error(&missing).contains("or say --owner-id"), "{}", error(&missing));
    assert_eq!(svix.snapshot().applications["default"].endpoints.len(), 1);
}

fn git(folder: &Folder, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]);
    let output = git.args(arguments).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn against_a_commit_and_a_folder() {
    let folder = Folder::new();
    folder.write("m/secret-endpoint.yaml", &format!(
        "{}  headers:\n  - name: Authorization\n    valueFrom: {{secretKeyRef: {{name: hook, key: token}}}}\n",
        ENDPOINT.replace("name: orders", "name: secret")
    ));
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "--quiet", "-m", "first"]);
    let copied = Command::new("cp").args(["-r", "m", "base"]).current_dir(folder.path()).status().unwrap();
    assert!(copied.success());

    let same = folder.run(&["diff", "m", "--against", "git:HEAD"]).await;
    folder.write("m/event-type.yaml", &EVENT_TYPE.replace("type: string", "type: [string, integer]"));
    fs::remove_file(folder.path().join("m/endpoint.yaml")).unwrap();
    let changed = folder.run(&["diff", "m", "--against", "git:HEAD"]).await;
    let folders = folder.run(&["diff", "m", "--against", "base"]).await;
    let zero = folder.run(&["diff", "m", "--against", "base", "--exit-zero", "-o", "markdown"]).await;

    assert_eq!((code(&same), out(&same).as_str()), (0, "no differences (3 compared)\n"), "{}", error(&same));
    let expected = "\
delete WebhookEndpoint shop/orders (endpoint prod.shop.orders of application default)
change WebhookEventType shop/order.placed m/event-type.yaml:1
  ~ schema/properties/id/type: \"string\" → [\"string\",\"integer\"]
  breaks receivers: the new schema permits {\"id\":0}, which the old one refuses
  1 endpoint receives its events: shop/secret
1 to change, 1 to delete, 1 without differences
";
    assert_eq!((code(&changed), out(&changed).as_str()), (1, expected), "{}", error(&changed));
    assert_eq!((code(&folders), out(&folders).as_str()), (1, expected), "{}", error(&folders));
    assert_eq!(code(&zero), 0);
    assert!(
        out(&zero).starts_with("### Changes in Svix\n\n1 to change, 1 to delete, 1 without differences\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_elsewhere_exists_on_both_sides() {
    let folder = Folder::new();
    fs::remove_file(folder.path().join("m/event-type.yaml")).unwrap();
    folder.write("base/endpoint.yaml", ENDPOINT);
    // A suspended connection of the base does not mean that nothing is in Svix.
    folder.write("base/connection.yaml", &format!("{CONNECTION}  suspend: true\n"));

    let same = folder.run(&["diff", "m", "--against", "base"]).await;
    folder.write("m/endpoint.yaml", &ENDPOINT.replace("/orders", "/new"));
    let changed = folder.run(&["diff", "m", "--against", "base"]).await;

    assert_eq!((code(&same), out(&same).as_str()), (0, "no differences (1 compared)\n"), "{}", error(&same));
    let expected = "change WebhookEndpoint shop/orders (endpoint prod.shop.orders of application default)";
    assert!(
        code(&changed) == 1 && out(&changed).starts_with(expected),
        "{}{}",
        out(&changed),
        error(&changed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_cannot_be_read_are_exit_code_2() {
    let folder = Folder::new();

    let no_repository = folder.run(&["diff", "m", "--against", "git:HEAD"]).await;
    git(&folder, &["init", "--quiet"]);
    let no_commit = folder.run(&["diff", "m", "--against", "git:nowhere"]).await;
    let option = folder.run(&["diff", "m", "--against", "git:--output=x"]).await;

    for (output, expected) in [
        (no_repository, "not a git repository"),
        (no_commit, "there is no commit \"nowhere\""),
        (option, "expected `git:` and the name of a commit"),
    ] {
        assert_eq!(code(&output), 2, "{output:?}");
        assert!(error(&output).contains(expected), "{}", error(&output));
    }
}
