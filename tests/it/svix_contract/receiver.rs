//! A receiver of webhooks on 127.0.0.1 that keeps what it gets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;

use super::{Svix, eventually};

/// How long a first delivery may take.
pub(super) const DELIVERY: Duration = Duration::from_secs(20);

/// One webhook that arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The id of the message, whichever name its header has.
    fn message(&self) -> &str {
        let id = self.header("svix-id");
        if id.is_empty() { self.header("webhook-id") } else { id }
    }
}

#[derive(Default)]
struct Inbox {
    received: Vec<Received>,
    /// The statuses of the next answers; 200 when there are none.
    statuses: Vec<u16>,
}

pub(super) struct Receiver {
    url: String,
    inbox: Arc<Mutex<Inbox>>,
    server: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let inbox: Arc<Mutex<Inbox>> = Arc::default();
        let receive = async |State(inbox): State<Arc<Mutex<Inbox>>>, headers: HeaderMap, body: String| {
            let mut inbox = inbox.lock().unwrap();
            inbox.received.push(Received { headers, body });
            let status = if inbox.statuses.is_empty() { 200 } else { inbox.statuses.remove(0) };
            (StatusCode::from_u16(status).unwrap(), format!("answered {status}"))
        };
        let app = Router::new().fallback(receive).with_state(Arc::clone(&inbox));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inbox, server }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Answers the next webhooks so, before it says 200 again.
    pub(super) fn answer_next(&self, statuses: &[u16]) {
        self.inbox.lock().unwrap().statuses = statuses.to_vec();
    }

    /// What arrived of a message, so far.
    pub(super) fn received(&self, message: &str) -> Vec<Received> {
        let inbox = self.inbox.lock().unwrap();
        inbox.received.iter().filter(|it| it.message() == message).cloned().collect()
    }

    /// Waits until a message arrived `times` times. `None`, which is printed, if the server under test refuses to deliver to
    /// 127.0.0.1, which is what a real one does unless it is configured otherwise.
    pub(super) async fn wait_for(
        &self,
        svix: &Svix,
        app: &str,
        message: &str,
        times: usize,
    ) -> Option<Vec<Received>> {
        let what = format!("{times} deliveries of {message}");
        let arrived = eventually(&what, DELIVERY, async || {
            let received = self.received(message);
            if received.len() >= times {
                return Some(Some(received));
            }
            let attempts = svix.get(&format!("/app/{app}/attempt/msg/{message}/")).await.expect(200);
            attempts["data"].as_array().unwrap().iter().any(blocked).then_some(None)
        })
        .await;
        if arrived.is_none() {
            eprintln!("not checked: this server refuses to deliver to 127.0.0.1 (SVIX_WHITELIST_SUBNETS)");
        }
        arrived
    }
}

fn blocked(attempt: &Value) -> bool {
    attempt["responseStatusCode"] == 0
        && attempt["response"].as_str().is_some_and(|it| it.contains("blocked"))
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}
