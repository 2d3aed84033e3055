//! `dev` ends at the first signal, whatever it reads.

use std::{process::ExitStatus, time::Duration};

use tokio::net::TcpStream;

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

#[tokio::test]
async fn a_signal_ends_the_reading_of_an_edit() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.b")]);
    let address = free_address();
    let (mut child, printed) = start_with(dir.path(), &["--listen", &address.to_string()], None);
    wait_for_output(&printed, "Watching").await;

    std::fs::write(dir.path().join("b.yaml"), broken()).unwrap();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(1)).build().unwrap();
    eventually("it reads the edit", PATIENCE, async || {
        let response = client.get(format!("http://{address}/api/v1/health/")).send().await;
        if response.is_err() { Ok(()) } else { Err("it responds") }
    })
    .await;
    let status = terminate(&mut child).await;

    assert_eq!(status.code(), Some(0));
    let printed = printed.lock().unwrap();
    assert!(!printed.contains("b.yaml"), "{printed}");
}
