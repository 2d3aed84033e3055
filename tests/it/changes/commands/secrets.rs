//! Endpoints with values of Secrets.

use super::*;

const WITH_SECRETS: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEndpoint
metadata: {name: orders, namespace: shop}
spec:
  urlFrom: {secretKeyRef: {name: hook, key: url}}
  eventTypes: [order.placed]
  headers:
  - name: Authorization
    valueFrom: {secretKeyRef: {name: hook, key: token}}
";
const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: hook, namespace: shop}
stringData: {url: 'https://hooks.example.org/canary', token: canary, other: another}
";

#[tokio::test(flavor = "multi_thread")]
async fn without_its_secret_an_endpoint_is_compared() {
    let (svix, folder) = (svix_server::start().await, Folder::new());
    folder.write("m/endpoint.yaml", WITH_SECRETS);
    folder.write("m/secret.yaml", SECRET);
    let applied = folder.on(&svix, &["apply", "m", "--yes"]).await;
    assert_eq!(code(&applied), 0, "{}", error(&applied));
    fs::remove_file(folder.path().join("m/secret.yaml")).unwrap();
    svix.clear_calls();

    let same = folder.on(&svix, &["diff", "m"]).await;
    let nothing = folder.on(&svix, &["apply", "m", "--yes"]).await;
    folder.write("m/endpoint.yaml", &format!("{WITH_SECRETS}  description: New.\n"));
    let changed = folder.on(&svix, &["diff", "m"]).await;
    let refused = folder.on(&svix, &["apply", "m", "--yes"]).await;

    let unknown = "  url cannot be compared: Secret hook is not among the manifests\n  headers/Authorization cannot be \
         compared: Secret hook is not among the manifests\n";
    let head =
        "WebhookEndpoint shop/orders (endpoint prod.shop.orders of application default) m/endpoint.yaml:1\n";
    assert_eq!((code(&same), code(&nothing)), (0, 0), "{}{}", out(&same), error(&nothing));
    assert!(out(&same).contains(unknown), "{}", out(&same));
    assert_eq!(code(&changed), 1);
    assert!(
        out(&changed).starts_with(&format!("change {head}  ~ description: \"\" → \"New.\"\n")),
        "{}",
        out(&changed)
    );
    assert_eq!(code(&refused), 1);
    assert!(
        out(&refused).contains("SecretNotFound: found no Secret hook among the manifests"),
        "{}",
        out(&refused)
    );
    assert!(svix.calls().iter().all(|call| !call.is_write()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_value_of_a_hidden_header_is_a_difference() {
    let folder = Folder::new();
    for side in ["base", "m"] {
        folder.write(&format!("{side}/connection.yaml"), CONNECTION);
        folder.write(&format!("{side}/event-type.yaml"), EVENT_TYPE);
        folder.write(&format!("{side}/endpoint.yaml"), WITH_SECRETS);
    }
    let same = folder.run(&["diff", "m", "--against", "base"]).await;
    folder.write("m/endpoint.yaml", &WITH_SECRETS.replace("key: token", "key: other"));

    let reference = folder.run(&["diff", "m", "--against", "base"]).await;
    for (side, secret) in [("base", SECRET.to_owned()), ("m", SECRET.replace("another", "canary"))] {
        folder.write(&format!("{side}/secret.yaml"), &secret);
    }
    let same_value = folder.run(&["diff", "m", "--against", "base"]).await;

    assert_eq!((code(&same), code(&same_value)), (0, 0), "{}{}", out(&same), out(&same_value));
    assert_eq!(code(&reference), 1, "{}", error(&reference));
    assert!(
        out(&reference).contains("  ~ headers/Authorization: another value (not shown)\n"),
        "{}",
        out(&reference)
    );
}
