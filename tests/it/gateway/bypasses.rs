//! Known ways to bypass a validation in front of Svix. Each is a test of its own; none reaches Svix.

use proptest::prelude::*;

use super::{Harness, SEND};

/// A message with an invalid payload, and with further fields.
fn bad(fields: &str) -> String {
    format!(r#"{{"eventType": "a.enforce", "payload": {{"n": "x"}}{fields}}}"#)
}

const GOOD: &str = r#"{"eventType": "a.enforce", "payload": {"n": 1}}"#;

macro_rules! bypasses {
    ($($name:ident: $status:literal, $path:expr, $headers:expr, $body:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let gateway = Harness::new().await;
            let answer = gateway.post($path, &$headers, $body).await;
            assert_eq!(answer.status, $status, "{answer:?}");
            assert!(answer.json()["detail"].is_string() || answer.json()["detail"].is_array());
            assert_eq!(gateway.upstream.requests().len(), 0, "the message reached Svix");
        }
    )*};
}

bypasses! {
    a_bad_payload: 422, SEND, [], bad("");
    a_bad_payload_at_the_path_with_a_slash: 422, "/api/v1/app/default/msg/", [], bad("");
    a_bad_payload_as_data: 422, SEND, [], r#"{"eventType": "a.enforce", "data": {"n": "x"}}"#;
    a_bad_raw_payload_beside_a_good_one: 422, SEND, [],
        r#"{"eventType": "a.enforce", "payload": {"n": 1}, "transformationsParams": {"rawPayload": "{\"n\": \"x\"}"}}"#;
    a_raw_payload_that_is_not_json: 422, SEND, [],
        r#"{"eventType": "a.enforce", "payload": {"n": 1}, "transformationsParams": {"rawPayload": "<n/>"}}"#;
    a_raw_payload_in_a_list: 422, SEND, [],
        r#"{"eventType": "a.enforce", "payload": {"n": 1}, "transformationsParams": ["{}"]}"#;
    a_message_as_a_list: 422, SEND, [], r#"[null, "a.enforce", {"n": "x"}]"#;
    both_names_of_the_payload: 422, SEND, [], r#"{"eventType": "a.enforce", "payload": {"n": 1}, "data": {"n": "x"}}"#;
    a_payload_twice: 422, SEND, [], bad(r#", "payload": {"n": 1}"#);
    a_payload_twice_in_another_spelling: 422, SEND, [], bad(r#", "p\u0061yload": {"n": 1}"#);
    an_event_type_twice: 422, SEND, [], r#"{"eventType": "a.enforce", "eventType": "a.warn", "payload": {"n": 1}}"#;
    a_key_twice_in_the_payload: 422, SEND, [], r#"{"eventType": "a.enforce", "payload": {"n": 1, "n": "x"}}"#;
    a_key_twice_deep_in_the_payload: 422, SEND, [],
        r#"{"eventType": "a.enforce", "payload": {"n": 1, "o": [{"k": 1, "\u006b": 2}]}}"#;
    a_key_twice_under_the_policy_warn: 422, SEND, [],
        r#"{"eventType": "a.warn", "payload": {"n": 1, "n": "x"}}"#;
    a_key_twice_under_the_policy_audit: 422, SEND, [],
        r#"{"eventType": "a.audit", "payload": {"n": 1, "o": {"k": 1, "\u006b": 2}}}"#;
    a_raw_payload_that_is_not_json_under_audit: 422, SEND, [],
        r#"{"eventType": "a.audit", "payload": {"n": 1}, "transformationsParams": {"rawPayload": "<n/>"}}"#;
    a_second_document: 422, SEND, [], format!("{GOOD} {GOOD}");
    garbage_behind_the_message: 422, SEND, [], format!("{GOOD}]");
    nothing: 422, SEND, [], "";
    a_byte_order_mark: 422, SEND, [], format!("\u{feff}{GOOD}");
    utf_16: 422, SEND, [], GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    bytes_that_are_not_utf_8: 422, SEND, [], b"{\"eventType\": \"a.enforce\", \"payload\": {\"n\": 1, \"s\": \"\xff\"}}";
    a_payload_too_deep: 422, SEND, [],
        format!(r#"{{"eventType": "a.enforce", "payload": {{"n": 1, "d": {}1{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    a_number_beyond_64_bits: 422, SEND, [], r#"{"eventType": "a.enforce", "payload": {"n": 1e400}}"#;
    an_undeclared_event_type: 422, SEND, [], r#"{"eventType": "a.none", "payload": {}}"#;
    an_event_type_in_other_letters: 422, SEND, [], r#"{"eventType": "A.enforce", "payload": {}}"#;
    an_event_type_that_is_no_text: 422, SEND, [], r#"{"eventType": ["a.enforce"], "payload": {"n": 1}}"#;
    no_event_type: 422, SEND, [], r#"{"payload": {"n": 1}}"#;
    no_payload: 422, SEND, [], r#"{"eventType": "a.enforce"}"#;
    another_content_type_changes_nothing: 422, SEND, ["content-type: text/plain"], bad("");
    a_form_is_read_as_json_as_svix_reads_it: 422, SEND, ["content-type: application/x-www-form-urlencoded"], "payload=x";
    gzip: 415, SEND, ["content-encoding: gzip"], "\u{1f}";
    an_encoding_behind_identity: 415, SEND, ["content-encoding: identity, gzip"], GOOD;
    two_headers_of_encodings: 415, SEND, ["content-encoding: identity", "content-encoding: br"], GOOD;
    a_method_in_a_header: 422, SEND, ["x-http-method-override: GET"], bad("");
    an_empty_segment_in_front: 400, "//api/v1/app/default/msg", [], bad("");
    an_empty_segment_after_the_version: 400, "/api/v1//app/default/msg", [], bad("");
    an_empty_segment_in_place_of_the_app: 400, "/api/v1/app//msg", [], bad("");
    two_slashes_at_the_end: 400, "/api/v1/app/default/msg//", [], bad("");
    a_segment_of_one_dot: 400, "/api/v1/app/./default/msg", [], bad("");
    a_segment_of_two_dots: 400, "/api/v1/app/x/../default/msg", [], bad("");
    an_encoded_slash: 400, "/api/v1/app/default%2Fmsg", [], bad("");
    an_encoded_letter: 400, "/api/v1/app/default/%6Dsg", [], bad("");
    an_encoded_letter_in_the_prefix: 400, "/%61pi/v1/app/default/msg", [], bad("");
    an_encoded_letter_twice: 400, "/api/v1/app/default/%256Dsg", [], bad("");
    a_parameter_in_the_path: 400, "/api/v1/app/default/msg;a=b", [], bad("");
    a_backslash: 400, "/api/v1/app/default\\msg", [], bad("");
    a_path_in_other_letters: 404, "/api/v1/app/default/Msg", [], bad("");
    something_behind_the_path: 404, "/api/v1/app/default/msg/x", [], bad("");
    an_operation_that_is_not_in_the_list: 404, "/api/v1/app/default/msg/batch", [], bad("");
    another_version: 404, "/api/v2/app/default/msg", [], bad("");
    a_whole_address_in_the_request_line: 422, "http://other.example/api/v1/app/default/msg", [], bad("");
}

#[tokio::test]
async fn request_smuggling_is_not_possible() {
    let gateway = Harness::new().await;
    let inner = format!("POST {SEND} HTTP/1.1\r\nhost: x\r\ncontent-length: 47\r\n\r\n{}", bad(""));
    // Both a length and chunks: a reader of the length would find a second request in the body.
    let both = format!(
        "POST {SEND} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{GOOD}\r\n0\r\n\r\n{inner}",
        GOOD.len()
    );
    let answer = gateway.raw(both.as_bytes()).await;
    // It is read by its chunks, and nothing of its framing is forwarded.
    assert_eq!(answer.status, 202, "{answer:?}");
    let received = gateway.upstream.requests();
    let bodies: Vec<_> = received.iter().map(|received| received.body.as_slice()).collect();
    assert_eq!(bodies, [GOOD.as_bytes()], "only the whole good message");
    let before = gateway.upstream.requests().len();
    for (header, status) in [
        ("content-length: 3\r\ncontent-length: 47", 400),
        ("transfer-encoding: chunked, identity", 400),
        ("transfer-encoding: gzip, chunked", 400),
        ("transfer-encoding: xchunked", 400),
        ("content-length: +47", 400),
        ("content-length : 47", 400),
    ] {
        let bytes = format!(
            "POST {SEND} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n\r\n0\r\n\r\n{GOOD}"
        );
        let answer = gateway.raw(bytes.as_bytes()).await;
        assert_eq!(answer.status, status, "{header}: {answer:?}");
        assert_eq!(gateway.upstream.requests().len(), before, "{header}");
    }
}

/// Bodies that are nearly messages.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(r#""eventType":"a.enforce""#.to_owned()),
        Just(r#""payload":{"n":"x"}"#.to_owned()),
        Just(r#""payload":{"n":"x"}"#.to_owned()),
        Just(r#""data":{}"#.to_owned()),
        Just(r#""transformationsParams":{"rawPayload":"{}"}"#.to_owned()),
        Just(r#""channels":["a b"]"#.to_owned()),
        "[\\[\\]{}:,\"a-z0-9\\\\ ]{0,12}",
    ];
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        proptest::collection::vec(piece, 0..5)
            .prop_map(|pieces| format!("{{{}}}", pieces.join(",")).into_bytes()),
    ]
}

proptest! {
    // Each case starts a gateway: fewer than usual, unless more are asked for.
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_body_and_no_path_bypasses_the_validation(
        bodies in proptest::collection::vec((nearly_a_message(), "(/api/v1/app/default/msg|[/a-z0-9%.;?\\\\-]{0,30}|/api/v1/[a-z/.%0-9]{0,20})"), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let gateway = Harness::new().await;
            for (body, path) in &bodies {
                let answer = gateway.post(&format!("/{}", path.trim_start_matches('/')), &[], body).await;
                assert!(answer.status >= 200 && answer.status != 500, "{path} {answer:?}");
            }
            // None of the payloads is valid, so no message may reach Svix.
            for received in gateway.upstream.requests() {
                assert!(!received.line.starts_with("POST /api/v1/app/default/msg"), "{received:?}");
            }
        });
    }
}
