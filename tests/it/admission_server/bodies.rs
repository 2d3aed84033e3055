//! Bodies that are withheld, or arrive slowly.

use super::*;

/// A client whose requests come from another address of this machine.
fn client_at(bundle: &CertificateBundle, address: [u8; 4]) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(bundle.ca_bundle().as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .local_address(IpAddr::from(address))
        .build()
        .unwrap()
}

/// A body of which only the first bytes are sent, and then possibly a byte now and then.
struct Withheld {
    length: u64,
    first: hyper::body::Bytes,
    trickle: Option<tokio::time::Interval>,
}

impl hyper::body::Body for Withheld {
    type Data = hyper::body::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        let Some(trickle) = &mut self.trickle else { return Poll::Pending };
        trickle.poll_tick(cx).map(|_| Some(Ok(Frame::data(" ".into()))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.length)
    }
}

/// A body of which only the first bytes are sent.
fn withheld(length: u64, first: String) -> reqwest::Body {
    reqwest::Body::wrap(Withheld { length, first: first.into(), trickle: None })
}

#[tokio::test]
async fn withheld_bodies_leave_memory_to_others() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, body_progress: PATIENCE, ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    server.known.catalogue.loaded();
    let stranger = client_at(&bundle, [127, 0, 0, 2]);
    let mut all = Vec::new();
    for (count, length) in [(100, 60_000), (60, 1_000_000), (20, 4_000_000)] {
        for _ in 0..count {
            let request = stranger.post(server.url()).body(withheld(length, " ".repeat(30_000)));
            all.push(tokio::spawn(request.send()));
        }
    }
    // More than three quarters of each size were sent when these have begun.
    tokio::time::timeout(Duration::from_secs(1), futures::future::join_all(&mut all)).await.unwrap_err();

    for bytes in [100, 50_000, 900_000, 1_500_000] {
        let mut padded = review();
        padded["padding"] = "x".repeat(bytes).into();
        let sent = client(&bundle).post(server.url()).json(&padded).send();
        let response = tokio::time::timeout(PATIENCE / 3, sent).await;
        assert_eq!(response.expect("a review that does not wait").unwrap().status(), 200, "{bytes} bytes");
    }
    all.iter().for_each(JoinHandle::abort);
}

/// An API server is one caller for all tenants.
#[tokio::test]
async fn bodies_of_a_namespace_leave_memory_to_others() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, body_progress: PATIENCE, ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    server.known.catalogue.loaded();
    let review = |namespace: &str, bytes: usize| {
        let mut review = review();
        review["request"]["namespace"] = namespace.into();
        review["request"]["padding"] = "x".repeat(bytes).into();
        review.to_string()
    };
    let api_server = client(&bundle);
    let flood = |length: u64| {
        tokio::spawn(api_server.post(server.url()).body(withheld(length, review("flood", 30_000))).send())
    };
    let mut all: Vec<_> = (0..180).map(|index| flood([60_000, 900_000, 4_000_000][index % 3])).collect();
    tokio::time::timeout(Duration::from_secs(1), futures::future::join_all(&mut all)).await.unwrap_err();

    for bytes in [30_000, 500_000, 1_500_000] {
        let sent = api_server.post(server.url()).body(review("other", bytes)).send();
        let response = tokio::time::timeout(PATIENCE / 3, sent).await;
        assert_eq!(response.expect("a review that does not wait").unwrap().status(), 200, "{bytes} bytes");
    }
    all.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_body_without_progress_is_given_up() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, body_progress: Duration::from_millis(200), ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    let trickle = Some(tokio::time::interval(Duration::from_millis(20)));
    let trickled = reqwest::Body::wrap(Withheld { length: 1_000_000, first: " ".into(), trickle });

    for body in [withheld(100, " ".into()), withheld(1_000_000, " ".repeat(900_000)), trickled] {
        let request = client(&bundle).post(server.url()).body(body);
        let response = tokio::time::timeout(PATIENCE / 3, request.send()).await.expect("a response in time");
        assert_eq!(response.unwrap().status(), 408);
    }
}

#[tokio::test]
async fn one_caller_does_not_have_all_requests() {
    let bundle = new_bundle();
    let limits = Limits { request: PATIENCE, connections: 16, ..Limits::default() };
    let server = Server::start(&bundle, limits).await;
    let waiting = |count: usize| {
        let catalogue = &server.known.catalogue;
        crate::support::wait::eventually("requests to wait", PATIENCE, async move || {
            let waiting = catalogue.waiting();
            if waiting >= count { Ok(()) } else { Err(waiting.to_string()) }
        })
    };
    // Each waits for the event types.
    let mut all = Vec::new();
    let mut send = |from: u8, count: usize| {
        for _ in 0..count {
            let (client, url) = (client_at(&bundle, [127, 0, 0, from]), server.url());
            all.push(tokio::spawn(async move { client.post(url).json(&review()).send().await }));
        }
    };

    send(2, 20);
    waiting(12).await;
    send(3, 20);
    waiting(15).await;
    send(1, 1);
    waiting(16).await;

    server.known.catalogue.loaded();
    let last = all.pop().unwrap().await.unwrap().unwrap();
    assert_eq!(last.status(), 200);
}
