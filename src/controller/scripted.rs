//! An API server for unit tests, which returns what the test says and records its requests.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use kube::{Client, client::Body};
use serde_json::{Value, json};

/// Returns a status code and an object for a request, which is `METHOD URI BODY`, and the number of requests before.
type Answers = dyn FnMut(&str, usize) -> (u16, Value) + Send;

/// What the API server answers.
#[derive(Clone)]
pub(super) struct Script {
    requests: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Answers>>,
}

impl Script {
    /// An API server that gives these answers, one after the other.
    pub fn of(answers: impl IntoIterator<Item = (u16, Value), IntoIter: Send + 'static>) -> Self {
        let mut answers = answers.into_iter();
        Self::answered_by(move |request, _| {
            answers.next().unwrap_or_else(|| (500, json!(format!("one request too many: {request}"))))
        })
    }

    /// An API server that asks a function for each answer.
    pub fn answered_by(answers: impl FnMut(&str, usize) -> (u16, Value) + Send + 'static) -> Self {
        Self { requests: Arc::default(), answers: Arc::new(Mutex::new(answers)) }
    }

    /// The requests so far, each as `METHOD URI BODY`.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A client of this API server.
    pub fn client(&self) -> Client {
        let script = self.clone();
        let service = tower::service_fn(move |request: hyper::Request<Body>| {
            let script = script.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = String::from_utf8(body.collect_bytes().await.unwrap().to_vec()).unwrap();
                let (status, body) = script.answer(format!("{} {} {body}", parts.method, parts.uri));
                let response = hyper::Response::builder().status(status);
                Ok::<_, std::convert::Infallible>(
                    response.body(Body::from(body.to_string().into_bytes())).unwrap(),
                )
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, request: String) -> (u16, Value) {
        let mut requests = self.requests.lock().unwrap();
        let (status, mut body) = (self.answers.lock().unwrap())(&request, requests.len());
        requests.push(request);
        if status >= 400 {
            let message = body.as_str().unwrap_or("no");
            body = json!({"kind": "Status", "status": "Failure", "code": status, "reason": "x", "message": message});
        }
        (status, body)
    }
}

/// An object in namespace `ns`, of which there is only metadata.
pub(super) fn object(name: &str, uid: &str, version: &str, finalizers: &[&str]) -> Value {
    json!({"metadata": {
        "name": name, "namespace": "ns", "uid": uid, "resourceVersion": version, "finalizers": finalizers,
    }})
}

/// A list of these objects.
pub(super) fn list(objects: impl IntoIterator<Item = Value>) -> Value {
    json!({"metadata": {}, "items": objects.into_iter().collect::<Vec<_>>()})
}
