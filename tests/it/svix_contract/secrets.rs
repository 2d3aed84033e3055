use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Svix, contract};

/// The path of the secret of an endpoint.
async fn secret(svix: &Svix) -> String {
    let path = svix.endpoints().await;
    svix.post(&path, json!({"url": "https://a.example/", "uid": "mine"})).await.expect(201);
    format!("{path}mine/secret/")
}

#[tokio::test]
async fn rotating_makes_another_secret() {
    contract(async |svix| {
        let path = secret(svix).await;
        let old = svix.get(&path).await.expect(200);
        let answer = svix.post(&format!("{path}rotate/"), json!({})).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        assert_ne!(svix.get(&path).await.expect(200), old);
    })
    .await;
}

#[tokio::test]
async fn rotating_takes_a_key_of_ones_own() {
    contract(async |svix| {
        let path = secret(svix).await;
        let key = format!("whsec_{}", STANDARD.encode([9; 32]));
        svix.post(&format!("{path}rotate/"), json!({"key": key})).await.expect(204);
        assert_eq!(svix.get(&path).await.expect(200), json!({"key": key}));
        let short = format!("whsec_{}", STANDARD.encode([9; 8]));
        let refused = svix.post(&format!("{path}rotate/"), json!({"key": short})).await;
        refused.expect_invalid("body.key.__all__");
    })
    .await;
}

#[tokio::test]
async fn the_grace_period_is_at_most_seven_days() {
    contract(async |svix| {
        let path = format!("{}rotate/", secret(svix).await);
        for seconds in [0, 604_800] {
            svix.post(&path, json!({"gracePeriodSeconds": seconds})).await.expect(204);
        }
        let long = svix.post(&path, json!({"gracePeriodSeconds": 604_801})).await;
        long.expect_invalid("body.grace_period_seconds");
        svix.post(&path, json!({"gracePeriodSeconds": -1})).await.expect(422);
    })
    .await;
}

#[tokio::test]
async fn more_than_ten_old_keys_that_still_live_are_too_many() {
    contract(async |svix| {
        let path = format!("{}rotate/", secret(svix).await);
        for _ in 0..10 {
            svix.post(&path, json!({})).await.expect(204);
        }
        svix.post(&path, json!({})).await.expect_error(400, "limit_reached");
        // One without grace leaves no old key behind.
        svix.post(&path, json!({"gracePeriodSeconds": 0})).await.expect(204);
    })
    .await;
}

#[tokio::test]
async fn an_ed25519_secret_reads_back_as_its_public_key() {
    contract(async |svix| {
        let path = svix.endpoints().await;
        // The key pair of RFC 8032, test 1: the seed, then the public key.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
        };
        let private = format!("whsk_{}", STANDARD.encode([bytes(seed), bytes(public)].concat()));
        let body = json!({"url": "https://a.example/", "uid": "mine", "secret": private});
        svix.post(&path, body).await.expect(201);
        let read = svix.get(&format!("{path}mine/secret/")).await.expect(200);
        assert_eq!(read["key"], Value::String(format!("whpk_{}", STANDARD.encode(bytes(public)))));
    })
    .await;
}
