#![allow(clippy::unwrap_used)]
use super::*;
use base64::{Engine as _, engine::general_purpose::STANDARD};

const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &[u8] = br#"{"id":"o 1","total": 2}"#;
const NOW: i64 = 1_700_000_000;

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn headers(signature: &str) -> CapturedHeaders {
    let timestamp = NOW.to_string();
    CapturedHeaders::find([
        ("Svix-Id", "msg_1"),
        ("Svix-Timestamp", &timestamp),
        ("Svix-Signature", signature),
    ])
    .unwrap()
}

fn signed() -> CapturedHeaders {
    headers(&sign(&key(KEY), "msg_1", NOW, BODY).unwrap())
}

fn cause(keys: &[Key], headers: &CapturedHeaders, body: &[u8]) -> Cause {
    match verify(keys, Captured { headers, body }, NOW, Some(300)).as_slice() {
        [Finding::NoMatch(cause)] => cause.clone(),
        other => unreachable!("{other:?}"),
    }
}

/// A key pair that is made of a seed, as Svix writes it, and its public half.
fn pair() -> (String, String) {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    let seed = [7; 32];
    let public = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap().public_key().as_ref().to_vec();
    let both = STANDARD.encode([&seed[..], &public].concat());
    (format!("whsk_{both}"), format!("whpk_{}", STANDARD.encode(public)))
}

#[test]
fn a_key_pair_signs_and_its_public_half_verifies() {
    let (private, public) = pair();
    let signature = sign(&key(&private), "msg_1", NOW, BODY).unwrap();
    let captured = headers(&signature);

    assert!(signature.starts_with("v1a,"), "{signature}");
    for text in [&private, &public] {
        assert_eq!(verify(&[key(text)], Captured { headers: &captured, body: BODY }, NOW, None), []);
    }
    assert_eq!(sign(&key(&public), "msg_1", NOW, BODY), None);
}

#[test]
fn one_of_several_signatures_and_keys_is_enough() {
    let other = key("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let signature = format!(
        "{} v1a,AAAA {}",
        sign(&other, "msg_1", NOW, b"x").unwrap(),
        sign(&key(KEY), "msg_1", NOW, BODY).unwrap()
    );

    let found =
        verify(&[other, key(KEY)], Captured { headers: &headers(&signature), body: BODY }, NOW, Some(0));

    assert_eq!(found, []);
}

#[test]
fn a_timestamp_outside_of_the_tolerance_is_a_finding() {
    let (headers, keys) = (signed(), [key(KEY)]);
    let captured = Captured { headers: &headers, body: BODY };

    assert!(matches!(verify(&keys, captured, NOW + 301, Some(300))[..], [Finding::TooOld { age: 301, .. }]));
    assert!(matches!(
        verify(&keys, captured, NOW - 301, Some(300))[..],
        [Finding::InFuture { ahead: 301, .. }]
    ));
    assert_eq!(verify(&keys, captured, NOW + 300, Some(300)), []);
    assert_eq!(verify(&keys, captured, NOW + 1_000_000, None), []);
}

#[test]
fn a_body_that_was_changed_is_the_cause() {
    for (signed, received, expected) in [
        (&b"{}"[..], &b"{}\n"[..], "without the line break"),
        (b"{}", b"{}\r\n", "without the line break"),
        (b"{}\n", b"{}", "with a line break"),
        (b"{\r\n}", b"{\n}", "CR LF in place of LF"),
        (b"{\n}", b"{\r\n}", "LF in place of CR LF"),
        (b"{}", b"\xef\xbb\xbf{}", "byte order mark"),
        (b"{}", b"  {}  ", "white space around"),
        (br#"{"a":"b \" c"}"#, b"{\n  \"a\": \"b \\\" c\"\n}", "formatted"),
        (b"", b"{}", "empty body"),
    ] {
        let headers = headers(&sign(&key(KEY), "msg_1", NOW, signed).unwrap());

        let cause = cause(&[key(KEY)], &headers, received);

        assert!(matches!(&cause, Cause::Body(what) if what.contains(expected)), "{signed:?}: {cause}");
    }
}

#[test]
fn a_key_that_is_not_decoded_is_the_cause() {
    for raw in [KEY, &KEY[6..]] {
        let sender = Key::symmetric(raw.as_bytes().to_vec());
        let headers = headers(&sign(&sender, "msg_1", NOW, BODY).unwrap());

        assert!(matches!(cause(&[key(KEY)], &headers, BODY), Cause::Key(_)), "{raw}");
    }
}

#[test]
fn an_id_or_a_timestamp_in_another_form_is_the_cause() {
    let quoted = CapturedHeaders { id: "\"msg_1\"".to_owned(), ..signed() };
    let hour = CapturedHeaders { timestamp: (NOW - 7200).to_string(), ..signed() };
    let date = CapturedHeaders { timestamp: "2023-11-14T22:13:20Z".to_owned(), ..signed() };
    let millis = CapturedHeaders { timestamp: format!("{NOW}000"), ..signed() };
    let found = |headers: &CapturedHeaders| {
        let captured = Captured { headers, body: BODY };
        verify(&[key(KEY)], captured, NOW, None)
    };

    assert!(matches!(found(&quoted)[..], [Finding::NoMatch(Cause::Id { .. })]));
    for headers in [hour, date, millis] {
        assert!(matches!(found(&headers)[..], [Finding::NoMatch(Cause::Timestamp { .. })]), "{headers:?}");
    }
}

#[test]
fn signatures_of_another_kind_are_the_cause() {
    let (private, public) = pair();
    let asymmetric = headers(&sign(&key(&private), "msg_1", NOW, BODY).unwrap());

    assert!(matches!(cause(&[key(KEY)], &asymmetric, BODY), Cause::OtherKind { expected: "v1", .. }));
    assert!(matches!(cause(&[key(&public)], &signed(), BODY), Cause::OtherKind { expected: "v1a", .. }));
    assert!(matches!(cause(&[key(KEY)], &headers("abc"), BODY), Cause::NoSignature { .. }));
}

#[test]
fn a_cause_that_cannot_be_known_is_not_guessed() {
    let other = key("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");

    assert!(matches!(cause(&[other], &signed(), BODY), Cause::Unknown { .. }));
    assert!(matches!(cause(&[key(KEY)], &signed(), br#"{"id":"o 2"}"#), Cause::Unknown { .. }));
}

#[test]
fn headers_have_either_name_and_must_be_complete() {
    let standard = [("webhook-id", "m"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,x")];
    let both =
        [standard.as_slice(), &[("svix-id", "s"), ("svix-timestamp", "2"), ("svix-signature", "v1,y")]];

    assert_eq!(CapturedHeaders::find(standard).unwrap().id, "m");
    assert_eq!(CapturedHeaders::find(both.concat()).unwrap().id, "s");
    assert_eq!(CapturedHeaders::find([("host", "x")]), Err(InvalidHeaders::None));
    assert_eq!(
        CapturedHeaders::find([("svix-id", "a"), ("svix-id", "b")]),
        Err(InvalidHeaders::Repeated("svix-id"))
    );
    let missing = CapturedHeaders::find([("svix-id", "a"), ("svix-signature", "v1,x")]).unwrap_err();
    assert!(missing.to_string().starts_with("/svix-timestamp: found no such header"), "{missing}");
}

#[test]
fn headers_are_read_as_tools_show_them() {
    let text = "POST / HTTP/1.1\r\n> svix-id: a:b\r\nSvix-Timestamp:1\n\n";

    assert_eq!(lines(text), [("svix-id", "a:b"), ("Svix-Timestamp", "1")]);
}

#[test]
fn what_is_no_key_is_not_shown() {
    let (private, _) = pair();
    let mut swapped = STANDARD.decode(&private[5..]).unwrap();
    swapped[63] ^= 1;
    for text in [
        "",
        "whsec_",
        "whsec_???secret",
        "whsk_AAAA",
        "whpk_AAAA",
        &format!("whsk_{}", STANDARD.encode(swapped)),
    ] {
        let error = Key::parse(text).unwrap_err().to_string();
        assert!(error.contains("expected whsec_") && !error.contains("secret?"), "{text}: {error}");
        assert!(!error.contains("???"), "{error}");
    }
}
