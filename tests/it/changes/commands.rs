//! `diff` and `apply` as a user runs them: output, plan files, exit codes.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use svix_operator::embedded::EmbeddedSvix;

use crate::support::svix_server;

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
async fn only_what_is_ours_is_pruned() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.write(
        "m/other.yaml",
        &format!(
            "{}---\n{}",
            ENDPOINT.replace("name: orders", "name: gone"),
            EVENT_TYPE.replace("order.placed", "order.gone")
        ),
    );
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    fs::remove_file(folder.path().join("m/other.yaml")).unwrap();
    let endpoint = serde_json::json!({"url": "https://by.hand.example.org", "uid": "by-hand"});
    let url = format!("{}/api/v1/app/default/endpoint", svix.url());
    reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&endpoint).send().await.unwrap();

    let foreign = folder.on(&svix, &["diff", "m", "--show-foreign"]).await;
    let kept = folder.on(&svix, &["apply", "m", "--yes"]).await;
    let pruned =
        folder.on(&svix, &["apply", "m", "--yes", "--prune", "--prune-event-types", "order.*"]).await;

    let expected = "\
not declared: endpoint by-hand of application default
not declared: endpoint prod.shop.gone of application default, marked as prod/shop/gone
not declared: event type order.gone
no differences (2 compared)
";
    assert_eq!((code(&foreign), out(&foreign).as_str()), (0, expected), "{}", error(&foreign));
    assert_eq!((code(&kept), out(&kept).as_str()), (0, "no differences (2 compared)\n"));
    assert_eq!(code(&pruned), 0, "{}", error(&pruned));
    let left = svix.snapshot();
    let endpoints: Vec<_> = left.applications["default"].endpoints.keys().collect();
    assert_eq!(endpoints, ["by-hand", "prod.shop.orders"]);
    assert!(left.event_types["order.gone"].archived && !left.event_types["order.placed"].archived);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pruned_where_it_could_be_declared() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.on(&svix, &["apply", "m", "--yes"]).await;
    let prune = ["apply", "m", "--yes", "--prune"];
    let other = CONNECTION.replace("name: default", "name: other");

    folder.write("m/other.yaml", &other);
    let shared = folder.on(&svix, &prune).await;
    fs::remove_file(folder.path().join("m/other.yaml")).unwrap();
    let adopting = "namespace: shop, annotations: {svix-operator.dev/adopt-id: ep_1}}";
    folder.write("m/endpoint.yaml", &ENDPOINT.replace("namespace: shop}", adopting));
    let by_id = folder.on(&svix, &prune).await;

    assert_eq!((code(&shared), code(&by_id)), (2, 2), "{} {}", error(&shared), error(&by_id));
    assert!(error(&shared).contains("have the same ownerId"), "{}", error(&shared));
    assert!(error(&by_id).contains("adopt-id"), "{}", error(&by_id));
    assert_eq!(svix.snapshot().applications["default"].endpoints.len(), 1);
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

const WITH_SECRETS: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEndpoint
metadata: {name: orders, namespace: shop}
spec:
  urlFrom: {secretKeyRef: {name: hook, key: url}}
  eventTypes: [order.placed]
  headers:
  - name: Authorization
    valueFrom: {secretKeyRef: {name: hook, key: token}}
";
const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: hook, namespace: shop}
stringData: {url: 'https://hooks.example.org/canary', token: canary, other: another}
";

#[tokio::test(flavor = "multi_thread")]
async fn without_its_secret_an_endpoint_is_compared() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.write("m/endpoint.yaml", WITH_SECRETS);
    folder.write("m/secret.yaml", SECRET);
    let applied = folder.on(&svix, &["apply", "m", "--yes"]).await;
    assert_eq!(code(&applied), 0, "{}", error(&applied));
    fs::remove_file(folder.path().join("m/secret.yaml")).unwrap();
    svix.clear_calls();

    let same = folder.on(&svix, &["diff", "m"]).await;
    let nothing = folder.on(&svix, &["apply", "m", "--yes"]).await;
    folder.write("m/endpoint.yaml", &format!("{WITH_SECRETS}  description: New.\n"));
    let changed = folder.on(&svix, &["diff", "m"]).await;
    let refused = folder.on(&svix, &["apply", "m", "--yes"]).await;

    let unknown = "  url cannot be compared: Secret hook is not among the manifests\n  headers/Authorization cannot be \
         compared: Secret hook is not among the manifests\n";
    let head =
        "WebhookEndpoint shop/orders (endpoint prod.shop.orders of application default) m/endpoint.yaml:1\n";
    assert_eq!((code(&same), code(&nothing)), (0, 0), "{}{}", out(&same), error(&nothing));
    assert!(out(&same).contains(unknown), "{}", out(&same));
    assert_eq!(code(&changed), 1);
    assert!(
        out(&changed).starts_with(&format!("change {head}  ~ description: \"\" → \"New.\"\n")),
        "{}",
        out(&changed)
    );
    assert_eq!(code(&refused), 1);
    assert!(
        out(&refused).contains("SecretNotFound: found no Secret hook among the manifests"),
        "{}",
        out(&refused)
    );
    assert!(svix.calls().iter().all(|call| !call.is_write()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_value_of_a_hidden_header_is_a_difference() {
    let folder = Folder::new();
    for side in ["base", "m"] {
        folder.write(&format!("{side}/connection.yaml"), CONNECTION);
        folder.write(&format!("{side}/event-type.yaml"), EVENT_TYPE);
        folder.write(&format!("{side}/endpoint.yaml"), WITH_SECRETS);
    }
    let same = folder.run(&["diff", "m", "--against", "base"]).await;
    folder.write("m/endpoint.yaml", &WITH_SECRETS.replace("key: token", "key: other"));

    let reference = folder.run(&["diff", "m", "--against", "base"]).await;
    for (side, secret) in [("base", SECRET.to_owned()), ("m", SECRET.replace("another", "canary"))] {
        folder.write(&format!("{side}/secret.yaml"), &secret);
    }
    let same_value = folder.run(&["diff", "m", "--against", "base"]).await;

    assert_eq!((code(&same), code(&same_value)), (0, 0), "{}{}", out(&same), out(&same_value));
    assert_eq!(code(&reference), 1, "{}", error(&reference));
    assert!(
        out(&reference).contains("  ~ headers/Authorization: another value (not shown)\n"),
        "{}",
        out(&reference)
    );
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
