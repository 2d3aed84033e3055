//! Tests of the plan for endpoints.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use crate::{
    api::{SvixConnectionSpec, WebhookEndpoint},
    plan::secrets::Secrets,
};

use super::*;

const MATCH: Claim = Claim { adoption: Adoption::Match, named: false };

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

/// What Svix holds after a create of this.
fn made(desired: &Desired) -> Observed {
    let boxed = |set: &BTreeSet<String>| set.iter().map(|s| s.as_str().into()).collect();
    Observed {
        id: "ep_1".into(),
        uid: Some(desired.uid.as_str().into()),
        url: desired.url.as_str().into(),
        description: desired.description.as_deref().unwrap_or_default().into(),
        event_types: Some(boxed(&desired.event_types)),
        channels: desired.channels.clone().flatten().as_ref().map(boxed),
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
fn defaults_come_from_the_connection_and_the_object() {
    let desired = desire(json!({}));
    assert_eq!(desired.application, "default");
    assert_eq!(desired.uid, "prod.team.hook");
    assert_eq!(desired.mark, "prod/team/hook");
    assert_eq!(desired.url, "https://hooks.example.org/");
}

#[test]
fn what_is_made_is_in_sync_at_once() {
    for extra in [
        json!({}),
        json!({"description": "d", "throttleRate": 7, "disabled": true, "metadata": {"k": "v"}}),
        json!({"channels": ["plain", "https://example.org/a b"]}),
    ] {
        let desired = desire(extra);
        assert_eq!(plan(&desired, None, Ownership::Nobody, MATCH), Step::Create);
        assert_eq!(plan(&desired, Some(&made(&desired)), Ownership::Ours, MATCH), Step::InSync);
    }
}

#[test]
fn a_change_names_the_differing_owned_fields_and_no_others() {
    let desired = desire(json!({"description": "new"}));
    let held = Observed {
        description: "old".into(),
        disabled: true,
        throttle_rate: Some(3),
        channels: Some(Box::new(["x".into()])),
        ..made(&desired)
    };
    let Step::Change(change, differences) = plan(&desired, Some(&held), Ownership::Ours, MATCH) else {
        panic!()
    };
    assert_eq!(change, Change { description: Some("new".into()), ..Change::default() });
    assert_eq!(super::super::describe(&differences), r#"description is "old" in Svix, declared "new""#);
}

#[test]
fn metadata_that_others_wrote_is_kept() {
    let desired = desire(json!({"metadata": {"mine": "1"}}));
    let held = with_metadata(&made(&desired), &[("theirs", "x"), ("mine", "changed")]);
    let Step::Change(change, _) = plan(&desired, Some(&held), Ownership::Ours, MATCH) else { panic!() };
    let metadata = change.metadata.unwrap();
    assert_eq!(metadata["theirs"], "x");
    assert_eq!(metadata["mine"], "1");
    let quiet = with_metadata(&made(&desired), &[("theirs", "x")]);
    assert_eq!(plan(&desired, Some(&quiet), Ownership::Ours, MATCH), Step::InSync);
}

#[test]
fn what_the_spec_stops_naming_goes_back_to_the_default() {
    let fields: Vec<String> = ["description", "channels", "throttleRate", "disabled"].map(Into::into).into();
    let keys = ["gone".to_owned()];
    let owned = Owned { fields: &fields, metadata_keys: &keys, uid: None };
    let before = desire(json!({
        "description": "d", "channels": ["a b"], "throttleRate": 7, "disabled": true, "metadata": {"gone": "1"},
    }));
    let now = desire_as(json!({}), owned);
    let Step::Change(change, _) = plan(&now, Some(&made(&before)), Ownership::Ours, MATCH) else { panic!() };
    assert_eq!(change.description.as_deref(), Some(""));
    assert_eq!(change.channels, Some(None));
    assert_eq!(change.throttle_rate, Some(None));
    assert_eq!(change.disabled, Some(false));
    assert_eq!(change.metadata.unwrap().keys().collect::<Vec<_>>(), [OWNER_METADATA_KEY]);
}

#[test]
fn disabled_by_svix_is_left_alone_unless_the_spec_says() {
    let desired = desire(json!({}));
    let held = Observed { disabled: true, ..made(&desired) };
    assert_eq!(plan(&desired, Some(&held), Ownership::Ours, MATCH), Step::InSync);
    let desired = desire(json!({"disabled": false}));
    assert!(matches!(plan(&desired, Some(&held), Ownership::Ours, MATCH), Step::Change(..)));
}

#[test]
fn an_equal_one_that_is_nobodys_gets_the_mark_and_nothing_else() {
    let desired = desire(json!({}));
    let held = Observed { metadata: Box::new([("k".into(), "v".into())]), ..made(&desired) };
    let Step::Adopt(change, _) = plan(&desired, Some(&held), Ownership::Nobody, MATCH) else { panic!() };
    let metadata =
        BTreeMap::from([("k".into(), "v".into()), (OWNER_METADATA_KEY.into(), "prod/team/hook".into())]);
    assert_eq!(change, Change { metadata: Some(metadata), ..Change::default() });
}

#[test]
fn one_that_is_not_ours_is_never_changed() {
    let desired = desire(json!({"description": "mine"}));
    let held = Observed { description: "theirs".into(), metadata: Box::new([]), ..made(&desired) };
    let Step::Refuse(refusal) = plan(&desired, Some(&held), Ownership::Nobody, MATCH) else { panic!() };
    assert_eq!(refusal.reason, Reason::NotOurs);
    let marked = with_metadata(&made(&desired), &[(OWNER_METADATA_KEY, "other/ns/x")]);
    let Step::Refuse(refusal) = plan(&desired, Some(&marked), Ownership::Other, MATCH) else { panic!() };
    assert!(refusal.message.contains("other/ns/x"), "{refusal}");
}

#[test]
fn a_mark_that_was_lost_is_restored_when_status_says_it_is_ours() {
    let desired = desire(json!({}));
    let held = Observed { metadata: Box::new([]), ..made(&desired) };
    let Step::Change(change, differences) = plan(&desired, Some(&held), Ownership::Ours, MATCH) else {
        panic!()
    };
    assert!(differences.is_empty());
    assert_eq!(change.metadata.unwrap()[OWNER_METADATA_KEY], "prod/team/hook");
}

#[test]
fn messages_say_the_host_of_a_url_and_no_more() {
    let desired = desire(json!({"url": "https://hooks.example.org/secret-path?token=abc"}));
    let held = Observed { url: "https://user:pw@old.example.org/also-secret".into(), ..made(&desired) };
    let Step::Change(_, differences) = plan(&desired, Some(&held), Ownership::Ours, MATCH) else { panic!() };
    let text = super::super::describe(&differences);
    assert_eq!(text, "url is https://old.example.org/… in Svix, declared https://hooks.example.org/…");
    // The default port of a scheme is left out, as it is in the URL.
    for (found, declared, said) in [
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
        let held = Observed { url: found.into(), ..made(&desired) };
        let Step::Change(_, differences) = plan(&desired, Some(&held), Ownership::Ours, MATCH) else {
            panic!()
        };
        assert_eq!(super::super::describe(&differences), said);
    }
    for bad in ["ftp://x.example/secret", "https://", "not a url secret", "//secret"] {
        assert!(!normal_url(bad).unwrap_err().contains("secret"), "{bad}");
    }
}

#[test]
fn metadata_beyond_what_svix_takes_is_refused_before_it_is_sent() {
    let channels: Vec<_> = (0..3).map(|i| format!("https://example.org/{i}/{}", "x".repeat(1500))).collect();
    let Step::Refuse(refusal) =
        plan(&desire(json!({ "channels": channels })), None, Ownership::Nobody, MATCH)
    else {
        panic!()
    };
    assert_eq!(refusal.reason, Reason::InvalidSpec);
    assert!(refusal.message.contains("at most 4096"), "{refusal}");
}

#[test]
fn what_is_not_ours_is_taken_as_far_as_the_adoption_goes() {
    let desired = desire(json!({"description": "mine"}));
    let mut unmarked = made(&desired);
    unmarked.metadata = [].into();
    let other = Observed { description: "theirs".into(), ..unmarked.clone() };
    let step = |observed: &Observed, adoption| {
        plan(&desired, Some(observed), Ownership::Nobody, Claim { adoption, named: false })
    };
    let Step::Adopt(change, differences) = step(&other, Adoption::Override) else { panic!() };
    assert_eq!(change.description.as_deref(), Some("mine"));
    assert_eq!(differences.len(), 1);
    for observed in [&unmarked, &other] {
        let Step::Refuse(refusal) = step(observed, Adoption::Never) else { panic!() };
        assert!(!refusal.message.contains("theirs"), "who may not adopt is not told what is there");
    }
}

#[test]
fn what_carries_the_mark_of_another_is_taken_only_when_it_is_named_by_its_id() {
    let desired = desire(json!({}));
    let marked = with_metadata(&made(&desired), &[(OWNER_METADATA_KEY, "other/ns/name")]);
    let step = |adoption, named| plan(&desired, Some(&marked), Ownership::Other, Claim { adoption, named });
    assert!(matches!(step(Adoption::Override, false), Step::Refuse(_)));
    assert!(matches!(step(Adoption::Match, true), Step::Refuse(_)));
    assert!(matches!(step(Adoption::Override, true), Step::Adopt(..)));
}

#[test]
fn what_another_object_holds_is_never_taken() {
    let desired = desire(json!({}));
    let marked = with_metadata(&made(&desired), &[(OWNER_METADATA_KEY, "prod/ns/name")]);
    let claim = Claim { adoption: Adoption::Override, named: true };
    let Step::Refuse(refusal) = plan(&desired, Some(&marked), Ownership::Held, claim) else { panic!() };
    assert_eq!(refusal.reason, Reason::Conflict);
    assert!(refusal.message.contains("held by WebhookEndpoint ns/name"), "{refusal}");
}

#[test]
fn an_endpoint_that_is_being_made_is_enabled_by_the_change_that_ends_it() {
    let desired = desire(json!({"headers": [{"name": "X-Team", "value": "a"}]}));
    assert!(desired.needs_preparing());
    let mut preparing = with_metadata(&made(&desired), &[(PREPARING_METADATA_KEY, "true")]);
    preparing.disabled = true;
    let Step::Change(change, differences) = plan(&desired, Some(&preparing), Ownership::Ours, MATCH) else {
        panic!()
    };
    assert_eq!((change.disabled, differences), (Some(false), vec![]));
    assert!(!change.metadata.unwrap().contains_key(PREPARING_METADATA_KEY));
}

#[test]
fn nobody_takes_the_uid_that_another_namespace_has_by_default() {
    let object = endpoint(json!({"uid": "prod.other.hook"}));
    let resolved = resolve(&object.spec, &Secrets::new(), "team").unwrap();
    let refusal = desired(&object, &connection(), Owned::default(), resolved).unwrap_err();
    assert!(refusal.message.starts_with("/spec/uid: "), "{refusal}");
    assert_eq!(desire(json!({"uid": "prod.team.other"})).uid, "prod.team.other");
    assert_eq!(desire(json!({"uid": "production.x"})).uid, "production.x");
}

#[test]
fn texts_that_svix_can_never_store_are_refused_with_their_place() {
    for (spec, place) in [
        (json!({"description": "a\0"}), "/spec/description"),
        (json!({"metadata": {"a": "b", "c": "\0"}}), "/spec/metadata/c"),
        (json!({"channels": ["plain", "\0"]}), "/spec/channels/1"),
    ] {
        let object = endpoint(spec);
        let resolved = Resolved { url: object.spec.url.clone(), ..Resolved::default() };
        let refusal = desired(&object, &connection(), Owned::default(), resolved).unwrap_err();
        assert_eq!(refusal.reason, Reason::InvalidSpec);
        assert_eq!(refusal.message, format!("{place}: {}", crate::plan::storable::NUL));
    }
}
