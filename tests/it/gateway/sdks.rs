//! Official SDKs with the gateway as their server; nothing else is configured.
//!
//! The Rust SDK always; the Python, JavaScript and Go ones are installed into the user's cache once. Where their tools
//! or registries are missing, that is reported and the test passes, unless `SVIX_OPERATOR_REQUIRE_SDKS` is set.

use std::path::Path;

use serde_json::json;
use svix_operator::{embedded::EmbeddedSvix, plan::digest::Digest};
use tokio::process::Command;

use super::{Harness, Recorder};
use crate::support::{
    harness::PATIENCE,
    operator::free_address,
    packages::{installed, python_package, run},
    svix_server,
    wait::eventually,
};

/// The token of the Svix in `dev`.
const DEV_TOKEN: &str = "testsk_of_this_test";
const PYTHON: &str = "svix==2.9.1";
const JAVASCRIPT: &str = "svix@2.5.0";
const GO: &str = "github.com/svix/svix-webhooks@v1.96.1";
const SCRIPT_GO: &str = include_str!("../data/sdk-go/main.go");

/// A gateway in front of an embedded Svix that has the application `default`.
async fn harness() -> (EmbeddedSvix, Harness) {
    let svix = svix_server::start().await;
    let app = json!({"name": "default", "uid": "default"});
    let url = format!("{}/api/v1/app", svix.url());
    let made = reqwest::Client::new().post(url).bearer_auth(svix.token()).json(&app).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let gateway = Harness::in_front_of(&svix.url(), Recorder::default(), |_| {}).await;
    (svix, gateway)
}

#[tokio::test]
async fn the_rust_sdk() {
    let (svix, gateway) = harness().await;
    let options = svix::api::SvixOptions {
        server_url: Some(gateway.url()),
        num_retries: Some(0),
        ..Default::default()
    };
    let client = svix::api::Svix::new(svix.token().to_owned(), Some(options));
    let send = async |payload| {
        let message = svix::models::MessageIn::new("a.enforce".to_owned(), payload);
        client.message().create("default".to_owned(), message, None).await
    };
    assert!(send(json!({"n": 1})).await.unwrap().id.starts_with("msg_"));
    let svix::error::Error::Validation(refused) = send(json!({"n": "x"})).await.unwrap_err() else {
        panic!("not a validation error");
    };
    let detail = &refused.payload.unwrap().detail[0];
    assert_eq!(detail.loc, ["body", "payload", "n"]);
    assert_eq!(detail.msg, r#"found "x", expected an integer"#);
    assert_eq!(client.message().list("default".to_owned(), None).await.unwrap().data.len(), 1);
}

const SCRIPT_PY: &str = r#"
import os
from svix.api import Svix, SvixOptions, MessageIn
from svix.exceptions import HTTPValidationError
svix = Svix(os.environ["TOKEN"], SvixOptions(server_url=os.environ["URL"]))
sent = svix.message.create("default", MessageIn(event_type="a.enforce", payload={"n": 1}))
assert sent.id.startswith("msg_"), sent
try:
    svix.message.create("default", MessageIn(event_type="a.enforce", payload={"n": "x"}))
    raise SystemExit("it was taken")
except HTTPValidationError as error:
    assert error.detail[0].loc == ["body", "payload", "n"], error.detail
    assert error.detail[0].msg == 'found "x", expected an integer', error.detail
assert len(svix.message.list("default").data) == 1
print("good")
"#;

#[tokio::test]
async fn the_python_sdk() {
    let Some(place) = python_package(PYTHON).await else { return };
    let (svix, gateway) = harness().await;
    let mut python = Command::new("python3");
    python
        .args(["-c", SCRIPT_PY])
        .env("PYTHONPATH", place)
        .env("URL", gateway.url())
        .env("TOKEN", svix.token());
    assert_eq!(run(python).await.unwrap(), "good\n");
}

const SCRIPT_JS: &str = r#"
const assert = require("node:assert");
const { Svix } = require(process.env.PLACE + "/node_modules/svix");
const svix = new Svix(process.env.TOKEN, { serverUrl: process.env.URL });
(async () => {
    const sent = await svix.message.create("default", { eventType: "a.enforce", payload: { n: 1 } });
    assert(sent.id.startsWith("msg_"));
    const refused = await svix.message.create("default", { eventType: "a.enforce", payload: { n: "x" } })
        .then(() => assert.fail("it was taken"), (error) => error);
    assert.strictEqual(refused.code, 422);
    assert.deepStrictEqual(refused.body.detail[0].loc, ["body", "payload", "n"]);
    assert.strictEqual(refused.body.detail[0].msg, 'found "x", expected an integer');
    assert.strictEqual((await svix.message.list("default")).data.length, 1);
    console.log("good");
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[tokio::test]
async fn the_javascript_sdk() {
    let place = installed(&JAVASCRIPT.replace('@', "-js-"), async |scratch| {
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            JAVASCRIPT,
            "--prefix",
        ])
        .arg(scratch);
        run(npm).await.map(drop)
    })
    .await;
    let Some(place) = place else { return };
    let (svix, gateway) = harness().await;
    let mut node = Command::new("node");
    node.args(["-e", SCRIPT_JS]).env("PLACE", place).env("URL", gateway.url()).env("TOKEN", svix.token());
    assert_eq!(run(node).await.unwrap(), "good\n");
}

#[tokio::test]
async fn the_go_sdk() {
    // The program is built once, so what is kept goes by its text, too.
    let key = format!("go-{}", Digest::of_text(&format!("{GO}{SCRIPT_GO}")));
    let place = installed(&key, async |scratch| {
        std::fs::write(scratch.join("main.go"), SCRIPT_GO).map_err(|error| error.to_string())?;
        for arguments in
            [&["mod", "init", "sdk"][..], &["get", GO], &["mod", "tidy"], &["build", "-o", "sdk", "."]]
        {
            let mut go = Command::new("go");
            go.args(arguments).current_dir(scratch);
            run(go).await?;
        }
        Ok(())
    })
    .await;
    let Some(place) = place else { return };
    let (svix, gateway) = harness().await;
    let mut program = Command::new(place.join("sdk"));
    program.env("URL", gateway.url()).env("TOKEN", svix.token());
    assert_eq!(run(program).await.unwrap(), "good\n");
}

/// As docs/dev.md has it: the receiver of the example takes what `dev` sends, and nothing unsigned.
#[tokio::test]
async fn the_receiver_of_the_example() {
    let Some(place) = python_package(PYTHON).await else { return };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/receiver");
    let manifests = std::fs::read_to_string(example.join("receiver.yaml")).unwrap();
    let key = manifests.split("signing-key: ").last().unwrap().trim();
    let (port, gateway) = (free_address().port(), free_address().to_string());
    let folder = tempfile::tempdir().unwrap();
    let here = manifests.replace("127.0.0.1:9911", &format!("127.0.0.1:{port}"));
    assert_ne!(here, manifests);
    std::fs::write(folder.path().join("receiver.yaml"), here).unwrap();
    let printed = tempfile::NamedTempFile::new().unwrap();
    let mut receiver = Command::new("python3");
    let _receiver = receiver
        .arg(example.join("receiver.py"))
        .env("PYTHONPATH", place)
        .env("SIGNING_KEY", key)
        .env("PORT", port.to_string())
        .stdout(printed.reopen().unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut dev = Command::new(env!("CARGO_BIN_EXE_svix-operator"));
    let _dev = dev
        .args(["dev", "--gateway", &gateway, "--token", DEV_TOKEN])
        .arg(folder.path())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let post = |url: String, body: serde_json::Value| {
        let post = reqwest::Client::new().post(url).bearer_auth(DEV_TOKEN).json(&body);
        async move { post.send().await.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string()) }
    };
    let unsigned = format!("http://127.0.0.1:{port}/webhooks");
    eventually("the receiver to refuse what is not signed", PATIENCE, async || {
        if post(unsigned.clone(), json!({"order_id": "1"})).await? == 400 {
            Ok(())
        } else {
            Err("taken".to_owned())
        }
    })
    .await;
    let event = |id: serde_json::Value| json!({"eventType": "order.placed", "payload": {"order_id": id}});
    let send = format!("http://{gateway}/api/v1/app/default/msg");
    eventually("the event to be taken", PATIENCE, async || {
        let status = post(send.clone(), event(json!("1042"))).await?;
        if status == 202 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    assert_eq!(post(send, event(json!(5))).await, Ok(422));
    eventually("it to be received", PATIENCE, async || {
        let stated = std::fs::read_to_string(printed.path()).unwrap();
        if stated.contains("received: {'order_id': '1042'}") { Ok(()) } else { Err(stated) }
    })
    .await;
}
