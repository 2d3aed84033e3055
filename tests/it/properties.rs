//! Properties of the pure core, for any input: carrying out a plan ends in step, foreign things stay as they
//! are, and the mirror is what Svix holds in whatever order listings and writes come.
//!
//! `PROPTEST_CASES=100000 cargo test --test it properties` looks longer.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection, option, prelude::*};
use serde_json::{Value, json};
use svix_operator::{
    api::{
        Adoption, ChannelEncoding, EventTypeNames, OWNER_METADATA_KEY, SvixConnectionSpec, WebhookEndpoint,
        WebhookEventType,
    },
    plan::{
        Field, channels,
        digest::Digest,
        endpoint::{self, AdoptionRequest, Owned, Ownership},
        event_type, ids,
        secrets::Secrets,
    },
    schema::Compiled,
    svix::Mirror,
};

// --- endpoints

fn connection(always: bool) -> SvixConnectionSpec {
    let encoding = if always { "Always" } else { "WhenNeeded" };
    serde_json::from_value(json!({
        "ownerId": "prod", "tokenSecretRef": {"name": "t", "key": "t"}, "channelEncoding": encoding,
    }))
    .unwrap()
}

prop_compose! {
    /// The spec of an endpoint: few values, so that what is declared and what is held often agree.
    fn endpoint_spec()(
        url in prop_oneof![Just("https://a.example"), Just("https://a.example/"), Just("https://b.example/p?q=1")],
        event_types in collection::btree_set("[ab]\\.[ab]", 1..3),
        description in option::of("[xy]?"),
        channels in option::of(collection::btree_set(prop_oneof![Just("plain"), Just("a b"), Just("https://o.example")], 1..3)),
        throttle_rate in option::of(1u16..3),
        disabled in option::of(any::<bool>()),
        metadata in option::of(collection::btree_map("[kl]", "[vw]", 0..3)),
    ) -> Value {
        let mut spec = json!({"url": url, "eventTypes": event_types});
        let fields = [
            ("description", json!(description)), ("channels", json!(channels)), ("throttleRate", json!(throttle_rate)),
            ("disabled", json!(disabled)), ("metadata", json!(metadata)),
        ];
        for (field, value) in fields {
            if !value.is_null() {
                spec[field] = value;
            }
        }
        spec
    }
}

fn endpoint_object(spec: &Value) -> WebhookEndpoint {
    serde_json::from_value(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
        "metadata": {"name": "hook", "namespace": "team"}, "spec": spec,
    }))
    .unwrap()
}

prop_compose! {
    fn held_endpoint()(
        uid in option::of(prop_oneof![Just("prod.team.hook"), Just("other")]),
        url in prop_oneof![Just("https://a.example/"), Just("https://c.example/")],
        event_types in option::of(collection::btree_set("[ab]\\.[ab]", 1..3)),
        description in "[xy]?",
        channels in option::of(collection::btree_set(prop_oneof![
            Just("plain".to_owned()), Just(channels::uuid_of("a b")), Just("hand-made".to_owned()),
        ], 1..3)),
        throttle_rate in option::of(1u16..3),
        disabled in any::<bool>(),
        mut metadata in collection::btree_map("[klm]", "[vw]", 0..3),
        mark in option::of(prop_oneof![Just("prod/team/hook"), Just("else/team/hook")]),
        mapped in any::<bool>(),
    ) -> endpoint::Observed {
        if let Some(mark) = mark {
            metadata.insert(OWNER_METADATA_KEY.to_owned(), mark.to_owned());
        }
        if mapped {
            metadata.insert(channels::uuid_of("gone"), "gone".to_owned());
        }
        let boxed = |set: BTreeSet<String>| set.into_iter().map(Into::into).collect();
        endpoint::Observed {
            id: "ep_1".into(),
            uid: uid.map(Into::into),
            url: url.into(),
            description: description.into(),
            event_types: event_types.map(boxed),
            channels: channels.map(boxed),
            throttle_rate,
            disabled,
            metadata: metadata.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            updated_at: 0,
        }
    }
}

/// What Svix makes of a PATCH: the fields that it names, and no others.
fn patched(held: &endpoint::Observed, change: endpoint::Change) -> endpoint::Observed {
    let boxed = |set: BTreeSet<String>| set.into_iter().map(Into::into).collect();
    let mut now = held.clone();
    let endpoint::Change { uid, url, description, event_types, channels, throttle_rate, disabled, metadata } =
        change;
    if let Some(uid) = uid {
        now.uid = Some(uid.into());
    }
    if let Some(url) = url {
        now.url = url.into();
    }
    if let Some(description) = description {
        now.description = description.into();
    }
    if let Some(event_types) = event_types {
        now.event_types = Some(boxed(event_types));
    }
    if let Some(channels) = channels {
        now.channels = channels.map(boxed);
    }
    if let Some(rate) = throttle_rate {
        now.throttle_rate = rate;
    }
    if let Some(disabled) = disabled {
        now.disabled = disabled;
    }
    if let Some(metadata) = metadata {
        now.metadata = metadata.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    }
    now
}

fn ownership(held: &endpoint::Observed, status_id: Option<&str>) -> Ownership {
    endpoint::ownership(held, "prod/team/hook", status_id, |_| Ownership::OtherOwner)
}

fn desired_endpoint(spec: &Value, connection: &SvixConnectionSpec, owned: Owned<'_>) -> endpoint::Desired {
    let object = endpoint_object(spec);
    let resolved = endpoint::resolve(&object.spec, &Secrets::new(), "team").unwrap();
    endpoint::desired(&object, connection, owned, resolved).unwrap()
}

fn adoption() -> impl Strategy<Value = Adoption> {
    prop_oneof![Just(Adoption::Never), Just(Adoption::Match), Just(Adoption::Override)]
}

fn metadata(held: &endpoint::Observed) -> BTreeMap<&str, &str> {
    held.metadata.iter().map(|(key, value)| (&**key, &**value)).collect()
}

proptest! {
    #[test]
    fn carrying_out_the_plan_of_an_endpoint_ends_in_step_and_touches_nothing_else(
        spec in endpoint_spec(), before in option::of(endpoint_spec()), held in held_endpoint(),
        always in any::<bool>(), recorded in any::<bool>(), adoption in adoption(),
    ) {
        let connection = connection(always);
        // What an earlier spec named is given back.
        let earlier = before.map(|spec| desired_endpoint(&spec, &connection, Owned::default()));
        let fields = earlier.as_ref().map_or_else(Vec::new, |earlier| Field::names(&earlier.named));
        let owned = earlier.as_ref().map_or(Owned::default(), |earlier| Owned {
            fields: &fields, metadata_keys: &earlier.named_metadata, uid: None,
        });
        let desired = desired_endpoint(&spec, &connection, owned);
        let status_id = recorded.then_some("ep_1");
        let whose = ownership(&held, status_id);
        let claim = AdoptionRequest { adoption, by_id: false };
        match endpoint::plan(&desired, Some(&held), whose, claim) {
            endpoint::EndpointStep::InSync => prop_assert_eq!(whose, Ownership::Ours),
            endpoint::EndpointStep::Create => prop_assert!(false, "it is there"),
            endpoint::EndpointStep::Refuse(_) => prop_assert_ne!(whose, Ownership::Ours),
            endpoint::EndpointStep::Adopt(change, differences) => {
                prop_assert_eq!(whose, Ownership::Nobody);
                prop_assert_ne!(adoption, Adoption::Never);
                if adoption == Adoption::Match {
                    let only_metadata = endpoint::Change { metadata: change.metadata.clone(), ..endpoint::Change::default() };
                    prop_assert_eq!(&change, &only_metadata, "adoption writes the mark and nothing else");
                    prop_assert!(differences.is_empty());
                }
                let now = patched(&held, change);
                prop_assert_eq!(endpoint::plan(&desired, Some(&now), ownership(&now, status_id), claim), endpoint::EndpointStep::InSync);
            }
            endpoint::EndpointStep::Change(change, _) => {
                prop_assert_eq!(whose, Ownership::Ours);
                let now = patched(&held, change);
                prop_assert_eq!(endpoint::plan(&desired, Some(&now), ownership(&now, status_id), claim), endpoint::EndpointStep::InSync);
                // What the spec does not name, and never named, is as it was.
                let names = |field: &str| spec.get(field).is_some() || owned.fields.iter().any(|owned| owned == field);
                prop_assert!(names("description") || now.description == held.description);
                prop_assert!(names("channels") || now.channels == held.channels);
                prop_assert!(names("throttleRate") || now.throttle_rate == held.throttle_rate);
                prop_assert!(names("disabled") || now.disabled == held.disabled);
                let (was, is) = (metadata(&held), metadata(&now));
                for (key, value) in was {
                    let ours = key == OWNER_METADATA_KEY || spec["metadata"].get(key).is_some()
                        || owned.metadata_keys.iter().any(|owned| owned == key)
                        || (names("channels") && channels::is_mapping(key, value));
                    prop_assert!(ours || is.get(key) == Some(&value), "{} went", key);
                }
            }
        }
    }
}

// --- event types

prop_compose! {
    fn event_type_spec()(
        title in "[st]",
        description in option::of("[xy]?"),
        deprecated in option::of(any::<bool>()),
        group in option::of("[gh]"),
        flag in option::of("[fe]"),
    ) -> Value {
        let mut spec = json!({"schema": {"title": title}});
        let fields = [
            ("description", json!(description)), ("deprecated", json!(deprecated)), ("groupName", json!(group)),
            ("featureFlag", json!(flag)),
        ];
        for (field, value) in fields {
            if !value.is_null() {
                spec[field] = value;
            }
        }
        spec
    }
}

fn desired_event_type(spec: &Value, owned: &[String]) -> event_type::Desired {
    let object: WebhookEventType = serde_json::from_value(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
        "metadata": {"name": "a.one", "namespace": "team"}, "spec": spec,
    }))
    .unwrap();
    event_type::desired(&object, spec["schema"].clone(), Vec::new(), EventTypeNames::Grouped, owned).unwrap()
}

prop_compose! {
    fn held_event_type()(
        description in "[xy]?", archived in any::<bool>(), deprecated in any::<bool>(), title in option::of("[st]"),
        group in option::of("[gh]"), flag in option::of("[fe]"),
    ) -> event_type::Observed {
        event_type::Observed {
            name: "a.one".to_owned(), description, archived, deprecated,
            schema_digest: title.map(|title| Digest::of_json(&json!({"title": title}))),
            group_name: group, feature_flag: flag,
        }
    }
}

proptest! {
    #[test]
    fn carrying_out_the_plan_of_an_event_type_ends_in_step_and_touches_nothing_else(
        spec in event_type_spec(), before in option::of(event_type_spec()), held in held_event_type(), ours in any::<bool>(),
        adoption in adoption(),
    ) {
        let owned = before.map_or_else(Vec::new, |spec| Field::names(&desired_event_type(&spec, &[]).named));
        let desired = desired_event_type(&spec, &owned);
        let (fields, revive) = match event_type::plan(&desired, Some(&held), None, ours, adoption) {
            event_type::EventTypeStep::InSync => {
                prop_assert!(ours && !held.archived);
                return Ok(());
            }
            event_type::EventTypeStep::Adopt | event_type::EventTypeStep::Refuse(_) => {
                prop_assert!(!ours && !held.archived);
                return Ok(());
            }
            event_type::EventTypeStep::Create => return Err(TestCaseError::fail("it is there")),
            event_type::EventTypeStep::Revive(differences) => (differences, true),
            event_type::EventTypeStep::Change(differences) => (differences, false),
            event_type::EventTypeStep::Overwrite(differences) => {
                prop_assert!(!ours && adoption == Adoption::Override && !differences.is_empty());
                (differences, false)
            }
        };
        prop_assert!(ours || held.archived || adoption == Adoption::Override, "what is not ours is never changed");
        prop_assert_eq!(revive, held.archived);
        let fields: BTreeSet<Field> = fields.iter().map(|difference| difference.field).collect();
        let mut now = event_type::Observed { archived: false, ..held.clone() };
        for field in &fields {
            match *field {
                Field::Schema => now.schema_digest = Some(desired.schema_digest),
                Field::Description => now.description = desired.description.clone().unwrap(),
                Field::Deprecated => now.deprecated = desired.deprecated.unwrap(),
                Field::GroupName => now.group_name = desired.group_name.clone().unwrap(),
                Field::FeatureFlag => now.feature_flag = desired.feature_flag.clone().unwrap(),
                field => return Err(TestCaseError::fail(field.as_str())),
            }
        }
        prop_assert_eq!(event_type::plan(&desired, Some(&now), None, true, adoption), event_type::EventTypeStep::InSync);
        let names = |field: &str| spec.get(field).is_some() || owned.iter().any(|owned| owned == field);
        for field in [Field::Description, Field::Deprecated, Field::GroupName, Field::FeatureFlag] {
            prop_assert!(names(field.as_str()) || !fields.contains(&field), "{} is not ours", field);
        }
    }
}

// --- the mirror

/// What happens, in some order, while Svix is listed.
#[derive(Clone, Debug)]
enum Happens {
    /// We write an event type: Svix has it, and the mirror is told.
    Write(usize, u8),
    /// We delete one.
    Delete(usize),
    /// Somebody else writes one: the mirror is not told.
    Foreign(usize, u8),
    /// Somebody else deletes one.
    ForeignDelete(usize),
    /// The page that was read arrives, and the next one is read.
    Page,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        (0..6usize, any::<u8>()).prop_map(|(name, value)| Happens::Write(name, value)),
        (0..6usize).prop_map(Happens::Delete),
        (0..6usize, any::<u8>()).prop_map(|(name, value)| Happens::Foreign(name, value)),
        (0..6usize).prop_map(Happens::ForeignDelete),
        Just(Happens::Page),
    ]
}

fn observed(name: usize, value: u8) -> event_type::Observed {
    event_type::Observed {
        name: format!("a.{name}"),
        description: value.to_string(),
        archived: false,
        deprecated: false,
        schema_digest: None,
        group_name: None,
        feature_flag: None,
    }
}

/// One listing, two names a page, while things happen: a page is read at one moment and arrives at a later
/// one. What is left after them is read at the end.
fn list_while(mirror: &Mirror, svix: &mut BTreeMap<usize, u8>, happenings: &[Happens]) {
    let listing = mirror.begin();
    let mut next = Some(0);
    let mut under_way: Option<Vec<event_type::Observed>> = None;
    let mut turn_page = |svix: &BTreeMap<usize, u8>| {
        if let Some(page) = under_way.take() {
            mirror.list_event_types(listing, page);
        }
        let Some(from) = next else { return false };
        under_way = Some(svix.range(from..).take(2).map(|(name, value)| observed(*name, *value)).collect());
        next = svix.range(from..).nth(1).map(|(last, _)| last + 1);
        true
    };
    for happening in happenings {
        match *happening {
            Happens::Write(name, value) => {
                svix.insert(name, value);
                mirror.put_event_type(observed(name, value));
            }
            Happens::Delete(name) => {
                svix.remove(&name);
                mirror.remove_event_type(&format!("a.{name}"));
            }
            Happens::Foreign(name, value) => {
                svix.insert(name, value);
            }
            Happens::ForeignDelete(name) => {
                svix.remove(&name);
            }
            Happens::Page => {
                turn_page(svix);
            }
        }
    }
    while turn_page(svix) {}
    mirror.finish_event_types(listing);
}

fn shows(mirror: &Mirror, name: usize) -> Option<String> {
    mirror.event_type(&format!("a.{name}")).map(|found| found.description.clone())
}

proptest! {
    #[test]
    fn own_writes_are_never_lost_and_a_quiet_listing_shows_the_truth(
        start in collection::btree_map(0..6usize, any::<u8>(), 0..6),
        happenings in collection::vec(happens(), 0..20),
    ) {
        let mirror = Mirror::default();
        let mut svix = start;
        list_while(&mirror, &mut svix, &[]);
        list_while(&mirror, &mut svix, &happenings);
        // What only we touched during the listing is exactly as we left it.
        for name in 0..6 {
            let ours = happenings.iter().any(|h| matches!(h, Happens::Write(n, _) | Happens::Delete(n) if *n == name));
            let others = happenings.iter().any(|h| matches!(h, Happens::Foreign(n, _) | Happens::ForeignDelete(n) if *n == name));
            if ours && !others {
                prop_assert_eq!(shows(&mirror, name), svix.get(&name).map(ToString::to_string), "a.{}", name);
            }
        }
        // Whatever the mirror missed, the next listing shows.
        list_while(&mirror, &mut svix, &[]);
        for name in 0..6 {
            prop_assert_eq!(shows(&mirror, name), svix.get(&name).map(ToString::to_string), "a.{}", name);
        }
    }
}

// --- names

fn is_svix_name(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

proptest! {
    #[test]
    fn a_channel_becomes_one_that_svix_takes_and_two_never_become_one(a in ".{1,200}", b in ".{1,200}") {
        for encoding in [ChannelEncoding::WhenNeeded, ChannelEncoding::Always] {
            let encoded = channels::encode(&a, encoding);
            prop_assert!(is_svix_name(&encoded) && encoded.len() <= 128, "{}", encoded);
            prop_assert_eq!(&encoded, &channels::encode(&a, encoding));
            prop_assert!(a == b || encoded != channels::encode(&b, encoding));
        }
        prop_assert_eq!(channels::encode(&a, ChannelEncoding::Always), channels::uuid_of(&a));
    }

    #[test]
    fn a_default_uid_is_one_that_svix_takes_and_two_objects_never_share_one(
        owner in "[a-z0-9]([-a-z0-9_]{0,62}[a-z0-9])?",
        namespaces in ["[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"],
        names in ["[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?", "[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?"],
    ) {
        let [first, second] = [0, 1].map(|i| ids::default_uid(&owner, &namespaces[i], &names[i]));
        prop_assert!(is_svix_name(&first) && ids::is_uid(&first), "{}", first);
        let same = namespaces[0] == namespaces[1] && names[0] == names[1];
        prop_assert_eq!(first == second, same);
    }
}

// --- schemas

/// Something like a schema: the keywords that a validator knows, with values that may or may not fit them.
fn schema_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!({})),
        Just(json!(null)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!("#")),
        Just(json!("#/definitions/a")),
        Just(json!({"$ref": "#"})),
        Just(json!({"$ref": "#/definitions/a"})),
        Just(json!({"$ref": "#/allOf/0"})),
        Just(json!({"$dynamicRef": "#a"})),
        "[a-c\\[\\](){}*+?\\\\0-9]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let keyword = prop_oneof![
            Just("properties"), Just("patternProperties"), Just("additionalProperties"), Just("items"),
            Just("allOf"), Just("anyOf"), Just("oneOf"), Just("not"), Just("if"), Just("then"), Just("else"),
            Just("definitions"), Just("$defs"), Just("$ref"), Just("$id"), Just("$schema"), Just("$anchor"),
            Just("$dynamicRef"), Just("$dynamicAnchor"), Just("$recursiveRef"), Just("required"), Just("enum"),
            Just("const"), Just("type"), Just("format"), Just("pattern"), Just("minLength"), Just("multipleOf"),
            Just("uniqueItems"), Just("contains"), Just("propertyNames"), Just("dependencies"),
            Just("dependentSchemas"), Just("prefixItems"), Just("unevaluatedProperties"), Just("a"), Just("b"),
        ];
        prop_oneof![
            4 => collection::btree_map(keyword.prop_map(str::to_owned), inner.clone(), 0..4).prop_map(|map| json!(map)),
            1 => collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

fn payload_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            collection::btree_map("[ab/~\u{1}]{1,2}", inner.clone(), 0..4).prop_map(|map| json!(map)),
            collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_the_schema_and_the_payload_the_answer_is_short_and_its_pointers_lead_somewhere(
        schema in schema_like(), payload in payload_like(), formats in any::<bool>(),
    ) {
        match Compiled::new(&schema, formats) {
            Err(error) => prop_assert!(error.to_string().len() < 2000, "{}", error),
            Ok(compiled) => {
                let (violations, _) = compiled.violations(&payload);
                prop_assert!(violations.len() <= 10);
                for violation in violations {
                    prop_assert!(violation.message.len() < 1000, "{}", violation);
                    prop_assert!(payload.pointer(&violation.pointer).is_some(), "{}", violation);
                }
            }
        }
    }
}
