//! Objects that are too large, and the memory that a review takes.

use super::*;

/// An object of an event whose payload has this many objects of one entry.
fn event_of(objects: usize) -> Value {
    event(&json!({ "a": vec![json!({"": 0}); objects] }))
}

#[test]
fn an_object_that_takes_too_much_memory_is_refused() {
    let (reviewed, answer) = answer(&known(PayloadPolicy::Audit), &event_of(100_000));

    assert_eq!(reviewed.outcome, Outcome::Refused);
    let message = answer["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("/spec/payload/a/4"), "{message}");
    assert!(message.contains("found JSON that takes more than 32 MiB of memory"), "{message}");
}

#[test]
fn too_large_an_object_can_be_deleted_and_left_unchanged() {
    let mut request = request("UPDATE", "WebhookEventType", &json!({"x": vec![json!({"": 0}); 100_000]}));
    let (changed, _) = answer(&Known::default(), &request);
    let mut deleting = request.clone();
    deleting["request"]["object"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    request["request"]["oldObject"] = request["request"]["object"].clone();

    assert_eq!(changed.outcome, Outcome::Refused);
    assert_eq!(answer(&Known::default(), &request).0.outcome, Outcome::Ignored);
    assert_eq!(answer(&Known::default(), &deleting).0.outcome, Outcome::Ignored);
}

#[test]
fn a_review_takes_no_more_memory_than_is_reserved() {
    let heavy = vec![json!({"": 0}); 400_000];
    let mut managed = event(&json!({"a": 1}));
    managed["request"]["object"]["metadata"]["managedFields"] = json!([{"fieldsV1": {"f:a": heavy}}]);
    let mut old = event_of(40_000);
    old["request"]["oldObject"] = old["request"]["object"].clone();
    old["request"]["oldObject"]["metadata"]["name"] = json!("another");
    let types = json!({"schema": {"examples": vec![json!({"": 0}); 9_000]}, "examples": [
        {"name": "a", "value": {"a": vec![json!({"": 0}); 30_000]}},
    ]});
    let mut extra = event(&json!({"a": 1}));
    extra["extra"] = heavy.into();
    for request in [
        event_of(40_000),
        event_of(300_000),
        managed,
        old,
        request("CREATE", "WebhookEventType", &types),
        request("CREATE", "WebhookEndpoint", &json!({"url": "u", "eventTypes": vec![""; 900_000]})),
        extra,
    ] {
        let (body, known) = (request.to_string(), known(PayloadPolicy::Enforce));

        let allocations = allocation_counter::measure(|| drop(review(body.as_bytes(), &known)));

        // A schema is compiled with memory of its own, one at a time.
        let compiling = if body.contains("WebhookEventType") { 16 * 1024 * 1024 } else { 0 };
        let most = usize::try_from(allocations.bytes_max).unwrap();
        let reserved = memory(body.as_bytes()) + compiling;
        assert!(most <= reserved, "{most} > {reserved} for {} bytes: {}", body.len(), &body[..300]);
    }
}

#[test]
fn an_unreadable_review_takes_no_more_memory_either() {
    let members = vec![r#""":0"#; 1_600_000].join(",");
    for body in [
        format!("{{{members}}}"),
        format!(r#"{{"request": {{{members}}}}}"#),
        format!(r#"{{"request": {{"kind": {{{members}}}}}}}"#),
        format!("[{}", "{}, ".repeat(2_000_000)),
        format!(r#"{{"request": {{}}{}}}"#, r#", "request": {}"#.repeat(500_000)),
    ] {
        let mut outcome = None;

        let allocations = allocation_counter::measure(|| {
            outcome = Some(review(body.as_bytes(), &Known::default()).outcome);
        });

        assert_eq!(outcome, Some(Outcome::Unreadable));
        let (most, reserved) = (usize::try_from(allocations.bytes_max).unwrap(), memory(body.as_bytes()));
        assert!(most <= reserved.min(crate::memory::LARGE_TOTAL), "{most} > {reserved}: {}", &body[..40]);
    }
}

#[test]
fn an_endpoint_that_is_never_reached_gets_a_warning() {
    for url in ["http://2130706433/", "https://[::ffff:10.0.0.1]/", "http://receiver.team.svc:8080/x"] {
        let spec = json!({"url": url, "eventTypes": ["a.b"]});

        let known = known(PayloadPolicy::Enforce);
        let (_, response) = answer(&known, &request("CREATE", "WebhookEndpoint", &spec));

        assert_eq!(response["allowed"], true, "{url}: {response}");
        let warning = response["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("/spec/url: ") && warning.ends_with("that Svix can reach"), "{warning}");
    }
}
