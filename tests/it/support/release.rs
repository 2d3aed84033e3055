//! The accounts and permissions that the chart makes, as helm renders them: what processes in the tests may do is what
//! they may do where the chart is installed.

use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{control_plane::ControlPlane, tools::tool};

const CHART: &str = "charts/svix-operator";
/// Stands for a release's name and namespace: rendered once, it serves every release.
pub const ANY: &str = "any-release";

const PARTS: [&str; 3] =
    ["templates/serviceaccount.yaml", "templates/rbac.yaml", "templates/webhook-rbac.yaml"];

/// The rendering of a release under some name, in a namespace of that name, with the webhook under its own account.
async fn rendered() -> &'static str {
    static RENDERED: OnceCell<String> = OnceCell::const_new();
    let render = async || {
        let values = format!("fullnameOverride={ANY},webhook.separate=true");
        let mut arguments = vec!["template", ANY, CHART, "--namespace", ANY, "--set", &values];
        for part in PARTS {
            arguments.extend(["--show-only", part]);
        }
        tool("helm", None, &arguments, "").await.expect_success()
    };
    RENDERED.get_or_init(render).await
}

/// The accounts and roles of a release whose name is its namespace.
pub async fn objects(release: &str) -> Vec<Value> {
    let text = rendered().await.replace(ANY, release);
    serde_yaml::Deserializer::from_str(&text).map(|part| Value::deserialize(part).unwrap()).collect()
}

/// Makes the accounts and roles of a release whose name is its namespace, which is there. The operator's account has
/// the release's name.
pub async fn allow(control_plane: &ControlPlane, release: &str) {
    apply(control_plane, release, |_| true).await;
}

/// The same for the webhook alone; answers the name of its account.
pub async fn allow_webhook(control_plane: &ControlPlane, release: &str) -> String {
    let account = format!("{release}-webhook");
    let is_its =
        |object: &Value| object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(&account));
    apply(control_plane, release, is_its).await;
    account
}

async fn apply(control_plane: &ControlPlane, release: &str, wanted: impl Fn(&Value) -> bool) {
    let objects: Vec<_> = objects(release).await.into_iter().filter(wanted).collect();
    assert!(objects.len() > 4, "{objects:#?}");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    control_plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &list).await.expect_success();
}
