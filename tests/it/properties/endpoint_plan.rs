//! The plan of endpoints.

use super::*;

prop_compose! {
    /// The spec of an endpoint: few values, so that what is declared and what is held often agree.
    pub(super) fn endpoint_spec()(
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

fn metadata(held: &endpoint::Observed) -> BTreeMap<&str, &str> {
    held.metadata.iter().map(|(key, value)| (&**key, &**value)).collect()
}

proptest! {
    #[test]
    fn an_endpoint_plan_converges_and_changes_nothing_else(
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
                // Channels that the spec does not name are declared to be none.
                prop_assert!(names("channels") || now.channels.is_none());
                prop_assert!(names("throttleRate") || now.throttle_rate == held.throttle_rate);
                prop_assert!(names("disabled") || now.disabled == held.disabled);
                let (was, is) = (metadata(&held), metadata(&now));
                for (key, value) in was {
                    let ours = key == OWNER_METADATA_KEY || spec["metadata"].get(key).is_some()
                        || owned.metadata_keys.iter().any(|owned| owned == key)
                        || channels::is_mapping(key, value);
                    prop_assert!(ours || is.get(key) == Some(&value), "{} went", key);
                }
            }
        }
    }
}
