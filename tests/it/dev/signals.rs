//! While a folder is read again, `dev` serves others; whatever it reads, it ends at the first signal.

use std::{process::ExitStatus, time::Duration};

use notify::{EventKind, RecursiveMode, Watcher as _, event::AccessKind};
use tokio::{net::TcpStream, sync::oneshot};

use super::*;

/// Longer than the end of the process takes, and less than reading [`broken`] does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Manifests with so many mistakes that reading them takes long.
fn broken() -> String {
    let document = "---\napiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {name: broken}\nspec: [1\n";
    document.repeat(300_000)
}

async fn terminate(child: &mut tokio::process::Child) -> ExitStatus {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
    ended.expect("it ends at the first signal").unwrap()
}

#[tokio::test]
async fn a_signal_ends_the_first_reading() {
    for (arguments, code) in [(&[][..], 0), (&["--once"][..], 2)] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), broken()).unwrap();
        let address = free_address();
        let listen = address.to_string();
        let arguments = [&["--listen", &listen], arguments].concat();
        let (mut child, printed) = start_with(dir.path(), &arguments, None);
        // It listens just before it reads.
        eventually("it listens", PATIENCE, async || TcpStream::connect(address).await).await;

        let status = terminate(&mut child).await;

        assert_eq!(status.code(), Some(code), "{arguments:?}");
        assert_eq!(*printed.lock().unwrap(), "", "{arguments:?}");
    }
}

/// Adds [`broken`] to a folder, and waits until it is opened, which is for reading.
async fn add_broken(dir: &Path) {
    let elsewhere = tempfile::tempdir().unwrap();
    let written = elsewhere.path().join("b.yaml");
    std::fs::write(&written, broken()).unwrap();
    let (opened, is_opened) = oneshot::channel();
    let mut opened = Some(opened);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let event = event.unwrap();
        let is_open = matches!(event.kind, EventKind::Access(AccessKind::Open(_)));
        if is_open && event.paths.iter().any(|path| path.ends_with("b.yaml")) {
            opened.take().into_iter().for_each(|opened| opened.send(()).unwrap());
        }
    })
    .unwrap();
    watcher.watch(dir, RecursiveMode::NonRecursive).unwrap();
    std::fs::rename(written, dir.join("b.yaml")).unwrap();
    tokio::time::timeout(PATIENCE, is_opened).await.expect("it reads the edit").unwrap();
}

#[tokio::test]
async fn others_are_served_while_an_edit_is_read() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.b")]);
    let [svix, gateway] = [free_address(), free_address()].map(|address| address.to_string());
    let arguments = ["--listen", &svix, "--gateway", &gateway];
    let (_child, printed) = start_with(dir.path(), &arguments, None);
    wait_for_output(&printed, "Watching").await;
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();

    add_broken(dir.path()).await;
    let health = client.get(format!("http://{svix}/api/v1/health/")).send().await.unwrap();
    let valid = client.post(format!("http://{gateway}/validate/a.b")).body("{}").send().await.unwrap();

    assert_eq!((health.status().as_u16(), valid.status().as_u16()), (200, 200));
    assert!(!printed.lock().unwrap().contains("b.yaml"));
}

#[tokio::test]
async fn a_signal_ends_the_reading_of_an_edit() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.b")]);
    let (mut child, printed) = start(dir.path(), None);
    wait_for_output(&printed, "Watching").await;

    add_broken(dir.path()).await;
    let status = terminate(&mut child).await;

    assert_eq!(status.code(), Some(0));
    let printed = printed.lock().unwrap();
    assert!(!printed.contains("b.yaml"), "{printed}");
}
