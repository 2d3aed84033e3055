//! An application that may have to be created.
#![allow(clippy::unwrap_used)]

use serde_json::json;

use crate::engine::testing::{Fixture, Manifest, connection, endpoint};

use super::*;

fn hook() -> Manifest {
    endpoint("hook")
}

async fn ensured(fixture: &Fixture) -> Result<(), Error> {
    let connection = fixture.ctx.registry.connection("default").unwrap();
    let object = fixture.stored(&hook().key());
    ensure_application(&fixture.ctx, &object, &connection, &fixture.session(), "default").await
}

#[tokio::test]
async fn an_application_that_exists_costs_no_call() {
    let fixture = Fixture::new().with(connection()).with(hook()).with_svix().await;
    fixture.by_hand("POST", "/app", json!({"name": "default", "uid": "default"})).await;
    fixture.connect("default").await;
    fixture.svix().clear_calls();

    ensured(&fixture).await.unwrap();

    assert_eq!(fixture.svix().calls(), []);
}

#[tokio::test]
async fn an_application_that_is_missing_is_created_once() {
    let fixture = Fixture::new().with(connection()).with(hook()).connected().await;

    for _ in 0..2 {
        ensured(&fixture).await.unwrap();
    }

    assert_eq!(fixture.writes(), ["application.create"]);
    assert_eq!(fixture.events(&hook().key()), ["ApplicationCreated"]);
}

#[tokio::test]
async fn two_that_need_it_at_once_create_it_once() {
    let fixture = Fixture::new().with(connection()).with(hook()).connected().await;

    let (first, second) = tokio::join!(ensured(&fixture), ensured(&fixture));

    assert!(first.is_ok() && second.is_ok());
    assert_eq!(fixture.writes(), ["application.create"]);
}

#[tokio::test]
async fn one_that_may_not_be_created_is_waited_for() {
    let never = connection().with("createApplications", "Never");
    let fixture = Fixture::new().with(never).with(hook()).connected().await;

    let error = ensured(&fixture).await.unwrap_err();

    let Error::Stalled(error, _) = error else { unreachable!("{error:?}") };
    assert_eq!((error.reason, fixture.writes()), (Reason::ApplicationNotFound, Vec::new()));
    let waiters = fixture.ctx.waiters.release("default", &Awaited::Application("default".into()));
    assert_eq!(waiters, [hook().key()].into());
}
