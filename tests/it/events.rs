//! `svix-operator events` and `svix-operator secret` as a user runs them, against the embedded Svix.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode};
use serde_json::{Value, json};
use svix_operator::embedded::{DeliveryOptions, EmbeddedSvix, Options};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::support::{svix_server, wait::eventually};

mod follow;
mod get;
mod list;
mod replay;
mod secret;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");
const PATIENCE: Duration = Duration::from_secs(60);

type Reply = Arc<Mutex<(u16, String)>>;

/// A Svix with the application `default`, and a receiver that replies as the test says.
struct Environment {
    svix: EmbeddedSvix,
    receiver_url: String,
    reply: Reply,
    receiver: JoinHandle<()>,
}

impl Environment {
    async fn new() -> Self {
        // The first attempt that fails is followed by none before the test ends.
        let delivery =
            DeliveryOptions { retry_schedule: vec![Duration::from_secs(3600)], ..DeliveryOptions::default() };
        let svix = svix_server::start_with(Options { delivery, ..Options::default() }).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver_url = format!("http://{}/hook-hunter2", listener.local_addr().unwrap());
        let reply: Reply = Arc::new(Mutex::new((200, String::new())));
        let receive = async |State(reply): State<Reply>| {
            let (status, body) = reply.lock().unwrap().clone();
            (StatusCode::from_u16(status).unwrap(), body)
        };
        let app = Router::new().fallback(receive).with_state(reply.clone());
        let receiver = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let environment = Self { svix, receiver_url, reply, receiver };
        environment.post("/app", json!({"name": "default", "uid": "default"})).await;
        environment
    }

    /// Calls the API of the server; the path is what follows `/api/v1`.
    async fn post(&self, path: &str, body: Value) -> Value {
        let request = reqwest::Client::new()
            .post(format!("{}/api/v1{path}", self.svix.url()))
            .bearer_auth(self.svix.token())
            .json(&body);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {response:?}");
        response.json().await.unwrap_or(Value::Null)
    }

    /// An endpoint of the receiver, with this uid.
    async fn endpoint(&self, uid: &str, more: Value) {
        let mut body = json!({"url": self.receiver_url, "uid": uid});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/app/default/endpoint", body).await;
    }

    fn receiver_replies(&self, status: u16, body: &str) {
        *self.reply.lock().unwrap() = (status, body.to_owned());
    }

    /// Sends a message, and returns its id.
    async fn send(&self, event_type: &str, more: Value) -> String {
        let mut body = json!({"eventType": event_type, "payload": {}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let sent = self.post("/app/default/msg", body).await;
        sent["id"].as_str().unwrap().to_owned()
    }

    /// Sends a message, and waits until an attempt is made at each of so many endpoints.
    async fn deliver(&self, event_type: &str, more: Value, endpoints: usize) -> String {
        let id = self.send(event_type, more).await;
        eventually("the attempts", PATIENCE, async || {
            (self.svix.last_deliveries(&id).len() == endpoints).then_some(())
        })
        .await;
        id
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        for variable in ["SVIX_SERVER_URL", "SVIX_AUTH_TOKEN", "RUST_LOG"] {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .env("SVIX_URL", self.svix.url())
            .env("SVIX_TOKEN", self.svix.token())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command on a terminal, where somebody types a line. What the terminal shows is standard output. `None`: there
    /// is no Python, which makes the terminal.
    async fn run_on_terminal(&self, arguments: &[&str], typed: &str) -> Option<Output> {
        let script = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let mut command = Command::new("python3");
        command.args(["-c", script, PROGRAM]).args(arguments);
        command.env("SVIX_URL", self.svix.url()).env("SVIX_TOKEN", self.svix.token());
        let typed = format!("{typed}\n");
        tokio::task::spawn_blocking(move || {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    assert!(std::env::var_os("SVIX_OPERATOR_REQUIRE_SDKS").is_none(), "python3: {error}");
                    eprintln!("not tested: python3: {error}");
                    return None;
                }
            };
            child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
            Some(child.wait_with_output().unwrap())
        })
        .await
        .unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.receiver.abort();
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

/// The second column of a table.
fn ids(output: &Output) -> Vec<String> {
    out(output).lines().skip(1).map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
}
