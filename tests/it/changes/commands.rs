//! `diff` and `apply` as a user runs them: output, plan files, exit codes.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use svix_operator::embedded::EmbeddedSvix;

use crate::support::svix_server;

mod against;
mod pruning;
mod secrets;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

pub(super) const CONNECTION: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: SvixConnection
metadata: {name: default}
spec:
  ownerId: prod
  tokenSecretRef: {name: svix-token, key: token}
";
pub(super) const EVENT_TYPE: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEventType
metadata: {name: order.placed, namespace: shop}
spec:
  description: An order was placed.
  schema:
    type: object
    required: [id]
    properties:
      id: {type: string}
";
pub(super) const ENDPOINT: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEndpoint
metadata: {name: orders, namespace: shop}
spec:
  url: https://hooks.example.org/orders
  eventTypes: [order.placed]
";

pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("m/connection.yaml", CONNECTION);
        folder.write("m/event-type.yaml", EVENT_TYPE);
        folder.write("m/endpoint.yaml", ENDPOINT);
        folder
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command in the folder, without a server.
    pub(super) async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(None, arguments).await
    }

    /// Runs a command in the folder, with a server.
    pub(super) async fn on(&self, svix: &EmbeddedSvix, arguments: &[&str]) -> Output {
        self.run_with(Some((svix.url(), svix.token().to_owned())), arguments).await
    }

    async fn run_with(&self, svix: Option<(String, String)>, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        for variable in ["SVIX_URL", "SVIX_TOKEN", "SVIX_SERVER_URL", "SVIX_AUTH_TOKEN"] {
            command.env_remove(variable);
        }
        if let Some((url, token)) = svix {
            command.env("SVIX_URL", url).env("SVIX_TOKEN", token);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

pub(super) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(super) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_apply_and_diff_again() {
    let (svix, folder) = (svix_server::start().await, Folder::new());

    let before = folder.on(&svix, &["diff", "m"]).await;
    let applied = folder.on(&svix, &["apply", "m", "--yes"]).await;
    let after = folder.on(&svix, &["diff", "m"]).await;

    let expected = "\
create WebhookEndpoint shop/orders (endpoint prod.shop.orders of application default) m/endpoint.yaml:1
  + url: \"https://hooks.example.org/…\"
  + eventTypes: [\"order.placed\"]
  application default is created if it does not exist
create WebhookEventType shop/order.placed m/event-type.yaml:1
  + schema: {\"properties\":{\"id\":{\"type\":\"string\"}},\"required\":[\"id\"],\"type\":\"object\"}
  + description: \"An order was placed.\"
2 to create, 0 without differences
";
    assert_eq!((code(&before), out(&before).as_str()), (1, expected), "{}", error(&before));
    assert_eq!(
        (code(&applied), out(&applied)),
        (0, format!("{expected}applied 2 changes\n")),
        "{}",
        error(&applied)
    );
    assert_eq!((code(&after), out(&after).as_str()), (0, "no differences (2 compared)\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_carried_out_or_refused() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    folder.write("m/endpoint.yaml", &ENDPOINT.replace("org/orders", "org/new"));
    folder.write("m/event-type.yaml", &EVENT_TYPE.replace("An order was placed.", "New."));
    let planned = folder.on(&svix, &["diff", "m", "--out", "plan.json"]).await;
    assert_eq!(code(&planned), 1, "{}", error(&planned));

    // Somebody changes the event type meanwhile.
    let url = format!("{}/api/v1/event-type/order.placed", svix.url());
    let change = serde_json::json!({"description": "By hand."});
    let changed =
        reqwest::Client::new().patch(url).bearer_auth(svix.token()).json(&change).send().await.unwrap();
    assert!(changed.status().is_success());
    svix.clear_calls();
    let refused = folder.on(&svix, &["apply", "m", "--plan", "plan.json", "--yes"]).await;

    assert_eq!(code(&refused), 1);
    assert_eq!(
        error(&refused),
        "not as planned: WebhookEventType shop/order.placed: change (description) in the plan, change (description) \
         now\nnothing is applied: the plan does not fit any more; make a new one with diff --out\n"
    );
    assert!(svix.calls().iter().all(|call| !call.is_write()));
    folder.on(&svix, &["diff", "m", "--out", "plan.json"]).await;
    let applied = folder.on(&svix, &["apply", "m", "--plan", "plan.json", "--yes"]).await;
    assert_eq!(code(&applied), 0, "{}", error(&applied));
    // What is done already is as planned.
    let again = folder.on(&svix, &["apply", "m", "--plan", "plan.json", "--yes"]).await;
    assert_eq!(
        (code(&again), out(&again).as_str()),
        (0, "no differences (2 compared)\n"),
        "{}",
        error(&again)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_without_a_terminal() {
    let (svix, folder) = (svix_server::start().await, Folder::new());

    let applied = folder.on(&svix, &["apply", "m"]).await;

    assert_eq!(code(&applied), 2);
    assert!(error(&applied).contains("--yes applies without asking"), "{}", error(&applied));
    assert!(svix.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_owner_has_is_refused() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    folder.write("m/connection.yaml", &CONNECTION.replace("prod", "other"));
    folder.write("m/endpoint.yaml", &format!("{ENDPOINT}  uid: prod.shop.orders\n"));

    let diff = folder.on(&svix, &["diff", "m"]).await;
    let applied = folder.on(&svix, &["apply", "m", "--yes"]).await;

    assert_eq!((code(&diff), code(&applied)), (1, 1));
    assert!(
        out(&diff).contains("refuse WebhookEndpoint shop/orders") && out(&diff).contains("NotOurs"),
        "{}",
        out(&diff)
    );
    assert!(
        error(&applied).contains("nothing is applied: correct what is refused first"),
        "{}",
        error(&applied)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_change_of_a_schema_is_exit_code_4() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    let enforced = format!("{EVENT_TYPE}  compatibility: {{action: Enforce}}\n");
    folder.write("m/event-type.yaml", &enforced);
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    folder.write("m/event-type.yaml", &enforced.replace("type: string", "type: integer"));
    svix.clear_calls();

    let diff = folder.on(&svix, &["diff", "m"]).await;
    let applied = folder.on(&svix, &["apply", "m", "--yes"]).await;

    assert_eq!((code(&diff), code(&applied)), (4, 4), "{}{}", out(&diff), error(&applied));
    assert!(out(&diff).contains("BreakingChange"), "{}", out(&diff));
    assert!(svix.calls().iter().all(|call| !call.is_write()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_history_is_said_once() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    let all = format!("{EVENT_TYPE}  compatibility: {{against: All}}\n");
    let other = all.replace("order.placed", "order.paid");
    folder.write("m/event-type.yaml", &all);
    folder.write("m/other.yaml", &other);
    folder.write("base/all.yaml", &format!("{CONNECTION}---\n{all}---\n{other}---\n{ENDPOINT}"));
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    let same = folder.on(&svix, &["diff", "m"]).await;
    let changed = |text: &str| text.replace("required: [id]", "required: [id, amount]");
    folder.write("m/event-type.yaml", &changed(&all));
    folder.write("m/other.yaml", &changed(&other));

    let diff = folder.on(&svix, &["diff", "m"]).await;
    let based = folder.on(&svix, &["diff", "m", "--against", "base"]).await;
    let markdown = folder.on(&svix, &["diff", "m", "--against", "base", "--output", "markdown"]).await;
    let json = folder.on(&svix, &["diff", "m", "--output", "json"]).await;
    let applied = folder.on(&svix, &["apply", "m", "--yes"]).await;
    folder.write("m/event-type.yaml", EVENT_TYPE);
    let last = folder.on(&svix, &["diff", "m"]).await;

    let note = "2 schemas with compatibility.against: All are compared with the last version only";
    for output in [&diff, &applied, &based, &markdown, &json] {
        assert_eq!(out(output).matches(note).count(), 1, "{}{}", out(output), error(output));
    }
    let json: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    assert!(json["notes"][0].as_str().unwrap().starts_with(note), "{json}");
    for output in [&same, &last] {
        assert!(!out(output).contains("last version only"), "{}", out(output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_work_is_exit_code_3() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    svix.faults().down(true);

    let down = folder.on(&svix, &["diff", "m"]).await;
    svix.faults().down(false);
    let token = folder.run_with(Some((svix.url(), "testsk_another".to_owned())), &["diff", "m"]).await;

    assert_eq!((code(&down), code(&token)), (3, 3), "{} {}", error(&down), error(&token));
    assert!(!error(&token).contains("testsk_another"));
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_cannot_be_read_stop_everything() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.write("m/broken.yaml", "apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {name: x}\nspec: {descripton: y}\n");

    let diff = folder.on(&svix, &["diff", "m"]).await;
    let applied = folder.on(&svix, &["apply", "m", "--yes"]).await;

    assert_eq!((code(&diff), code(&applied)), (2, 2));
    assert!(
        error(&applied).contains("1 manifest cannot be read, so nothing is compared"),
        "{}",
        error(&applied)
    );
    assert!(svix.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_does_not_fit_a_suspended_object() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.on(&svix, &["diff", "m", "--out", "plan.json"]).await;
    folder.write("m/endpoint.yaml", &format!("{ENDPOINT}  suspend: true\n"));
    let other = ["apply", "m", "--plan", "plan.json", "--yes", "--connection", "other", "--owner-id", "o"];

    let suspended = folder.on(&svix, &["apply", "m", "--plan", "plan.json", "--yes"]).await;
    let connection = folder.on(&svix, &other).await;

    assert_eq!((code(&suspended), code(&connection)), (1, 2), "{}{}", error(&suspended), error(&connection));
    assert!(
        error(&suspended).contains("not as planned: WebhookEndpoint shop/orders"),
        "{}",
        error(&suspended)
    );
    assert!(
        error(&connection).contains("it is a plan for the objects of the connection \"default\""),
        "{}",
        error(&connection)
    );
    assert!(svix.calls().iter().all(|call| !call.is_write()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_declared() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    let denied = "  access:\n  - namespaces: {matchLabels: {a: b}}\n";
    folder.write("m/connection.yaml", &format!("{CONNECTION}{denied}"));

    let diff = folder.on(&svix, &["diff", "m", "--show-foreign"]).await;

    assert_eq!(code(&diff), 1, "{}", error(&diff));
    assert!(out(&diff).contains("2 refused") && !out(&diff).contains("not declared"), "{}", out(&diff));
}
