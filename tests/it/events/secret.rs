use std::{io::Write as _, process::Stdio};

use serde_json::json;
use svix_operator::embedded::FaultPlan;

use super::{Environment, code, error, out};

const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The key of the endpoint `mine` in Svix.
fn key(environment: &Environment) -> String {
    environment.svix.snapshot().applications["default"].endpoints["mine"].secret.clone()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn get_prints_the_key_alone() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({"secret": KEY})).await;

    let output = environment.run(&["secret", "get", "mine"]).await;

    assert_eq!((code(&output), out(&output), error(&output)), (0, format!("{KEY}\n"), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rotate_says_how_long_the_old_key_is_valid() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({"secret": KEY})).await;

    let rotated = environment.run(&["secret", "rotate", "mine", "--yes"]).await;
    let at_once = environment.run(&["secret", "rotate", "mine", "--yes", "--grace-period", "0s"]).await;

    assert_eq!((code(&rotated), code(&at_once)), (0, 0), "{}", error(&rotated));
    assert!(
        out(&rotated).starts_with("mine has a new signing key; the old one is valid until 20"),
        "{}",
        out(&rotated)
    );
    assert!(out(&at_once).ends_with("the old one is invalid now\n"), "{}", out(&at_once));
    let new = key(&environment);
    assert_ne!(new, KEY);
    for output in [rotated, at_once] {
        assert!(!out(&output).contains(&new[6..]) && !error(&output).contains(&new[6..]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_yes_approves() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({"secret": KEY})).await;

    let Some(refused) = environment.run_on_terminal(&["secret", "rotate", "mine"], "no").await else {
        return;
    };
    let after = key(&environment);
    let approved = environment.run_on_terminal(&["secret", "rotate", "mine"], "yes").await.unwrap();

    assert_eq!((code(&refused), after.as_str()), (1, KEY), "{}", out(&refused));
    assert!(out(&refused).contains("Replace the signing key of mine? Only `yes`"), "{}", out(&refused));
    assert_eq!(code(&approved), 0, "{}", out(&approved));
    assert_ne!(key(&environment), KEY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_ones_own_is_read_from_a_file_or_standard_input() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({})).await;
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let own = file(&format!("{KEY}\n"));

    let by_file = environment
        .run(&["secret", "rotate", "mine", "--yes", "--key-file", own.path().to_str().unwrap()])
        .await;
    let after_file = key(&environment);
    let mut command = environment.command(&["secret", "rotate", "mine", "--yes", "--key-file", "-"]);
    let by_stdin = tokio::task::spawn_blocking(move || {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(other.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();

    assert_eq!((code(&by_file), after_file.as_str()), (0, KEY), "{}", error(&by_file));
    assert_eq!((code(&by_stdin), key(&environment).as_str()), (0, other), "{}", error(&by_stdin));
    for output in [by_file, by_stdin] {
        assert!(!(out(&output) + &error(&output)).contains("whsec_"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_exit_code_2() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({"secret": KEY})).await;
    let files = [file("whsec_hunter2!"), file(""), file("whsec_AAAA"), file("whpk_AAAA")];
    let [invalid, empty, short, public] = files.each_ref().map(|file| file.path().to_str().unwrap());
    for (arguments, expected) in [
        (&["rotate", "mine"][..], "--yes does not ask"),
        (&["rotate", "mine", "--key-file", "-"], "--yes does not ask"),
        (&["rotate", "mine", "--yes", "--grace-period", "8d"], "--grace-period: found \"8d\""),
        (&["rotate", "mine", "--yes", "--grace-period", "soon"], "--grace-period: found \"soon\""),
        (&["rotate", "mine", "--yes", "--key-file", "/nowhere"], "/nowhere: No such file"),
        (&["rotate", "mine", "--yes", "--key-file", invalid], "is not base64"),
        (&["rotate", "mine", "--yes", "--key-file", empty], "found an empty value"),
        (&["rotate", "mine", "--yes", "--key-file", short], "found 3 bytes"),
        (&["rotate", "mine", "--yes", "--key-file", public], "found a public key"),
        (&["get", "a/b"], "ENDPOINT: found \"a/b\""),
    ] {
        let output = environment.run(&[&["secret"], arguments].concat()).await;

        assert_eq!(code(&output), 2, "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains(expected), "{arguments:?}: {}", error(&output));
        assert!(!error(&output).contains("hunter2"));
    }
    assert_eq!(key(&environment), KEY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_endpoint_has_a_warning() {
    let environment = Environment::new().await;
    let mark = json!({"metadata": {"svix-operator.dev/owner": "prod/shop/orders"}});
    environment.endpoint("mine", mark).await;
    environment.endpoint("other", json!({"metadata": {"svix-operator.dev/owner": "\u{1b}[2J"}})).await;

    let managed = environment.run(&["secret", "rotate", "mine", "--yes"]).await;
    let other = environment.run(&["secret", "rotate", "other", "--yes"]).await;

    assert_eq!((code(&managed), code(&other)), (0, 0));
    let warning = error(&managed);
    assert!(
        warning.starts_with("warning: WebhookEndpoint shop/orders (ownerId prod) declares this endpoint."),
        "{warning}"
    );
    assert!(warning.contains("fromSecret") && warning.contains("toSecret"), "{warning}");
    assert_eq!(error(&other), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_svix_are_exit_code_3() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({"secret": KEY})).await;
    for arguments in
        [&["get", "nobody"][..], &["rotate", "nobody", "--yes"], &["get", "mine", "--app", "nobody"]]
    {
        let output = environment.run(&[&["secret"], arguments].concat()).await;

        assert_eq!((code(&output), out(&output).as_str()), (3, ""), "{arguments:?}: {}", error(&output));
        assert!(error(&output).contains("is not in Svix"), "{}", error(&output));
    }
    let only = Some(vec!["endpoint.rotate-secret".to_owned()]);
    environment.svix.faults().set(FaultPlan { drop_after: 1.0, only: only.clone(), ..FaultPlan::default() });
    let lost = environment.run(&["secret", "rotate", "mine", "--yes"]).await;
    environment.svix.faults().set(FaultPlan { throttled: 1.0, only, ..FaultPlan::default() });
    let throttled = environment.run(&["secret", "rotate", "mine", "--yes"]).await;

    assert_eq!((code(&lost), code(&throttled)), (3, 3));
    assert!(error(&lost).contains("the key may have been replaced all the same"), "{}", error(&lost));
    assert!(error(&throttled).contains("Svix asks to slow down"), "{}", error(&throttled));
    assert!(!error(&throttled).contains("all the same"), "{}", error(&throttled));
    assert_ne!(key(&environment), KEY);
}
