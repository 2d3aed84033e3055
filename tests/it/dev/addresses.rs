//! The addresses and the token that `dev` prints, and who may use them.

use super::*;

/// The addresses and the token that `dev` prints.
struct Printed {
    svix: String,
    gateway: String,
    token: String,
}

/// Starts `dev` on a folder with an event type, and waits until it has printed its addresses.
async fn start_printed(arguments: &[&str]) -> (tokio::process::Child, tempfile::TempDir, Printed) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);
    let (child, printed) = start_with(dir.path(), arguments, None);
    wait_for_output(&printed, "Ctrl-C ends.").await;
    let text = printed.lock().unwrap().clone();
    let between = |start: &str, end: &str| {
        let rest = text.split(start).nth(1).unwrap_or_else(|| panic!("{text}"));
        rest.split(end).next().unwrap().to_owned()
    };
    let printed = Printed {
        svix: between("Svix is at ", ","),
        token: between(", token ", ".\n"),
        gateway: between("The gateway is at ", ": "),
    };
    (child, dir, printed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_run_has_a_token_of_its_own_or_the_given_one() {
    let (_first, _dir, first) = start_printed(&[]).await;
    let (_second, _dir, second) = start_printed(&[]).await;
    let (_given, _dir, given) = start_printed(&["--token", "chosen-1"]).await;
    let list = async |url: &str, token: &str| {
        let get = reqwest::Client::new().get(format!("{url}/api/v1/event-type")).bearer_auth(token);
        get.send().await.unwrap().status().as_u16()
    };

    assert!(first.token.starts_with("testsk_") && first.token.len() > 30, "{}", first.token);
    assert_ne!(first.token, second.token);
    assert_eq!(given.token, "chosen-1");
    for url in [&first.svix, &first.gateway] {
        assert_eq!((list(url, &first.token).await, list(url, &second.token).await), (200, 401), "{url}");
        assert_eq!(list(url, "testsk_embedded").await, 401, "{url}");
    }
    assert_eq!(list(&given.gateway, "chosen-1").await, 200);

    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);
    let from_environment = dev(dir.path(), &["--once"], None).env("SVIX_OPERATOR_DEV_TOKEN", "a b").output();
    let refused = from_environment.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("expected one or more letters"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_has_the_surface_of_svix_cloud_where_asked() {
    // Given a server, and `dev` in front of it with each surface
    let svix = svix_server::start().await;
    let other = OtherSvix::of(&svix);
    let path = "/api/v1/app/stats/count-active";
    for (surface, is_forwarded) in [("open-source", false), ("cloud", true)] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a.yaml", &[event_type("a.one")]);
        let (_child, printed) = start_with(dir.path(), &["--surface", surface], Some(&other));
        wait_for_output(&printed, "Ctrl-C ends.").await;
        let text = printed.lock().unwrap().clone();
        let gateway = text.split("The gateway is at ").nth(1).unwrap().split(": ").next().unwrap();

        // When an operation is called that only Svix Cloud has
        let get = reqwest::Client::new().get(format!("{gateway}{path}")).bearer_auth(&other.token);
        let body = get.send().await.unwrap().text().await.unwrap();

        // Then it is the server's own 404, or the gateway's.
        assert_eq!(!body.contains("this gateway forwards"), is_forwarded, "{surface}: {body}");
    }
}

#[test]
fn a_surface_needs_a_server_outside() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one")]);

    let output = dev(dir.path(), &["--surface", "cloud"], None).output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--svix-url"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_web_pages_are_refused() {
    let (_child, _dir, printed) = start_printed(&[]).await;
    let request = async |url: &str, path: &str, header: Option<(&str, &str)>| {
        let body = json!({"eventType": "a.one", "payload": {}});
        let mut post =
            reqwest::Client::new().post(format!("{url}{path}")).bearer_auth(&printed.token).json(&body);
        if let Some((name, value)) = header {
            post = post.header(name, value);
        }
        let response = post.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };

    for (url, path, good) in [
        // There is no application, so that nothing is created.
        (&printed.svix, "/api/v1/app/none/msg", 404),
        (&printed.gateway, "/api/v1/app/none/msg", 404),
        (&printed.gateway, "/validate/a.one", 200),
    ] {
        let port = url.rsplit(':').next().unwrap();
        for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "[::1]".to_owned()] {
            assert_eq!(request(url, path, Some(("host", &host))).await.0, good, "{url}{path} {host}");
        }
        for host in [&format!("rebound.example:{port}"), "rebound.example", "127.0.0.1.rebound.example"] {
            let (status, body) = request(url, path, Some(("host", host))).await;
            assert_eq!((status, &body["code"]), (421, &json!("misdirected_request")), "{url}{path} {host}");
            assert!(body["detail"].as_str().unwrap().contains(host), "{body}");
        }
        for (name, value) in [
            ("origin", "https://page.example"),
            ("origin", "null"),
            ("origin", url.as_str()),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-origin"),
        ] {
            let (status, body) = request(url, path, Some((name, value))).await;
            assert_eq!((status, &body["code"]), (403, &json!("page_request")), "{url}{path} {name}: {value}");
        }
        assert_eq!(request(url, path, Some(("sec-fetch-site", "none"))).await.0, good);
        assert_eq!(request(url, path, None).await.0, good);
    }
}
