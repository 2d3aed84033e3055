//! A receiver of webhooks on 127.0.0.1 that keeps what it gets, and checks signatures with Svix's own library.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// A webhook that arrived.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub headers: HeaderMap,
    pub body: String,
}

impl Webhook {
    /// Whether it is signed with this secret.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let library = svix::webhooks::Webhook::new(secret).unwrap();
        library.verify(self.body.as_bytes(), &self.headers).is_ok()
    }
}

/// The receiver.
pub struct Inbox {
    url: String,
    webhooks: Arc<Mutex<Vec<Webhook>>>,
    server: JoinHandle<()>,
}

impl Inbox {
    /// A receiver that answers so.
    pub async fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let webhooks: Arc<Mutex<Vec<Webhook>>> = Arc::default();
        let receive = async move |State(webhooks): State<Arc<Mutex<Vec<Webhook>>>>,
                                  headers: HeaderMap,
                                  body: String| {
            webhooks.lock().unwrap().push(Webhook { headers, body });
            StatusCode::from_u16(status).unwrap()
        };
        let app = Router::new().fallback(receive).with_state(webhooks.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, webhooks, server }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What arrived so far.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.webhooks.lock().unwrap().clone()
    }

    /// The bodies of what arrived so far.
    pub fn bodies(&self) -> Vec<String> {
        self.webhooks().into_iter().map(|webhook| webhook.body).collect()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}
