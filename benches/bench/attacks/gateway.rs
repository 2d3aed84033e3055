//! Attacks on the gateway.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};

use crate::{
    support::{
        objects::event_type,
        ports::free_address,
        process::{LIMIT_OF_SIDECARS, image_environment},
        raw_server::{Answer, RawServer},
    },
    table::Table,
};

use super::{Bounds, counted, limit::MemoryLimit, measure, payloads};

/// An address of this machine that is another caller.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A gateway in front of a Svix that never responds, as one process.
struct Gateway {
    process: Child,
    address: SocketAddr,
    http: reqwest::Client,
    _limit: MemoryLimit,
    _folder: tempfile::TempDir,
    _svix: RawServer,
}

impl Gateway {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simple = event_type("a.one").with("schema", json!({"type": "object"})).0;
        std::fs::write(folder.path().join("one.yaml"), simple.to_string()).unwrap();
        for (name, schema, _) in payloads::much_work() {
            let manifest = event_type(name).with("schema", schema).0.to_string();
            std::fs::write(folder.path().join(format!("{name}.yaml")), manifest).unwrap();
        }
        let svix = RawServer::start(|_| Answer::Silence).await;
        let address = free_address();
        let process = Command::new(env!("CARGO_BIN_EXE_svix-operator"))
            .args(["webhook", "--from"])
            .arg(folder.path())
            .args(["--health-addr", &free_address().to_string()])
            .args(["--listen", &address.to_string(), "--svix-url", &format!("http://{}", svix.address)])
            .envs(image_environment())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let limit = MemoryLimit::of(process.id(), LIMIT_OF_SIDECARS);
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(90)).build().unwrap();
        let gateway = Self { process, address, http, _limit: limit, _folder: folder, _svix: svix };
        while !gateway.is_answered().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        gateway
    }

    /// Returns the status of the response to `/validate`; 0: there was none.
    async fn validate(&self, event_type: &str, payload: String) -> u16 {
        let url = format!("http://{}/validate/{event_type}", self.address);
        let response = self.http.post(url).body(payload).send().await;
        response.map_or(0, |response| response.status().as_u16())
    }

    async fn is_answered(&self) -> bool {
        self.validate("a.one", "{}".to_owned()).await == 200
    }

    async fn all(&self, event_type: &str, payload: &str, times: usize) -> Vec<u16> {
        futures::future::join_all((0..times).map(|_| self.validate(event_type, payload.to_owned()))).await
    }

    /// Sends part of a body of 2 MiB, and keeps the rest.
    async fn withhold(&self) -> Option<TcpStream> {
        let mut stream = connect(self.address).await?;
        let head = "POST /validate/a.one HTTP/1.1\r\nhost: a\r\ncontent-length: 2097152\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok()?;
        // The gateway may refuse the rest.
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(&vec![b' '; 2_000_000])).await;
        Some(stream)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Connects as another caller.
async fn connect(address: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((ATTACKER, 0).into()).ok()?;
    tokio::time::timeout(Duration::from_secs(2), socket.connect(address)).await.ok()?.ok()
}

fn bounds() -> Bounds {
    Bounds { limit_mib: Some(LIMIT_OF_SIDECARS), others: Duration::from_secs(1) }
}

pub async fn run(table: &mut Table) {
    let gateway = Gateway::start().await;
    let pid = gateway.process.id();
    let (heavy, largest) = (payloads::beyond_the_weight(), payloads::largest());
    let mut add = async |name: (&str, &str), attack: std::pin::Pin<Box<dyn Future<Output = String> + '_>>| {
        measure(table, name, pid, bounds(), attack, || gateway.is_answered()).await;
    };

    add(
        ("gateway: 100 bodies of 1 MiB whose trees take 100 MiB each", "4.9 GB: killed"),
        Box::pin(async { counted(gateway.all("a.one", &heavy, 100).await) }),
    )
    .await;
    add(
        ("gateway: 64 withheld bodies of 2 MiB", "fill 192 MiB: killed"),
        Box::pin(async {
            let withheld = futures::future::join_all((0..64).map(|_| gateway.withhold())).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            format!("{} connections", withheld.iter().flatten().count())
        }),
    )
    .await;
    for (name, _, payload) in payloads::much_work() {
        let row = format!("gateway: 8 payloads of {name} at once");
        add(
            (&row, "15 to 26 s of CPU each"),
            Box::pin(async { counted(gateway.all(name, &payload, 8).await) }),
        )
        .await;
    }
    add(
        ("gateway: 8,300 idle connections of another caller", "others are refused for 75 s"),
        Box::pin(async {
            let mut open = Vec::new();
            for _ in 0..8_300 {
                open.extend(connect(gateway.address).await);
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
            format!("{} connections were accepted", open.len())
        }),
    )
    .await;
    add(
        ("gateway: all of them at once", "-"),
        Box::pin(async {
            let idle = async {
                let mut open = Vec::new();
                for _ in 0..4_000 {
                    open.extend(connect(gateway.address).await);
                }
                open
            };
            let work = async {
                let mut all = Vec::new();
                for (name, _, payload) in payloads::much_work() {
                    all.extend(gateway.all(name, &payload, 4).await);
                }
                all
            };
            let withheld = futures::future::join_all((0..64).map(|_| gateway.withhold()));
            let (heavy, largest, work, _, _) = futures::join!(
                gateway.all("a.one", &heavy, 100),
                gateway.all("a.one", &largest, 50),
                work,
                withheld,
                idle
            );
            counted(heavy.into_iter().chain(largest).chain(work))
        }),
    )
    .await;
}
