//! Fields that the server ignores.

use crate::{
    api::Reason,
    engine::testing::{Fixture, event_type},
    plan::status::ReadyState,
};

use super::*;

#[test]
fn without_ignored_fields_it_is_in_sync() {
    let (fixture, object) = (Fixture::new(), event_type("a.one").object());

    let outcome = in_sync_except(&fixture.ctx, &object, Vec::new(), Unapplied::default(), RemoteRef::None);

    assert_eq!(outcome.ready.reason(), Reason::InSync);
    assert_eq!(known(&fixture.ctx, &object), []);
}

#[test]
fn ignored_fields_are_named_once_and_recorded() {
    let (fixture, object) = (Fixture::new(), event_type("a.one").object());
    let ignored = vec![Field::GroupName, Field::Deprecated, Field::GroupName];

    let outcome = in_sync_except(&fixture.ctx, &object, ignored, Unapplied::default(), RemoteRef::None);

    assert!(matches!(outcome.ready, ReadyState::Stalled(_)), "{:?}", outcome.ready);
    assert_eq!(outcome.ready.reason(), Reason::FieldsIgnored);
    assert_eq!(outcome.ready.message().matches("groupName").count(), 1, "{}", outcome.ready.message());
    assert_eq!(outcome.remote, Some(RemoteRef::None));
}

#[test]
fn ignored_fields_are_known_until_the_spec_changes() {
    let (fixture, object) = (Fixture::new(), event_type("a.one").object());
    let _ =
        in_sync_except(&fixture.ctx, &object, vec![Field::GroupName], Unapplied::default(), RemoteRef::None);

    let changed = event_type("a.one").of_generation(2).object();

    assert_eq!(known(&fixture.ctx, &object), [Field::GroupName]);
    assert_eq!(known(&fixture.ctx, &changed), []);
}
