//! Tests of the mirror.

use super::*;

fn event_type(name: &str, description: &str) -> event_type::Observed {
    event_type::Observed {
        name: name.into(),
        description: description.into(),
        archived: false,
        deprecated: false,
        schema_digest: None,
        group_name: None,
        feature_flags: std::collections::BTreeSet::new(),
    }
}

fn endpoint(id: &str, uid: &str, description: &str) -> endpoint::Observed {
    endpoint::Observed {
        id: id.into(),
        uid: Some(uid.into()),
        url: "https://a.example/".into(),
        description: description.into(),
        event_types: None,
        channels: None,
        throttle_rate: None,
        disabled: false,
        metadata: Box::default(),
        updated_at: 0,
    }
}

fn changed(id: &str, uid: &str) -> Changed {
    Changed::Endpoint { application: "app".into(), id: id.into(), uid: Some(uid.into()) }
}

#[test]
fn a_listing_answers_only_what_differs_from_the_one_before() {
    let mirror = Mirror::default();
    let first = mirror.begin();
    assert_eq!(mirror.list_event_types(first, vec![event_type("a.b", "1"), event_type("c.d", "1")]).len(), 2);
    assert_eq!(mirror.finish_event_types(first), []);
    let second = mirror.begin();
    let page = vec![event_type("a.b", "1"), event_type("c.d", "2")];
    assert_eq!(mirror.list_event_types(second, page), [Changed::EventType("c.d".into())]);
    assert_eq!(mirror.finish_event_types(second), []);
    let third = mirror.begin();
    assert_eq!(mirror.list_event_types(third, vec![event_type("c.d", "2")]), []);
    assert_eq!(mirror.finish_event_types(third), [Changed::EventType("a.b".into())]);
    assert!(mirror.event_type("a.b").is_none());
}

#[test]
fn writes_during_a_listing_keep_their_value() {
    let mirror = Mirror::default();
    mirror.put_endpoint("app", endpoint("ep_old", "u.old", "before"));
    let listing = mirror.begin();
    mirror.put_endpoint("app", endpoint("ep_old", "u.old", "written"));
    mirror.put_endpoint("app", endpoint("ep_new", "u.new", "made"));
    mirror.put_endpoint("app", endpoint("ep_gone", "u.gone", "x"));
    mirror.remove_endpoint("app", "ep_gone");
    // The listing was read before all that.
    let page = vec![endpoint("ep_old", "u.old", "stale"), endpoint("ep_gone", "u.gone", "stale")];
    assert_eq!(mirror.list_endpoints(listing, "app", page), []);
    assert_eq!(mirror.finish_endpoints(listing, "app", true), []);
    let describe = |id| mirror.endpoint("app", Some(id), "").map(|e| e.description.to_string());
    assert_eq!(describe("ep_old").as_deref(), Some("written"));
    assert_eq!(describe("ep_new").as_deref(), Some("made"));
    assert_eq!(describe("ep_gone"), None);
}

#[test]
fn a_later_listing_overrides_what_was_written_before_it() {
    let mirror = Mirror::default();
    mirror.put_endpoint("app", endpoint("ep_1", "u", "ours"));
    mirror.put_endpoint("app", endpoint("ep_2", "v", "ours"));
    let listing = mirror.begin();
    assert_eq!(
        mirror.list_endpoints(listing, "app", vec![endpoint("ep_1", "u", "drifted")]),
        [changed("ep_1", "u")]
    );
    assert_eq!(mirror.finish_endpoints(listing, "app", true), [changed("ep_2", "v")]);
    assert!(mirror.endpoint("app", None, "v").is_none());
}

#[test]
fn a_deletion_outlives_a_listing_that_began_before() {
    let mirror = Mirror::default();
    mirror.put_endpoint("app", endpoint("ep_1", "u", "x"));
    mirror.remove_endpoint("app", "ep_1");
    let listing = mirror.begin();
    assert_eq!(mirror.finish_endpoints(listing, "app", true), []);
    assert_eq!(mirror.lock().applications["app"].endpoints.entries.len(), 0);
}

#[test]
fn a_uid_changed_by_hand_concerns_the_old_and_the_new_one() {
    let mirror = Mirror::default();
    mirror.put_endpoint("app", endpoint("ep_1", "old", "x"));
    let listing = mirror.begin();
    let found = mirror.list_endpoints(listing, "app", vec![endpoint("ep_1", "new", "x")]);
    assert_eq!(found, [changed("ep_1", "old"), changed("ep_1", "new")]);
    assert!(mirror.endpoint("app", None, "old").is_none());
    assert!(mirror.endpoint("app", None, "new").is_some());
    assert!(mirror.endpoint("app", Some("ep_1"), "old").is_some());
}

#[test]
fn an_application_made_during_a_listing_is_there() {
    let mirror = Mirror::default();
    let listing = mirror.begin();
    mirror.put_endpoint("app", endpoint("ep_1", "u", "x"));
    assert_eq!(mirror.finish_endpoints(listing, "app", false), []);
    assert!(mirror.application_present("app"));
}
