//! Memory of `dev --once` against an outside server, at ten thousand endpoints.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::svix_server;
use svix_operator::embedded::{self};

use crate::{
    process::{memory, mib},
    support::objects::connection,
    table::Table,
};

pub const EVENT_TYPES: usize = 1_000;
pub const ENDPOINTS: usize = 10_000;

/// A schema of about 2 KB.
pub fn schema(name: &str) -> serde_json::Value {
    let properties: serde_json::Map<_, _> = (0..25)
        .map(|i| {
            let field = serde_json::json!({"type": "string", "description": format!("field {i} of {name}")});
            (format!("field{i:02}"), field)
        })
        .collect();
    serde_json::json!({"type": "object", "properties": properties})
}

pub async fn run(table: &mut Table) {
    let options = embedded::Options { record_calls: false, ..embedded::Options::default() };
    let svix = svix_server::start_with(options).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, manifests: &mut dyn Iterator<Item = serde_json::Value>| {
        let mut file = std::io::BufWriter::new(std::fs::File::create(folder.path().join(name)).unwrap());
        for manifest in manifests {
            writeln!(file, "---\n{manifest}").unwrap();
        }
        file.flush().unwrap();
    };
    write("connection.yaml", &mut std::iter::once(connection(&svix.url()).0));
    write("types.yaml", &mut (0..EVENT_TYPES).map(|i| event_type(i).0));
    write("endpoints.yaml", &mut (0..ENDPOINTS).map(|i| endpoint(i).0));
    // The first makes everything, the second finds it: both must fit.
    for what in ["makes all of it", "finds all of it"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_svix-operator"))
            .args(["dev", "--once", "--timeout", "600", "--svix-url", &svix.url()])
            .arg(folder.path())
            .env("SVIX_TOKEN", svix.token())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut most = 0;
        let status = loop {
            // The kernel's own high-water mark, so a look now and then is enough.
            if let Some((_, peak)) = memory(child.id()) {
                most = most.max(peak);
            }
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(status.success(), "{status}");
        table.add(
            &format!("dev --once, 10,000 endpoints + 1,000 event types: peak memory when it {what}"),
            mib(most),
            "-".to_owned(),
            "64 MiB".to_owned(),
        );
    }
}

pub fn event_type_name(i: usize) -> String {
    format!("group.event{i:04}")
}

pub fn event_type(i: usize) -> crate::support::objects::Manifest {
    let name = event_type_name(i);
    crate::support::objects::event_type(&name).with("schema", schema(&name))
}

pub fn endpoint(i: usize) -> crate::support::objects::Manifest {
    crate::support::objects::endpoint(&format!("hook{i:05}"), &[&event_type_name(i % EVENT_TYPES)])
}
