//! Many endpoints in bounded memory.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use serde_json::json;

use super::{Environment, PROGRAM, load};

const APPLICATIONS: usize = 20;
const ENDPOINTS: usize = 10_000;
/// A build without optimisation takes 46 MiB for 500 endpoints, 54 for 10,000 and 56 for 30,000.
const LIMIT_MIB: u64 = 80;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_endpoints_take_little_memory() {
    // Given many endpoints with some text each
    let environment = Environment::new().await;
    environment.post("/event-type", json!({"name": "a.one", "description": ""})).await;
    for app in 0..APPLICATIONS {
        environment.post("/app", json!({"name": format!("app-{app}"), "uid": format!("app-{app}")})).await;
    }
    let description = "d".repeat(500);
    stream::iter(0..ENDPOINTS)
        .for_each_concurrent(16, |index| {
            let body = json!({
                "url": format!("https://a.example/{index}"), "uid": format!("hook-{index}"), "eventTypes": ["a.one"],
                "description": description, "metadata": {"index": index.to_string()},
            });
            let path = format!("/app/app-{}/endpoint", index % APPLICATIONS);
            let environment = &environment;
            async move { drop(environment.post(&path, body).await) }
        })
        .await;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("out");

    // When they are exported
    let begun = Instant::now();
    let mut child = Command::new(PROGRAM)
        .args(["export", "--with-secrets", "--svix-url", &environment.svix.url(), "--output"])
        .arg(&folder)
        .env("SVIX_TOKEN", environment.svix.token())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    // The kernel forgets the peak with the process, so it is sampled as long as there is one.
    let (code, peak) = tokio::task::spawn_blocking(move || {
        let mut peak = 0;
        loop {
            peak = peak.max(peak_kib(&status).unwrap_or(0));
            if let Some(code) = child.try_wait().unwrap() {
                return (code, peak / 1024);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    })
    .await
    .unwrap();

    // Then memory is bounded, and nothing is missing.
    println!("{ENDPOINTS} endpoints: {:?}, peak {peak} MiB", begun.elapsed());
    assert!(code.success());
    assert_eq!(load(&folder).endpoints.len(), ENDPOINTS);
    assert!((1..LIMIT_MIB).contains(&peak), "{peak} MiB");
}

/// The most memory that a process had.
fn peak_kib(status: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
