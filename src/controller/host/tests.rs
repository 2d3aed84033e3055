//! Reading the token of a connection, and removing the finalizer.
#![allow(clippy::unwrap_used)]

use k8s_openapi::ByteString;
use kube::client::Body;

use super::*;
use crate::{
    api::WebhookEndpoint,
    controller::scripted::{Script, list, object},
};

/// A host whose API server responds to everything like this.
fn responding(status: u16, body: Value) -> KubernetesHost {
    let service = tower::service_fn(move |_: hyper::Request<Body>| {
        let body = Body::from(body.to_string().into_bytes());
        async move { hyper::Response::builder().status(status).body(body) }
    });
    KubernetesHost::new(Client::new(service, "default"), "svix-operator", "test")
}

fn failing(status: u16) -> KubernetesHost {
    // The text names a reason of a condition: no text decides.
    let reason = if status == 404 { "NotFound" } else { "Unknown" };
    let body = json!({
        "kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": "TokenNotFound",
    });
    responding(status, body)
}

/// A host whose API server has a Secret with this key.
fn with_secret(key: &str, value: &[u8]) -> KubernetesHost {
    let data = json!({ key: ByteString(value.to_vec()) });
    responding(
        200,
        json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "svix-token"}, "data": data}),
    )
}

async fn token(host: KubernetesHost) -> Result<String, ReferenceError> {
    let connection = json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "SvixConnection", "metadata": {"name": "default"},
        "spec": {"tokenSecretRef": {"name": "svix-token", "key": "token"}, "ownerId": "test"},
    });
    host.token(&serde_json::from_value(connection).unwrap()).await
}

#[tokio::test]
async fn a_token_is_read_without_white_space() {
    let token = token(with_secret("token", b" sk_1\n")).await;

    assert_eq!(token.unwrap(), "sk_1");
}

#[tokio::test]
async fn only_a_404_says_that_the_secret_does_not_exist() {
    let missing = token(failing(404)).await;

    assert!(matches!(missing, Err(ReferenceError::NotFound(_))), "{missing:?}");
}

#[tokio::test]
async fn a_permission_that_is_missing_says_nothing_of_the_secret() {
    let forbidden = token(failing(403)).await;

    assert!(matches!(forbidden, Err(ReferenceError::Forbidden(_))), "{forbidden:?}");
}

#[tokio::test]
async fn an_api_server_that_fails_says_nothing_of_the_secret() {
    for status in [401, 409, 429, 500, 503] {
        let failed = token(failing(status)).await;

        assert!(matches!(failed, Err(ReferenceError::Failed(_))), "{status}: {failed:?}");
    }
}

#[tokio::test]
async fn a_secret_without_a_usable_token_is_incomplete() {
    for host in [with_secret("other", b"sk_1"), with_secret("token", b" \n"), with_secret("token", &[0xff])] {
        let incomplete = token(host).await;

        assert!(matches!(incomplete, Err(ReferenceError::Incomplete(_))), "{incomplete:?}");
    }
}

fn endpoint(version: &str, finalizers: &[&str]) -> WebhookEndpoint {
    let mut value = object("x", "u", version, finalizers);
    value["apiVersion"] = json!("svix-operator.dev/v1alpha1");
    value["kind"] = json!("WebhookEndpoint");
    value["spec"] = json!({"url": "https://example.org/", "eventTypes": ["a.b"]});
    serde_json::from_value(value).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_is_removed_although_others_moved_it() {
    let script = Script::of([
        (422, Value::Null),
        (200, list([object("x", "u", "2", &["example.org/x", FINALIZER])])),
        (200, object("x", "u", "3", &["example.org/x"])),
    ]);

    release(&script.client(), &endpoint("1", &[FINALIZER])).await.unwrap();

    assert_eq!(script.requests().len(), 3, "{:?}", script.requests());
}

#[tokio::test(start_paused = true)]
async fn a_contended_removal_is_a_conflict() {
    let contended = Script::answered_by(|request, version| match request.starts_with("GET ") {
        true => (200, list([object("x", "u", &version.to_string(), &["example.org/x", FINALIZER])])),
        false => (422, Value::Null),
    });
    let error = release(&contended.client(), &endpoint("0", &[FINALIZER])).await.unwrap_err();
    assert!(matches!(error, HostError::Conflict), "{error}");

    let away = Script::of([(503, Value::Null)]);
    let error = release(&away.client(), &endpoint("1", &[FINALIZER])).await.unwrap_err();
    assert!(matches!(error, HostError::Failed(_)), "{error}");
    assert_eq!(away.requests().len(), 1);
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_is_no_missing_permission() {
    for (causes, expected) in [
        (
            json!([{"reason": "NamespaceTerminating", "message": "m", "field": "metadata.namespace"}]),
            "is being deleted",
        ),
        (json!([]), "allow the operator to write Secrets"),
    ] {
        // The text names the other one: no text decides.
        let host = responding(
            403,
            json!({
                "kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden",
                "message": "NamespaceTerminating", "details": {"causes": causes},
            }),
        );
        let owner = Object::Endpoint(Arc::new(endpoint("1", &[])));
        let write = SecretWrite {
            name: "keys".to_owned(),
            resource_version: None,
            own: true,
            data: BTreeMap::new(),
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
        };

        let error = host.write_secret(&owner, write).await.unwrap_err();

        assert!(matches!(&error, HostError::Forbidden(message) if message.contains(expected)), "{error}");
    }
}

#[tokio::test]
async fn secrets_with_a_label_are_listed_in_small_pages() {
    let page = |name: &str, token: Option<&str>| {
        let items = [json!({"metadata": {"name": name}})];
        json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": {"continue": token}, "items": items})
    };
    let script = Script::of([(200, page("a", Some("next"))), (200, page("b", None))]);
    let host = KubernetesHost::new(script.client(), "svix-operator", "test");

    let found = host.signing_key_secrets(&Object::Endpoint(Arc::new(endpoint("1", &[])))).await.unwrap();

    assert_eq!(found, ["a", "b"]);
    let requests = script.requests();
    assert!(requests[0].contains("&limit=16"), "{requests:?}");
    assert!(requests[1].contains("&limit=16") && requests[1].contains("continue=next"), "{requests:?}");
}
