//! The plan of event types.

use std::borrow::Cow;

use super::*;

prop_compose! {
    pub(super) fn event_type_spec()(
        title in "[st]",
        description in option::of("[xy]?"),
        deprecated in option::of(any::<bool>()),
        group in option::of("[gh]"),
        flags in option::of(collection::btree_set("[fe]", 1..3)), is_list in any::<bool>(),
    ) -> Value {
        let flag = flags.iter().flatten().next().filter(|_| !is_list);
        let mut spec = json!({"schema": {"title": title}});
        let fields = [
            ("description", json!(description)), ("deprecated", json!(deprecated)), ("groupName", json!(group)),
            ("featureFlag", json!(flag)), ("featureFlags", json!(flags.as_ref().filter(|_| is_list))),
        ];
        for (field, value) in fields {
            if !value.is_null() {
                spec[field] = value;
            }
        }
        spec
    }
}

fn desired_event_type(spec: &Value, owned: &[Cow<'static, str>]) -> event_type::Desired {
    let object: WebhookEventType = serde_json::from_value(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
        "metadata": {"name": "a.one", "namespace": "team"}, "spec": spec,
    }))
    .unwrap();
    event_type::desired(&object, Some(spec["schema"].clone()), Vec::new(), EventTypeNames::Grouped, owned)
        .unwrap()
}

prop_compose! {
    fn held_event_type()(
        description in "[xy]?", archived in any::<bool>(), deprecated in any::<bool>(), title in option::of("[st]"),
        group in option::of("[gh]"), feature_flags in collection::btree_set("[fe]", 0..3),
    ) -> event_type::Observed {
        event_type::Observed {
            name: "a.one".to_owned(), description, archived, deprecated,
            schema_digest: title.map(|title| Digest::of_json(&json!({"title": title}))),
            group_name: group, feature_flags,
        }
    }
}

proptest! {
    #[test]
    fn an_event_type_plan_converges_and_changes_nothing_else(
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
        // A revival is a creation: what the spec does not name is Svix's default.
        let written = if revive { desired.clone().with_defaults() } else { desired.clone() };
        for field in &fields {
            match *field {
                Field::Schema => now.schema_digest = desired.schema.as_ref().map(|schema| schema.digest),
                Field::Description => now.description = written.description.clone().unwrap(),
                Field::Deprecated => now.deprecated = written.deprecated.unwrap(),
                Field::GroupName => now.group_name = written.group_name.clone().unwrap(),
                Field::FeatureFlag | Field::FeatureFlags => now.feature_flags = written.feature_flags.clone().unwrap(),
                field => return Err(TestCaseError::fail(field.as_str())),
            }
        }
        prop_assert_eq!(event_type::plan(&desired, Some(&now), None, true, adoption), event_type::EventTypeStep::InSync);
        let names = |field: &str| spec.get(field).is_some() || owned.iter().any(|owned| owned == field);
        for field in [Field::Description, Field::Deprecated, Field::GroupName, Field::FeatureFlag, Field::FeatureFlags] {
            let is_ours = names(field.as_str()) || revive;
            prop_assert!(is_ours || !fields.contains(&field), "{} is not ours", field);
        }
    }
}
