//! The examples in a Git repository, and Argo CD's own sync engine that brings them into a cluster: wave by wave, to
//! the second comparison that finds nothing.

use std::path::PathBuf;

use serde_json::{Value, json};
use svix_operator::embedded::EmbeddedSvix;

use super::file;
use crate::support::{
    control_plane::ControlPlane,
    git::Repository,
    operator::{OPERATOR_NAMESPACE, Operator, install},
    svix_server,
    tools::tool,
};

const CONNECTION: &str = "SvixConnection";
const EVENT_TYPE: &str = "WebhookEventType";
const ENDPOINT: &str = "WebhookEndpoint";

/// The folder that Argo CD is pointed at.
const FOLDER: &str = "webhooks";

/// Copies an example there, each file changed by `change` of its name and text, next to one that is not for Argo CD.
fn copy(repository: &Repository, example: &str, change: impl Fn(&str, String) -> String) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    repository.write(&format!("{FOLDER}/README.md"), "What the shop sends.\n");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = change(&name, file(&format!("examples/{example}/{name}")));
        repository.write(&format!("{FOLDER}/{name}"), text);
    }
}

/// What one synchronisation reported.
struct Story(Vec<Value>);

impl Story {
    /// Synchronises what was committed last, as an Application of this name into a namespace of the same name.
    async fn of(control_plane: &ControlPlane, repository: &Repository, name: &str, more: &[&str]) -> Self {
        let health = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/argo-cd/health/resource_customizations");
        let folder = repository.folder().display().to_string();
        let mut arguments = vec!["-application", name, "-namespace", name, "-health", health];
        arguments.extend(["-repository", &folder, "-path", FOLDER]);
        arguments.extend(more);
        let reported = tool("sync", Some(control_plane), &arguments, "").await.expect_success();
        Self(reported.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn all(&self, event: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |it| it["event"] == event)
    }

    /// How the synchronisation ended.
    fn phase(&self) -> &str {
        self.all("operation").next().unwrap()["phase"].as_str().unwrap()
    }

    /// The names of a kind's objects, sorted.
    fn names(&self, kind: &str) -> Vec<&str> {
        let of_kind = self.all("object").filter(|it| it["kind"] == kind);
        let mut names: Vec<_> = of_kind.map(|it| it["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// When an object first had this as `sync` or `health`.
    fn first(&self, kind: &str, name: &str, (field, value): (&str, &str)) -> usize {
        let of_it = |it: &&Value| it["event"] == "object" && it["kind"] == kind && it["name"] == name;
        let found = self.0.iter().position(|it| of_it(&it) && it[field] == value);
        found.unwrap_or_else(|| panic!("{kind} {name} was never {value}\n{self}"))
    }

    /// When the first object of a kind, and when the last, came to this.
    fn span(&self, kind: &str, state: (&str, &str)) -> (usize, usize) {
        let mut times: Vec<_> =
            self.names(kind).into_iter().map(|name| self.first(kind, name, state)).collect();
        times.sort_unstable();
        (times[0], times[times.len() - 1])
    }

    /// Whether it is synced, how it fares, and why, in the end.
    fn last(&self, kind: &str, name: &str) -> [&str; 3] {
        let found = self.all("object").filter(|it| it["kind"] == kind && it["name"] == name).last();
        let found = found.unwrap_or_else(|| panic!("no word of {kind} {name}\n{self}"));
        ["sync", "health", "message"].map(|field| found[field].as_str().unwrap())
    }

    /// Every object is as declared and does well, but for the ones named.
    fn all_is_well_but(&self, others: &[&str]) {
        for kind in [CONNECTION, EVENT_TYPE, ENDPOINT] {
            for name in self.names(kind).into_iter().filter(|name| !others.contains(name)) {
                let [sync, health, message] = self.last(kind, name);
                assert_eq!((sync, health), ("Synced", "Healthy"), "{kind} {name}: {message}\n{self}");
            }
        }
    }

    /// The second comparison found no difference, in whatever way it was made.
    fn nothing_differs(&self, objects: usize) {
        let comparisons: Vec<_> = self.all("comparison").collect();
        let modes: Vec<_> = comparisons.iter().map(|it| it["mode"].as_str().unwrap()).collect();
        assert_eq!(modes, ["client-side", "server-side"]);
        for comparison in comparisons {
            assert_eq!(comparison["different"], json!([]), "{}", comparison["mode"]);
            assert_eq!(comparison["compared"], objects, "{}", comparison["mode"]);
        }
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|event| writeln!(formatter, "{event}"))
    }
}

/// The addresses of a Svix's endpoints, sorted.
fn endpoints(svix: &EmbeddedSvix) -> Vec<String> {
    let held = svix.snapshot();
    let mut urls: Vec<_> =
        held.applications["default"].endpoints.values().map(|endpoint| endpoint.url.clone()).collect();
    urls.sort_unstable();
    urls
}

/// A Svix, its token in a Secret of this name, and a namespace.
async fn prepare(control_plane: &ControlPlane, namespace: &str, secret: &str) -> EmbeddedSvix {
    let svix = svix_server::start().await;
    let token = format!("--from-literal=token={}", svix.token());
    let create = ["-n", OPERATOR_NAMESPACE, "create", "secret", "generic", secret, &token];
    control_plane.kubectl(&create).await.expect_success();
    control_plane.kubectl(&["create", "namespace", namespace]).await.expect_success();
    svix
}

/// What changes whenever anybody writes to an object.
async fn versions(control_plane: &ControlPlane) -> String {
    let kinds = "svixconnections,webhookeventtypes,webhookendpoints";
    let each = "jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}";
    control_plane.kubectl(&["get", kinds, "-A", "-o", each]).await.expect_success()
}

#[tokio::test]
async fn argo_cd_syncs_the_examples_in_order() {
    let control_plane = &ControlPlane::start().await;
    install(control_plane).await;
    let operator = Operator::start(control_plane, &[]);
    operator.ready().await;
    the_quickstart_wave_by_wave(control_plane).await;
    software_heritage_at_once(control_plane).await;
}

/// Applied as Argo CD does unless told otherwise, each kind in a wave of its own.
async fn the_quickstart_wave_by_wave(control_plane: &ControlPlane) {
    let svix = prepare(control_plane, "shop", "svix-token").await;
    let repository = Repository::new();
    copy(&repository, "quickstart", |name, text| {
        let wave = match name {
            "connection.yaml" => 0,
            "endpoints.yaml" => 2,
            _ => 1,
        };
        let annotations = format!("annotations: {{argocd.argoproj.io/sync-wave: \"{wave}\"}}");
        text.replace("\nmetadata:\n", &format!("\nmetadata:\n  {annotations}\n"))
            .replace("  tokenSecretRef:", &format!("  serverUrl: {}\n  tokenSecretRef:", svix.url()))
    });
    repository.commit("The webhooks of the shop");

    let story = Story::of(control_plane, &repository, "shop", &[]).await;
    assert_eq!(story.phase(), "Succeeded", "{story}");
    assert_eq!(story.names(CONNECTION), ["default"]);
    assert_eq!(story.names(EVENT_TYPE), ["order.placed", "order.shipped"]);
    assert_eq!(story.names(ENDPOINT), ["analytics", "premium-support", "warehouse"]);
    for kind in [CONNECTION, EVENT_TYPE, ENDPOINT] {
        for name in story.names(kind) {
            let synced = story.first(kind, name, ("sync", "Synced"));
            assert_eq!(story.0[synced]["health"], "Progressing", "{kind} {name}\n{story}");
            assert!(synced < story.first(kind, name, ("health", "Healthy")), "{kind} {name}\n{story}");
        }
    }
    let waves: Vec<_> = story.all("wave").map(|it| it["wave"].as_i64().unwrap()).collect();
    assert_eq!(waves, [0, 1, 2]);
    for [before, after] in [[CONNECTION, EVENT_TYPE], [EVENT_TYPE, ENDPOINT]] {
        let (_, healthy) = story.span(before, ("health", "Healthy"));
        let (synced, _) = story.span(after, ("sync", "Synced"));
        assert!(healthy < synced, "{before} before {after}\n{story}");
    }
    story.all_is_well_but(&[]);
    story.nothing_differs(6);
    let hook = |name: &str| format!("https://hooks.example.org/{name}");
    assert_eq!(endpoints(&svix), [hook("analytics"), hook("support"), hook("warehouse")]);

    // The same once more: nobody writes anything.
    let before = versions(control_plane).await;
    let story = Story::of(control_plane, &repository, "shop", &[]).await;
    assert_eq!(story.phase(), "Succeeded", "{story}");
    story.nothing_differs(6);
    assert_eq!(versions(control_plane).await, before);

    let schema = || svix.snapshot().event_types["order.placed"].schemas.clone();
    let sound = schema();
    repository
        .edit("webhooks/order-placed.yaml", |text| text.replace("    type: object\n", "    type: strin\n"));
    repository.commit("A slip");
    let story = Story::of(control_plane, &repository, "shop", &[]).await;
    // The wave of the endpoints is not begun.
    assert_eq!(story.phase(), "Failed", "{story}");
    assert_eq!(story.all("wave").last().unwrap()["wave"], 1);
    let [sync, health, message] = story.last(EVENT_TYPE, "order.placed");
    assert_eq!((sync, health), ("Synced", "Degraded"), "{message}\n{story}");
    let why = "InvalidSchema: /spec/schema/type: found \"strin\", expected array, boolean";
    assert!(message.starts_with(why), "{message}");
    // Argo CD's own list of what came of the synchronisation says so as well.
    let result = story.all("result").find(|it| it["name"] == "order.placed").unwrap();
    assert!(result["message"].as_str().unwrap().starts_with(why), "{result}");
    story.all_is_well_but(&["order.placed"]);
    story.nothing_differs(6);
    assert_eq!(schema(), sound);

    repository.git(&["revert", "--no-edit", "HEAD"]);
    let story = Story::of(control_plane, &repository, "shop", &[]).await;
    assert_eq!(story.phase(), "Succeeded", "{story}");
    story.all_is_well_but(&[]);
    story.nothing_differs(6);

    repository.edit("webhooks/endpoints.yaml", |text| {
        let documents = text.split("\n---\n").filter(|document| !document.contains("name: premium-support"));
        documents.collect::<Vec<_>>().join("\n---\n")
    });
    repository.commit("No more premium support");
    let story = Story::of(control_plane, &repository, "shop", &[]).await;
    assert_eq!(story.phase(), "Succeeded", "{story}");
    let result = story.all("result").find(|it| it["name"] == "premium-support").unwrap();
    assert_eq!(result["status"], "Pruned", "{story}");
    assert_eq!(story.last(ENDPOINT, "premium-support")[1], "Gone", "{story}");
    story.all_is_well_but(&["premium-support"]);
    story.nothing_differs(5);
    assert_eq!(endpoints(&svix), [hook("analytics"), hook("warehouse")]);

    // What is suspended on purpose holds up no wave.
    repository
        .edit("webhooks/order-shipped.yaml", |text| text.replace("\nspec:\n", "\nspec:\n  suspend: true\n"));
    repository.commit("Nothing is written for now");
    let story = Story::of(control_plane, &repository, "shop", &[]).await;
    assert_eq!(story.phase(), "Succeeded", "{story}");
    let message = story.last(EVENT_TYPE, "order.shipped")[2];
    assert!(message.starts_with("Suspended: "), "{message}");
    story.all_is_well_but(&[]);

    // What a hand changes is found, whichever way is taken; else the above would say little.
    let change = r#"{"spec": {"url": "https://hooks.example.org/elsewhere"}}"#;
    let by_hand = ["-n", "shop", "patch", ENDPOINT, "warehouse", "--type=merge", "-p", change];
    control_plane.kubectl(&by_hand).await.expect_success();
    let story = Story::of(control_plane, &repository, "shop", &["-compare"]).await;
    for comparison in story.all("comparison") {
        let different = comparison["different"].as_array().unwrap();
        assert_eq!(different.len(), 1, "{comparison}");
        assert_eq!(different[0]["live"]["metadata"]["name"], "warehouse");
    }
    assert_eq!(story.all("comparison").count(), 2);
}

/// Applied on the server and without waves: the operator finds the order.
async fn software_heritage_at_once(control_plane: &ControlPlane) {
    let svix = prepare(control_plane, "archive", "archive-token").await;
    let repository = Repository::new();
    copy(&repository, "software-heritage", |name, text| match name {
        // The name `default` is the shop's.
        "connection.yaml" => text
            .replace("\n  name: default\n", "\n  name: archive\n")
            .replace("name: svix-token", "name: archive-token")
            .replace("  tokenSecretRef:", &format!("  serverUrl: {}\n  tokenSecretRef:", svix.url())),
        _ => text.replace("\nspec:\n", "\nspec:\n  connectionRef: {name: archive}\n"),
    });
    repository.commit("The webhooks of the archive");

    let story = Story::of(control_plane, &repository, "archive", &["-server-side"]).await;
    assert_eq!(story.phase(), "Succeeded", "{story}");
    assert_eq!(story.names(EVENT_TYPE), ["origin.create", "origin.visit"]);
    assert_eq!(story.names(ENDPOINT), ["catalogue", "project-created", "project-visits"]);
    story.all_is_well_but(&[]);
    story.nothing_differs(6);
    assert_eq!(endpoints(&svix).len(), 3);
}
