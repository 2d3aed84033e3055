//! An environment that swh-webhooks 0.3.2 itself made: exported, applied, adopted, and still its own; and what its page says.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use svix_operator::api::ChannelEncoding;
use tokio::process::Command;

use super::{Environment, load, unmarked};
use crate::support::packages::{python_package, run};

const PACKAGE: &str = "swh-webhooks==0.3.2";

/// What every script begins with.
const HEAD: &str = r#"
import json, os, sys
from swh.webhooks.interface import Endpoint, EventType, Webhooks
webhooks = Webhooks(None, os.environ["SVIX_URL"], os.environ["SVIX_TOKEN"])
repository = "https://git.example.org/user/project"
endpoints = [
    Endpoint("https://hooks.example.org/all", "origin.visit"),
    Endpoint("https://hooks.example.org", "origin.visit", repository),
    Endpoint("https://hooks.example.org/plain", "origin.create", "plain"),
    Endpoint("https://hooks.example.org/meta", "origin.create", repository, {"team": "a", "on": "yes"}),
]
"#;

/// Creates event types by the command line, and endpoints; one with a key of its own, and one twice, which rotates its key.
const MAKE: &str = r#"
from click.testing import CliRunner
from swh.webhooks.cli import webhooks_cli_group
for arguments in [
    ["event-type", "register-defaults"],
    ["event-type", "add", "origin.gone", "unused", sys.argv[1]],
    ["event-type", "delete", "origin.gone"],
]:
    result = CliRunner().invoke(webhooks_cli_group, arguments, obj={})
    assert result.exit_code == 0, result.output
for endpoint in endpoints:
    webhooks.endpoint_create(endpoint)
webhooks.endpoint_create(endpoints[0], "whsec_" + "a" * 32)
webhooks.endpoint_create(endpoints[1])
"#;

/// Prints what the package lists, and the secrets that it gets; sends events on channels.
const LIST: &str = r#"
listed = {}
for event_type in webhooks.event_types_list():
    # On a channel, it lists those without one, too; without a channel, only those without one.
    found = [
        [e.url, e.channel]
        for channel in [repository, "plain"]
        for e in webhooks.endpoints_list(event_type.name, channel, ascending_order=True)
    ]
    listed[event_type.name] = [event_type.description, event_type.schema, found]
secrets = [webhooks.endpoint_get_secret(endpoint) for endpoint in endpoints]
visit = {"origin_url": repository, "visit_type": "git", "visit_date": "2024-01-01T00:00:00Z", "visit_status": "full",
         "snapshot_swhid": "swh:1:snp:" + "0" * 40}
sent = [
    webhooks.event_send("origin.visit", visit, repository),
    webhooks.event_send("origin.create", {"origin_url": repository}, "plain"),
]
assert all(message.startswith("msg_") for message, _ in sent), sent
print(json.dumps({"listed": listed, "secrets": secrets}))
"#;

/// Prints the commands and the functions of the package.
const INVENTORY: &str = r#"
import inspect, click
from swh.webhooks.cli import webhooks_cli_group
from swh.webhooks.interface import Webhooks
def walk(group, path):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            walk(command, path + [name])
        else:
            print("swh webhooks " + " ".join(path + [name]))
walk(webhooks_cli_group, [])
for name, _ in inspect.getmembers(Webhooks, inspect.isfunction):
    if not name.startswith("_"):
        print(name)
"#;

async fn python(
    package: &Path,
    script: &str,
    environment: Option<&Environment>,
    arguments: &[&Path],
) -> String {
    let mut python = Command::new("python3");
    python.arg("-c").arg(script).args(arguments).env("PYTHONPATH", package);
    if let Some(environment) = environment {
        python.env("SVIX_URL", environment.svix.url()).env("SVIX_TOKEN", environment.svix.token());
    }
    run(python).await.unwrap()
}

/// What the package sees of an environment.
async fn seen(package: &Path, environment: &Environment) -> Value {
    serde_json::from_str(&python(package, &format!("{HEAD}{LIST}"), Some(environment), &[]).await).unwrap()
}

/// An environment that the package made, and the package.
async fn environment() -> Option<(Environment, PathBuf)> {
    let package = python_package(PACKAGE).await?;
    let environment = Environment::new().await;
    let scratch = tempfile::tempdir().unwrap();
    let schema = scratch.path().join("schema.json");
    std::fs::write(&schema, "{\"type\": \"object\"}").unwrap();
    python(&package, &format!("{HEAD}{MAKE}"), Some(&environment), &[&schema]).await;
    Some((environment, package))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_environment_is_adopted_with_the_marks_alone() {
    // Given what the package made
    let Some((environment, package)) = environment().await else { return };
    let seen_before = seen(&package, &environment).await;
    let before = environment.svix.snapshot();
    let folder = tempfile::tempdir().unwrap();

    // When it is exported and applied
    let printed = environment.exported(folder.path(), &["--owner-id", "archive"]);
    let writes = environment.applied(folder.path());

    // Then it is recognised, with real names,
    assert!(
        printed.starts_with(
            "2 event types and 4 endpoints (ownerId archive); 3 applications made by swh-webhooks"
        ),
        "{printed}"
    );
    let loaded = load(folder.path());
    let connection = &loaded.connections[0].object.spec;
    assert_eq!(connection.channel_encoding, Some(ChannelEncoding::Always));
    assert_eq!(connection.event_type_names, None);
    for found in &loaded.endpoints {
        let spec = &found.object.spec;
        let name = found.object.metadata.name.as_deref().unwrap();
        assert!(name.starts_with(&format!("{}.", spec.event_types[0])), "{name}");
        let header = &spec.headers.as_ref().unwrap()[0];
        assert_eq!((header.name.as_str(), header.value.as_ref()), ("X-Swh-Event", spec.event_types.first()));
        let mut channels = spec.channels.iter().flatten();
        assert!(channels.all(|channel| channel == "plain" || channel.starts_with("https://git.")), "{name}");
    }
    // adopted with the marks as the only writes,
    assert_eq!(writes.len(), 4, "{writes:?}");
    assert!(writes.iter().all(|write| write.starts_with("endpoint.patch ")), "{writes:?}");
    assert_eq!(unmarked(environment.svix.snapshot()), unmarked(before));
    // and the package still lists, sends, and gets the secrets that it expects.
    assert_eq!(seen(&package, &environment).await, seen_before);
    assert_eq!(seen_before["listed"]["origin.visit"][2].as_array().unwrap().len(), 3);
    assert_eq!(seen_before["secrets"][0], json!(format!("whsec_{}", "a".repeat(32))));
    assert_eq!(environment.applied(folder.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_its_environment_is_one_of_its_own() {
    let Some((environment, package)) = environment().await else { return };
    let copy = Environment::new().await;
    let folder = tempfile::tempdir().unwrap();
    let before = seen(&package, &environment).await;

    environment.exported(folder.path(), &["--with-secrets", "--portable"]);
    copy.applied(folder.path());

    assert_eq!(seen(&package, &copy).await, before);
    // Its applications are called by their uids now, and are recognised all the same.
    let again = tempfile::tempdir().unwrap();
    let printed = copy.exported(again.path(), &["--with-secrets", "--portable"]);
    assert!(printed.contains("; 2 applications made by swh-webhooks"), "{printed}");
}

#[tokio::test]
async fn each_of_its_commands_and_functions_has_a_counterpart() {
    let Some(package) = python_package(PACKAGE).await else { return };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/from-swh-webhooks.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows: Vec<(String, String)> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.splitn(2, "` | ");
            Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
        })
        .collect();

    let inventory = python(&package, INVENTORY, None, &[]).await;

    let mut listed = 0;
    for name in inventory.lines() {
        let found: Vec<_> = rows.iter().filter(|(of, _)| of == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        assert!(found[0].1.len() > 10, "{name}");
        listed += 1;
    }
    assert_eq!(listed, 23);
    let ours = rows.iter().filter(|(of, _)| of.starts_with("swh webhooks ") || !of.contains([' ', '.', '-']));
    assert_eq!(ours.count(), listed, "a row is about nothing in the package");
    // The commands that the counterparts name exist.
    for command in page.split("`svix-operator ").skip(1).filter_map(|rest| rest.split([' ', '`']).next()) {
        let help = std::process::Command::new(super::PROGRAM).args([command, "--help"]).output().unwrap();
        assert!(help.status.success(), "{command}");
    }
}
