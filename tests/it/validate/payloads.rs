//! Payloads, and schemas with references within the folder.

use super::*;

#[test]
fn payloads_are_checked_with_their_positions() {
    let folder = Folder::new(&[
        ("a.yaml", EVENT_TYPE),
        ("good.json", "{\"id\": \"1\"}"),
        ("bad.json", "{\n  \"id\": 5\n}"),
    ]);
    let file = |name: &str| {
        let payload = folder.path().join(name);
        folder
            .command()
            .args(["a.yaml", "--event-type", "order.placed", "--payload"])
            .arg(payload)
            .output()
            .unwrap()
    };

    let (good, bad, missing) = (file("good.json"), file("bad.json"), file("missing.json"));

    assert_eq!((code(&good), code(&bad), code(&missing)), (0, 1, 1), "{good:?} {bad:?}");
    assert_eq!(stdout(&good), "1 object in 1 file, 1 payload: no findings\n");
    assert!(stdout(&bad).contains("bad.json:2:3: error: /id: "), "{bad:?}");
    let other = folder.validate_payload("bad.json", "order.place");
    assert!(stdout(&other).contains("did you mean \"order.placed\"?"), "{other:?}");
}

/// Property by property, a number that a float rounds to one that matches.
const ROUNDED: [(&str, &str, &str); 7] = [
    ("a", "{maximum: 100}", "100.0000000000000000000001"),
    ("c", "{minimum: 100}", "99.9999999999999999999999"),
    ("d", "{maximum: 0}", "1e-400"),
    ("e", "{maximum: 9007199254740992}", "9007199254740993"),
    ("f", "{multipleOf: 0.1}", "0.30000000000000000000001"),
    ("g", "{const: 1}", "1.00000000000000000000001"),
    ("h", "{type: integer}", "2.00000000000000000000001"),
];

#[test]
fn decimals_are_compared_digit_by_digit() {
    let properties = ROUNDED.map(|(name, schema, _)| format!("{name}: {schema}")).join(", ");
    let event_type = |example: &str| {
        format!(
            "apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {{name: order.placed, \
             namespace: shop}}\nspec:\n  schema: {{properties: {{{properties}}}}}\n  examples: [{{name: one, text: \
             '{example}'}}]\n"
        )
    };
    let event = |payload: &str| {
        format!(
            "apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEvent\nmetadata: {{name: e, namespace: shop}}\n\
             spec:\n  eventType: order.placed\n  payloadText: '{payload}'\n"
        )
    };
    for (name, schema, number) in ROUNDED {
        let payload = format!("{{\"{name}\": {number}}}");
        let folder = Folder::new(&[("a.yaml", &event_type("{}")), ("payload.json", &payload)]);

        let of_file = folder.validate_payload("payload.json", "order.placed");
        std::fs::write(folder.path().join("b.yaml"), event(&payload)).unwrap();
        let of_event = folder.validate(&[]);
        std::fs::remove_file(folder.path().join("b.yaml")).unwrap();
        std::fs::write(folder.path().join("a.yaml"), event_type(&payload)).unwrap();
        let of_example = folder.validate(&[]);

        for output in [of_file, of_event, of_example] {
            let text = stdout(&output);
            assert_eq!(code(&output), 1, "{schema} {number}: {text}");
            assert!(text.contains(&format!("/{name}: found {number}, ")), "{schema}: {text}");
        }
    }
}

#[test]
fn references_within_the_folder_are_followed() {
    let from = EVENT_TYPE.split("  schema:").next().unwrap().to_owned()
        + "  schemaFrom: {configMapKeyRef: {name: schemas, key: order.json}}\n";
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: schemas, namespace: shop}\ndata:\n  order.jso: '{}'\n";
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: url, namespace: shop}\nstringData: {address: x}\n";
    let endpoint = ENDPOINT.replace(
        "url: https://hooks.example.org/orders",
        "urlFrom: {secretKeyRef: {name: url, key: adress}}",
    );
    let twin = ENDPOINT.replace("orders,", "twin,") + "  uid: same\n";
    let folder = Folder::new(&[
        ("a.yaml", &from),
        ("b.yaml", map),
        ("c.yaml", secret),
        ("d.yaml", &endpoint),
        ("e.yaml", &twin),
        ("f.yaml", &twin.replace("twin,", "twin-2,")),
    ]);

    let text = stdout(&folder.validate(&[]));

    assert!(
        text.contains("/spec/schemaFrom/configMapKeyRef: ConfigMap \"schemas\" has no key \"order.json\""),
        "{text}"
    );
    assert!(text.contains("/spec/urlFrom/secretKeyRef/key: Secret \"url\" has no key \"adress\""), "{text}");
    assert!(text.contains("./f.yaml:7:3: warning: WebhookEndpoint shop/twin-2: /spec/uid: WebhookEndpoint shop/twin at ./e.yaml:1 declares"), "{text}");
}
