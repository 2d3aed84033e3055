//! Attacks on `dev`: what a folder of manifests and a caller of its gateway can do. The chart has no limit for it.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::json;

use crate::{
    support::objects::{Manifest, event, event_type},
    table::Table,
};

use super::{Bounds, counted, measure, payloads};

pub async fn run(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, manifest: Manifest| {
        std::fs::write(folder.path().join(format!("{name}.json")), manifest.0.to_string()).unwrap();
    };
    write("one", event_type("a.one").with("schema", json!({"type": "object"})));
    for (name, schema, _) in payloads::much_work() {
        write(name, event_type(name).with("schema", schema));
    }
    let gateway = crate::support::ports::free_address();
    let mut process = Command::new(env!("CARGO_BIN_EXE_svix-operator"))
        .arg("dev")
        .arg(folder.path())
        .args(["--gateway", &gateway.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(90)).build().unwrap();
    let validate = async |event_type: &str, payload: String| {
        let url = format!("http://{gateway}/validate/{event_type}");
        let response = http.post(url).body(payload).send().await;
        response.map_or(0, |response| response.status().as_u16())
    };
    let is_answered = async || validate("a.one", "{}".to_owned()).await == 200;
    while !is_answered().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let bounds = || Bounds { limit_mib: None, others: Duration::from_secs(1) };

    let heavy = payloads::beyond_the_weight();
    let attack = async {
        counted(futures::future::join_all((0..100).map(|_| validate("a.one", heavy.clone()))).await)
    };
    let name = ("dev: 100 bodies of 1 MiB whose trees take 100 MiB each", "-");
    measure(table, name, process.id(), bounds(), attack, is_answered).await;
    let attack = async {
        let work = payloads::much_work().into_iter().map(|(name, _, payload)| validate(name, payload));
        counted(futures::future::join_all(work).await)
    };
    let name = ("dev: one payload of each kind that is much work", "15 to 26 s of CPU each");
    measure(table, name, process.id(), bounds(), attack, is_answered).await;
    let attack = async {
        for (index, (name, _, payload)) in payloads::much_work().into_iter().enumerate() {
            write(
                &format!("work-{index}"),
                event(&format!("work-{index}"), name)
                    .with("payload", json!(null))
                    .with("payloadText", payload),
            );
        }
        for index in 0..8 {
            let text = if index % 2 == 0 { payloads::beyond_the_weight() } else { payloads::largest() };
            write(
                &format!("heavy-{index}"),
                event(&format!("heavy-{index}"), "a.one")
                    .with("payload", json!(null))
                    .with("payloadText", text),
            );
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        "13 events in the folder".to_owned()
    };
    let name = ("dev: events in the folder, 8 of 1 MB that are heavy and 5 that are much work", "-");
    measure(table, name, process.id(), bounds(), attack, is_answered).await;
    let _ = process.kill();
    let _ = process.wait();
}
