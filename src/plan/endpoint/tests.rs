//! Tests of the plan for endpoints.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::{
    api::{JsonPointer, SvixConnectionSpec, WebhookEndpoint},
    plan::secrets::Secrets,
};

use super::*;

const MATCH: AdoptionRequest = AdoptionRequest { adoption: Adoption::Match, by_id: false };

fn connection() -> SvixConnectionSpec {
    serde_json::from_value(json!({"ownerId": "prod", "tokenSecretRef": {"name": "t", "key": "t"}})).unwrap()
}

fn endpoint(extra: Value) -> WebhookEndpoint {
    let mut spec = json!({"url": "https://hooks.example.org", "eventTypes": ["b.two", "a.one"]});
    spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
        "metadata": {"name": "hook", "namespace": "team"}, "spec": spec,
    }))
    .unwrap()
}

fn desire_as(extra: Value, owned: Owned<'_>) -> Desired {
    let object = endpoint(extra);
    let resolved = resolve(&object.spec, &Secrets::new(), "team").unwrap();
    desired(&object, &connection(), owned, resolved).unwrap()
}

fn desire(extra: Value) -> Desired {
    desire_as(extra, Owned::default())
}

/// The endpoint in Svix after a create.
fn created(desired: &Desired) -> Observed {
    let boxed = |set: &BTreeSet<String>| set.iter().map(|s| s.as_str().into()).collect();
    Observed {
        id: "ep_1".into(),
        uid: Some(desired.uid.as_str().into()),
        url: desired.url.as_str().into(),
        description: desired.description.as_deref().unwrap_or_default().into(),
        event_types: Some(boxed(&desired.event_types)),
        channels: desired.channels.as_ref().map(boxed),
        throttle_rate: desired.throttle_rate.flatten(),
        disabled: desired.disabled.unwrap_or(false),
        metadata: merge_metadata(desired, None)
            .iter()
            .map(|(k, v)| (k.as_str().into(), v.as_str().into()))
            .collect(),
        updated_at: 0,
    }
}

fn with_metadata(observed: &Observed, entries: &[(&str, &str)]) -> Observed {
    let mut metadata: BTreeMap<&str, &str> = observed.metadata.iter().map(|(k, v)| (&**k, &**v)).collect();
    metadata.extend(entries.iter().copied());
    Observed {
        metadata: metadata.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
        ..observed.clone()
    }
}

#[test]
fn defaults_come_from_connection_and_object() {
    let desired = desire(json!({}));
    assert_eq!(desired.application, "default");
    assert_eq!(desired.uid, "prod.team.hook");
    assert_eq!(desired.mark, "prod/team/hook");
    assert_eq!(desired.url, "https://hooks.example.org/");
}

#[test]
fn a_created_endpoint_is_in_sync() {
    for extra in [
        json!({}),
        json!({"description": "d", "throttleRate": 7, "disabled": true, "metadata": {"k": "v"}}),
        json!({"channels": ["plain", "https://example.org/a b"]}),
    ] {
        let desired = desire(extra);
        assert_eq!(plan(&desired, None, Ownership::Nobody, MATCH), EndpointStep::Create);
        assert_eq!(plan(&desired, Some(&created(&desired)), Ownership::Ours, MATCH), EndpointStep::InSync);
    }
}

#[test]
fn a_change_has_only_managed_fields_that_differ() {
    let desired = desire(json!({"description": "new"}));
    let observed =
        Observed { description: "old".into(), disabled: true, throttle_rate: Some(3), ..created(&desired) };
    let EndpointStep::Change(change, differences) = plan(&desired, Some(&observed), Ownership::Ours, MATCH)
    else {
        panic!()
    };
    assert_eq!(change, Change { description: Some("new".into()), ..Change::default() });
    assert_eq!(super::super::describe(&differences), r#"description is "old" in Svix, declared "new""#);
}

#[test]
fn a_filter_on_channels_differs_from_none() {
    let desired = desire(json!({}));
    let filtered = Observed { channels: Some(Box::new(["x".into()])), ..created(&desired) };

    let EndpointStep::Change(change, differences) = plan(&desired, Some(&filtered), Ownership::Ours, MATCH)
    else {
        panic!()
    };
    assert_eq!(change, Change { channels: Some(None), ..Change::default() });
    assert_eq!(super::super::describe(&differences), r#"channels is "x" in Svix, declared all"#);

    let EndpointStep::Refuse(error) = plan(&desired, Some(&filtered), Ownership::Nobody, MATCH) else {
        panic!()
    };
    assert_eq!(error.reason, Reason::NotOurs);
    assert!(error.message.contains("channels is \"x\" in Svix"), "{error}");
}

#[test]
fn values_of_secrets_are_one_line() {
    let object = endpoint(json!({"url": null, "urlFrom": {"secretKeyRef": {"name": "s", "key": "url"}}}));
    let with_url = |url: &[u8]| {
        let data = BTreeMap::from([("url".to_owned(), url.to_vec())]);
        let secret = crate::plan::secrets::SecretData { data, ..Default::default() };
        resolve(&object.spec, &Secrets::from([("s".to_owned(), Some(secret))]), "team")
    };

    let resolved = with_url(b" https://a.example/hunter2\r\n").unwrap();
    assert_eq!(resolved.url.as_deref(), Some("https://a.example/hunter2"));
    for (url, problem) in [
        (&b"https://a.example/hunter2\nhttps://b.example/"[..], "found 2 lines"),
        (b"https://a.example/\r\nhunter2\n", "found 2 lines"),
        (b"\xef\xbb\xbfhttps://a.example/hunter2", "found a byte order mark"),
        (b"\xff\xfeh\0t\0", "found text in UTF-16"),
        (b"\n", "found an empty value"),
        (b"https://a.example/ hunter2", "found white space inside"),
        (b"\"https://a.example/hunter2\"", "found an address in quotes"),
        (b"URL=https://a.example/hunter2", "found NAME=value"),
        (b"a.example/hunter2", "found a text without http:// or https://"),
        (b"ftp://a.example/hunter2", "found scheme \"ftp\""),
        (b"hunter2:password", "found another scheme than http and https"),
    ] {
        let error = with_url(url).unwrap_err();
        assert_eq!(error.reason, Reason::InvalidSecret);
        assert!(error.message.contains(problem) && error.message.contains("Secret team/s"), "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
    }
}

#[test]
fn metadata_of_others_is_kept() {
    let desired = desire(json!({"metadata": {"mine": "1"}}));
    let observed = with_metadata(&created(&desired), &[("theirs", "x"), ("mine", "changed")]);
    let EndpointStep::Change(change, _) = plan(&desired, Some(&observed), Ownership::Ours, MATCH) else {
        panic!()
    };
    let metadata = change.metadata.unwrap();
    assert_eq!(metadata["theirs"], "x");
    assert_eq!(metadata["mine"], "1");
    let quiet = with_metadata(&created(&desired), &[("theirs", "x")]);
    assert_eq!(plan(&desired, Some(&quiet), Ownership::Ours, MATCH), EndpointStep::InSync);
}

#[test]
fn a_field_that_is_no_longer_named_is_reset() {
    let fields = ["description", "channels", "throttleRate", "disabled"].map(Cow::Borrowed);
    let keys = ["old".to_owned()];
    let owned = Owned { fields: &fields, metadata_keys: &keys, uid: None };
    let before = desire(json!({
        "description": "d", "channels": ["a b"], "throttleRate": 7, "disabled": true, "metadata": {"old": "1"},
    }));
    let now = desire_as(json!({}), owned);
    let EndpointStep::Change(change, _) = plan(&now, Some(&created(&before)), Ownership::Ours, MATCH) else {
        panic!()
    };
    assert_eq!(change.description.as_deref(), Some(""));
    assert_eq!(change.channels, Some(None));
    assert_eq!(change.throttle_rate, Some(None));
    assert_eq!(change.disabled, Some(false));
    assert_eq!(change.metadata.unwrap().keys().collect::<Vec<_>>(), [OWNER_METADATA_KEY]);
}

#[test]
fn disabled_stays_unless_the_spec_names_it() {
    let desired = desire(json!({}));
    let observed = Observed { disabled: true, ..created(&desired) };
    assert_eq!(plan(&desired, Some(&observed), Ownership::Ours, MATCH), EndpointStep::InSync);
    let desired = desire(json!({"disabled": false}));
    assert!(matches!(plan(&desired, Some(&observed), Ownership::Ours, MATCH), EndpointStep::Change(..)));
}

#[test]
fn an_equal_endpoint_is_adopted_with_its_mark_alone() {
    let desired = desire(json!({}));
    let observed = Observed { metadata: Box::new([("k".into(), "v".into())]), ..created(&desired) };
    let EndpointStep::Adopt(change, _) = plan(&desired, Some(&observed), Ownership::Nobody, MATCH) else {
        panic!()
    };
    let metadata =
        BTreeMap::from([("k".into(), "v".into()), (OWNER_METADATA_KEY.into(), "prod/team/hook".into())]);
    assert_eq!(change, Change { metadata: Some(metadata), ..Change::default() });
}

#[test]
fn one_that_is_not_ours_is_never_changed() {
    let desired = desire(json!({"description": "mine"}));
    let observed = Observed { description: "theirs".into(), metadata: Box::new([]), ..created(&desired) };
    let EndpointStep::Refuse(error) = plan(&desired, Some(&observed), Ownership::Nobody, MATCH) else {
        panic!()
    };
    assert_eq!(error.reason, Reason::NotOurs);
    let marked = with_metadata(&created(&desired), &[(OWNER_METADATA_KEY, "other/ns/x")]);
    let EndpointStep::Refuse(error) = plan(&desired, Some(&marked), Ownership::OtherOwner, MATCH) else {
        panic!()
    };
    assert!(error.message.contains("other/ns/x"), "{error}");
}

#[test]
fn a_lost_mark_is_restored_by_status() {
    let desired = desire(json!({}));
    let observed = Observed { metadata: Box::new([]), ..created(&desired) };
    let EndpointStep::Change(change, differences) = plan(&desired, Some(&observed), Ownership::Ours, MATCH)
    else {
        panic!()
    };
    assert!(differences.is_empty());
    assert_eq!(change.metadata.unwrap()[OWNER_METADATA_KEY], "prod/team/hook");
}

#[test]
fn messages_say_nothing_of_an_address_in_a_secret() {
    let object = endpoint(json!({"url": null, "urlFrom": {"secretKeyRef": {"name": "s", "key": "url"}}}));
    let resolved = Resolved { url: Some("https://hunter2.example.org/".to_owned()), ..Resolved::default() };
    let desired = super::desired(&object, &connection(), Owned::default(), resolved).unwrap();
    let observed = Observed { url: "https://hunter1.example.org/".into(), ..created(&desired) };

    let EndpointStep::Refuse(error) = plan(&desired, Some(&observed), Ownership::Nobody, MATCH) else {
        panic!()
    };

    let expected = "url is another address (not shown) in Svix, declared the one in the Secret";
    assert!(error.message.contains(expected) && !error.message.contains("hunter"), "{error}");
}

#[test]
fn messages_say_the_host_of_a_url_and_no_more() {
    let desired = desire(json!({"url": "https://hooks.example.org/secret-path?token=abc"}));
    let observed =
        Observed { url: "https://user:pw@old.example.org/also-secret".into(), ..created(&desired) };
    let EndpointStep::Change(_, differences) = plan(&desired, Some(&observed), Ownership::Ours, MATCH) else {
        panic!()
    };
    let text = super::super::describe(&differences);
    assert_eq!(text, "url is https://old.example.org/… in Svix, declared https://hooks.example.org/…");
    // The default port of a scheme is left out, as it is in the URL.
    for (found, declared, expected) in [
        (
            "http://127.0.0.1:81/x",
            "http://127.0.0.1:82/x",
            "url is http://127.0.0.1:81/… in Svix, declared http://127.0.0.1:82/…",
        ),
        (
            "https://a.example/secret",
            "https://a.example/hidden",
            "url is https://a.example/… in Svix, declared https://a.example/… (the path, query or user differs, and is not shown)",
        ),
    ] {
        let desired = desire(json!({ "url": declared }));
        let observed = Observed { url: found.into(), ..created(&desired) };
        let EndpointStep::Change(_, differences) = plan(&desired, Some(&observed), Ownership::Ours, MATCH)
        else {
            panic!()
        };
        assert_eq!(super::super::describe(&differences), expected);
    }
    for bad in ["ftp://x.example/secret", "https://", "not a url secret", "//secret"] {
        assert!(!normal_url(bad).unwrap_err().to_string().contains("secret"), "{bad}");
    }
}

#[test]
fn too_large_metadata_is_refused() {
    let channels: Vec<_> = (0..3).map(|i| format!("https://example.org/{i}/{}", "x".repeat(1500))).collect();
    let EndpointStep::Refuse(error) =
        plan(&desire(json!({ "channels": channels })), None, Ownership::Nobody, MATCH)
    else {
        panic!()
    };
    assert_eq!(error.reason, Reason::InvalidSpec);
    assert!(error.message.contains("at most 4096"), "{error}");
}

#[test]
fn adoption_decides_how_far_one_is_taken_over() {
    let desired = desire(json!({"description": "mine"}));
    let mut unmarked = created(&desired);
    unmarked.metadata = [].into();
    let other = Observed { description: "theirs".into(), ..unmarked.clone() };
    let step = |observed: &Observed, adoption| {
        plan(&desired, Some(observed), Ownership::Nobody, AdoptionRequest { adoption, by_id: false })
    };
    let EndpointStep::Adopt(change, differences) = step(&other, Adoption::Override) else { panic!() };
    assert_eq!(change.description.as_deref(), Some("mine"));
    assert_eq!(differences.len(), 1);
    for observed in [&unmarked, &other] {
        let EndpointStep::Refuse(error) = step(observed, Adoption::Never) else { panic!() };
        assert!(!error.message.contains("theirs"), "an object that may not adopt it learns nothing of it");
    }
}

#[test]
fn another_owners_endpoint_is_adopted_only_by_id() {
    let desired = desire(json!({}));
    let marked = with_metadata(&created(&desired), &[(OWNER_METADATA_KEY, "other/ns/name")]);
    let step = |adoption, by_id| {
        plan(&desired, Some(&marked), Ownership::OtherOwner, AdoptionRequest { adoption, by_id })
    };
    assert!(matches!(step(Adoption::Override, false), EndpointStep::Refuse(_)));
    assert!(matches!(step(Adoption::Match, true), EndpointStep::Refuse(_)));
    assert!(matches!(step(Adoption::Override, true), EndpointStep::Adopt(..)));
}

#[test]
fn what_another_object_holds_is_never_taken() {
    let desired = desire(json!({}));
    let marked = with_metadata(&created(&desired), &[(OWNER_METADATA_KEY, "prod/ns/name")]);
    let request = AdoptionRequest { adoption: Adoption::Override, by_id: true };
    let EndpointStep::Refuse(error) = plan(&desired, Some(&marked), Ownership::OtherObject, request) else {
        panic!()
    };
    assert_eq!(error.reason, Reason::Conflict);
    assert!(error.message.contains("belongs to WebhookEndpoint ns/name"), "{error}");
}

#[test]
fn the_last_change_of_a_creation_enables_it() {
    let desired = desire(json!({"headers": [{"name": "X-Team", "value": "a"}]}));
    assert!(desired.needs_preparing());
    let mut preparing = with_metadata(&created(&desired), &[(PREPARING_METADATA_KEY, "true")]);
    preparing.disabled = true;
    let EndpointStep::Change(change, differences) = plan(&desired, Some(&preparing), Ownership::Ours, MATCH)
    else {
        panic!()
    };
    assert_eq!((change.disabled, differences), (Some(false), vec![]));
    assert!(!change.metadata.unwrap().contains_key(PREPARING_METADATA_KEY));
}

#[test]
fn a_default_uid_of_another_namespace_is_refused() {
    let object = endpoint(json!({"uid": "prod.other.hook"}));
    let resolved = resolve(&object.spec, &Secrets::new(), "team").unwrap();
    let error = desired(&object, &connection(), Owned::default(), resolved).unwrap_err();
    assert!(error.message.starts_with("/spec/uid: "), "{error}");
    assert_eq!(desire(json!({"uid": "prod.team.other"})).uid, "prod.team.other");
    assert_eq!(desire(json!({"uid": "production.x"})).uid, "production.x");
}

#[test]
fn each_optional_field_can_be_named_and_left_out() {
    let full = json!({
        "description": "d", "channels": ["x"], "throttleRate": 7, "disabled": true, "headers": [],
    });
    let mut desired = desire(full);
    let named = [Field::Description, Field::Channels, Field::ThrottleRate, Field::Disabled, Field::Headers];
    assert_eq!(desired.named, named);
    assert_eq!(
        Field::names(&desired.named),
        ["description", "channels", "throttleRate", "disabled", "headers"]
    );

    for field in named {
        desired = desired.without(field);
    }

    let unnamed = desire(json!({}));
    // Headers are written on their own, whatever the server ignores.
    assert_eq!(Desired { named: vec![], headers: None, ..desired }, unnamed);
}

#[test]
fn an_error_names_its_field() {
    for (extra, field) in [
        (json!({"url": "ftp://a.example/"}), "/spec/url"),
        (json!({"eventTypes": ["a.one", "a b"]}), "/spec/eventTypes/1"),
        (json!({"uid": "ep_1"}), "/spec/uid"),
        (json!({"throttleRate": 0}), "/spec/throttleRate"),
        (json!({"metadata": {"svix-operator.dev/owner": "x"}}), "/spec/metadata/svix-operator.dev~1owner"),
        (
            json!({"signingSecret": {"toSecret": {"name": "s"}, "rotateAfter": "1h", "gracePeriod": "168h"}}),
            "/spec/signingSecret/gracePeriod",
        ),
        (
            json!({"signingSecret": {"toSecret": {"name": "s"}, "rotateAfter": "1s"}}),
            "/spec/signingSecret/rotateAfter",
        ),
    ] {
        let object = endpoint(extra);
        let resolved = resolve(&object.spec, &Secrets::new(), "team").unwrap();

        let error = desired(&object, &connection(), Owned::default(), resolved).unwrap_err();

        assert_eq!(error.field.as_ref().map(JsonPointer::as_str), Some(field));
        assert!(error.message.starts_with(&format!("{field}: ")), "{error}");
        assert_eq!(error.reason, Reason::InvalidSpec);
    }
}

#[test]
fn unstorable_texts_are_refused_with_their_place() {
    for (spec, place) in [
        (json!({"description": "a\0"}), "/spec/description"),
        (json!({"metadata": {"a": "b", "c": "\0"}}), "/spec/metadata/c"),
        (json!({"channels": ["plain", "\0"]}), "/spec/channels/1"),
    ] {
        let object = endpoint(spec);
        let resolved = Resolved { url: object.spec.url.clone(), ..Resolved::default() };

        let error = desired(&object, &connection(), Owned::default(), resolved).unwrap_err();

        assert_eq!(error.reason, Reason::InvalidSpec);
        assert_eq!(error.message, format!("{place}: {}", crate::plan::storable::NUL));
    }
}
