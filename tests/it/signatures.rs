//! Signatures are those of Svix' own library.

use svix_operator::signatures::{Captured, CapturedHeaders, Key, sign, verify};

const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &[u8] = br#"{"id":"o 1","total": 2}"#;
const NOW: i64 = 1_700_000_000;

#[test]
fn signatures_are_those_of_svix_library() {
    let library = svix::webhooks::Webhook::new(KEY).unwrap();
    let key = Key::parse(KEY).unwrap();

    let signature = sign(&key, "msg_1", NOW, BODY).unwrap();

    assert_eq!(signature, library.sign("msg_1", NOW, BODY).unwrap());
    let timestamp = NOW.to_string();
    let headers = CapturedHeaders::find([
        ("Svix-Id", "msg_1"),
        ("Svix-Timestamp", &timestamp),
        ("Svix-Signature", &signature),
    ])
    .unwrap();
    assert_eq!(verify(&[key], Captured { headers: &headers, body: BODY }, NOW, Some(300)), []);
}
