//! Properties: any input gets a response.

use super::*;

/// Replaces one of a value's parts, counted from the outside in.
fn replaced(value: &mut Value, at: &mut usize, by: &Value) {
    if *at == 0 {
        *value = by.clone();
        *at = usize::MAX;
        return;
    }
    *at = at.saturating_sub(1);
    match value {
        Value::Object(map) => map.values_mut().for_each(|part| replaced(part, at, by)),
        Value::Array(items) => items.iter_mut().for_each(|part| replaced(part, at, by)),
        _ => {}
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let reviewed = review(&bytes, &Known::default());
        prop_assert!(serde_json::from_slice::<Value>(&reviewed.answer).is_ok());
    }

    #[test]
    fn a_request_with_any_part_replaced_gets_an_answer(
        kind in 0..3usize, at in 0..60usize, by in any_json(), payload in any_json(),
    ) {
        let spec = [
            json!({"eventType": "a.b", "payload": payload, "channels": ["x"], "ttlAfterFinished": "1h"}),
            json!({"schema": {"items": payload}, "examples": [{"name": "a", "value": {"b": 1}}]}),
            json!({"url": "https://a.example/", "eventTypes": ["a.b"], "metadata": {"k": "v"}, "channels": ["x"]}),
        ];
        let kinds = ["WebhookEvent", "WebhookEventType", "WebhookEndpoint"];
        let mut request = request("CREATE", kinds[kind], &spec[kind]);
        replaced(&mut request, &mut { at }, &by);
        let reviewed = review(request.to_string().as_bytes(), &known(PayloadPolicy::Enforce));
        let answer: Value = serde_json::from_slice(&reviewed.answer).unwrap();
        if let Some(uid) = request["request"]["uid"].as_str() {
            prop_assert_eq!(&answer["response"]["uid"], uid);
        }
        let allowed = answer["response"]["allowed"].as_bool();
        prop_assert_eq!(allowed, Some(!matches!(reviewed.outcome, Outcome::Refused | Outcome::Unreadable)));
    }
}
