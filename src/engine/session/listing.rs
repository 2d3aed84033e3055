//! Listing Svix into the mirror of a session.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::svix::{Changed, Class, Error};

use super::{super::backoff::Backoff, Session};

/// How many applications are listed at once.
const LISTED_AT_ONCE: usize = 4;
/// How often one page of a listing is requested before the listing has failed.
const PAGE_TRIES: u32 = 5;
/// How long to wait between two requests for one page.
const PAGE_RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// What is done with what a listing finds.
pub trait OnListed: Sync {
    /// These differ from what was known. Called for each page, as soon as it is read.
    fn changed(&self, changes: &[Changed]);

    /// This application exists.
    fn application_present(&self, application: Box<str>);
}

/// Lists the event types, and the endpoints of these applications. The mirror forgets all other applications.
pub async fn list(
    session: &Session,
    applications: BTreeSet<Box<str>>,
    on_listed: &impl OnListed,
) -> Result<(), Error> {
    for application in session.mirror.applications() {
        if !applications.contains(&application) {
            session.mirror.forget_application(&application);
        }
    }
    let endpoints = async {
        let mut listings = stream::iter(applications)
            .map(|application| list_locked(session, application, on_listed))
            .buffer_unordered(LISTED_AT_ONCE);
        while let Some(listed) = listings.next().await {
            listed?;
        }
        Ok(())
    };
    tokio::try_join!(list_event_types(session, on_listed), endpoints).map(drop)
}

async fn list_event_types(session: &Session, on_listed: &impl OnListed) -> Result<(), Error> {
    let listing = session.mirror.begin();
    let mut from: Option<String> = None;
    loop {
        let page = with_retries(|| session.client.list_event_types(from.as_deref())).await?;
        on_listed.changed(&session.mirror.list_event_types(listing, page.items));
        from = page.next;
        if from.is_none() {
            on_listed.changed(&session.mirror.finish_event_types(listing));
            return Ok(());
        }
    }
}

async fn list_locked(
    session: &Session,
    application: Box<str>,
    on_listed: &impl OnListed,
) -> Result<(), Error> {
    let mut lock = session.lock_application(&application).await;
    let began = Instant::now();
    let changes = list_application(session, &application).await?;
    *lock = Some(began);
    drop(lock);
    on_listed.changed(&changes);
    if session.mirror.application_present(&application) {
        on_listed.application_present(application);
    }
    Ok(())
}

/// Lists an application's endpoints, and returns what changed. The caller has the application's lock.
pub(super) async fn list_application(session: &Session, application: &str) -> Result<Vec<Changed>, Error> {
    let listing = session.mirror.begin();
    let mut from: Option<String> = None;
    let mut changed = Vec::new();
    loop {
        let page = with_retries(|| session.client.list_endpoints(application, from.as_deref())).await?;
        let Some(page) = page else {
            changed.extend(session.mirror.finish_endpoints(listing, application, false));
            return Ok(changed);
        };
        changed.extend(session.mirror.list_endpoints(listing, application, page.items));
        from = page.next;
        if from.is_none() {
            changed.extend(session.mirror.finish_endpoints(listing, application, true));
            return Ok(changed);
        }
    }
}

/// Requests one page a few times: at ten thousand objects a listing has forty of them, and one that fails should not
/// cost the others.
async fn with_retries<T, F: Future<Output = Result<T, Error>>>(call: impl Fn() -> F) -> Result<T, Error> {
    let mut backoff = PAGE_RETRY;
    let mut tries = 1;
    loop {
        match call().await {
            Err(error)
                if tries < PAGE_TRIES && matches!(error.class(), Class::Transient | Class::Throttled) =>
            {
                tokio::time::sleep(backoff.next()).await;
                tries += 1;
            }
            result => return result,
        }
    }
}
