//! Objects that declare the same, and somebody who changes Svix.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use crate::{
    api::RECONCILE_AT_ANNOTATION,
    engine::testing::{Fixture, Manifest, connection, event_type},
    plan::{Field, status::ReadyState},
};

use super::*;

/// An object that declares event type `a.one`, too, and was created later.
fn other(name: &str) -> Manifest {
    event_type(name)
        .with("name", "a.one")
        .changed(|it| it["metadata"]["creationTimestamp"] = "2026-02-01T00:00:00Z".into())
}

fn drifted() -> Vec<Difference> {
    let (found, expected) = ("\"theirs\"".to_owned(), "\"mine\"".to_owned());
    vec![Difference { field: Field::Description, found, expected }]
}

fn settled() -> Manifest {
    event_type("a.one").with_ready(true, "InSync", "Svix holds what is declared")
}

#[test]
fn the_older_object_owns_what_two_declare() {
    let fixture = Fixture::new().with(connection()).with(event_type("a.one")).with(other("later"));
    let owns = |manifest: Manifest| {
        require_ownership(&fixture.ctx, &fixture.stored(&manifest.key()), || "event type a.one".to_owned())
    };

    let first = owns(event_type("a.one"));
    let second = owns(other("later")).unwrap_err();

    assert_eq!((first, second.reason), (Ok(()), Reason::Conflict));
    assert!(second.message.contains("belongs to WebhookEventType/default/a.one"), "{second}");
}

#[test]
fn an_owner_alone_says_nothing_of_others() {
    let fixture = Fixture::new().with(connection()).with(event_type("a.one"));
    let mut message = Cow::Borrowed("in sync");

    name_other_declarers(&fixture.ctx, &fixture.stored(&event_type("a.one").key()), &mut message);

    assert_eq!(message, "in sync");
}

#[test]
fn others_are_named_and_published_once() {
    let fixture = Fixture::new().with(connection()).with(event_type("a.one")).with(other("later"));
    let object = fixture.stored(&event_type("a.one").key());
    let mut messages = [Cow::Borrowed("in sync"), Cow::Borrowed("in sync")];

    for message in &mut messages {
        name_other_declarers(&fixture.ctx, &object, message);
    }

    let expected = "in sync; WebhookEventType/default/later declares it, too, and waits";
    assert_eq!(messages, [expected, expected]);
    assert_eq!(fixture.events(&object.key()), ["Contested"]);
}

#[test]
fn an_invalid_object_owns_nothing_and_is_not_named() {
    // The older one has no valid name, or status says that its schema is invalid.
    let older = |manifest: Manifest| {
        manifest.changed(|it| it["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z".into())
    };
    for invalid in [
        older(other("bad")).with("schemaText", "{}").with("schema", serde_json::json!({})),
        older(other("bad")).with_ready(false, "InvalidSchema", "not a schema"),
        older(other("bad")).with_ready(false, "InvalidSpec", "no name"),
    ] {
        let fixture = Fixture::new().with(connection()).with(event_type("a.one")).with(invalid);
        let object = fixture.stored(&event_type("a.one").key());
        let mut message = Cow::Borrowed("in sync");

        let owns = require_ownership(&fixture.ctx, &object, || "event type a.one".to_owned());
        name_other_declarers(&fixture.ctx, &object, &mut message);

        assert_eq!((owns, &*message), (Ok(()), "in sync"));
        assert!(fixture.events(&object.key()).is_empty());
    }
}

#[test]
fn of_many_others_three_are_named() {
    let many = ["b", "c", "d", "e", "f"].map(other);
    let fixture = many.into_iter().fold(Fixture::new().with(event_type("a.one")), Fixture::with);
    let mut message = Cow::Borrowed("");

    name_other_declarers(&fixture.ctx, &fixture.stored(&event_type("a.one").key()), &mut message);

    assert!(message.ends_with("default/d and 2 more declare it, too, and wait"), "{message}");
}

#[test]
fn the_same_drift_is_repaired_five_times() {
    let fixture = Fixture::new().with(settled());
    let object = fixture.stored(&settled().key());
    for _ in 0..MOST_REPAIRS {
        admit_repair(&fixture.ctx, &object, &drifted()).unwrap();
    }

    let error = admit_repair(&fixture.ctx, &object, &drifted()).unwrap_err();

    let Error::Report(outcome) = error else { unreachable!("{error:?}") };
    assert!(matches!(&outcome.ready, ReadyState::Stalled(cause) if cause.reason == Reason::Contested));
    assert!(matches!(outcome.next, Next::Later(_)), "{:?}", outcome.next);
}

#[test]
fn a_change_of_the_spec_is_no_drift() {
    let fixture = Fixture::new().with(settled().of_generation(2));
    let object = fixture.stored(&settled().key());

    for _ in 0..=MOST_REPAIRS {
        admit_repair(&fixture.ctx, &object, &drifted()).unwrap();
    }
}

#[test]
fn who_asks_for_a_reconcile_has_drift_repaired_again() {
    let fixture = Fixture::new().with(settled());
    let object = fixture.stored(&settled().key());
    for _ in 0..MOST_REPAIRS {
        admit_repair(&fixture.ctx, &object, &drifted()).unwrap();
    }

    let asked = settled().annotated(RECONCILE_AT_ANNOTATION, "now").object();
    let admitted = admit_repair(&fixture.ctx, &asked, &drifted());

    assert!(admitted.is_ok(), "{admitted:?}");
}
