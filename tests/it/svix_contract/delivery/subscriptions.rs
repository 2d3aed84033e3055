//! Which messages an endpoint gets.

use super::*;

#[tokio::test]
async fn an_endpoint_gets_the_event_types_it_subscribes_to() {
    contract(async |svix| {
        let (mine, other) = (svix.event_type("mine").await, svix.event_type("other").await);
        let given = Given::new(svix, json!({"eventTypes": [mine]})).await;
        let unwanted = given.send(svix, json!({"eventType": other})).await;
        let wanted = given.send(svix, json!({"eventType": mine})).await;
        if given.arrives(svix, &wanted).await.is_none() {
            return;
        }
        assert!(given.receiver.received(&unwanted).is_empty());
        assert!(given.attempts(svix, &unwanted).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_without_channels_gets_events_of_any_channel() {
    contract(async |svix| {
        let given = Given::new(svix, json!({})).await;
        for channels in [Value::Null, json!(["c"])] {
            let id = given.send(svix, json!({"channels": channels})).await;
            if given.arrives(svix, &id).await.is_none() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn channels_filter_the_events_of_an_endpoint() {
    contract(async |svix| {
        let given = Given::new(svix, json!({"channels": ["c", "d"]})).await;
        let without = given.send(svix, json!({})).await;
        let other = given.send(svix, json!({"channels": ["e"]})).await;
        let shared = given.send(svix, json!({"channels": ["d", "e"]})).await;
        if given.arrives(svix, &shared).await.is_none() {
            return;
        }
        for unwanted in [without, other] {
            assert!(given.receiver.received(&unwanted).is_empty());
            assert!(given.attempts(svix, &unwanted).await.is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn a_disabled_endpoint_gets_nothing_until_it_is_enabled() {
    contract(async |svix| {
        let given = Given::new(svix, json!({"disabled": true})).await;
        let before = given.send(svix, json!({})).await;
        svix.patch(&given.mine(), json!({"disabled": false})).await.expect(200);
        let after = given.send(svix, json!({})).await;
        if given.arrives(svix, &after).await.is_none() {
            return;
        }
        assert!(given.receiver.received(&before).is_empty());
    })
    .await;
}
