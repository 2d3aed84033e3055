//! Carrying out the plan for an endpoint, until Svix holds what its lists show.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use crate::{
    api::{ADOPT_ID_ANNOTATION, Adoption, CreateApplications, Reason, SvixConnection},
    engine::{
        Awaited, Engine, EventReason, EventRecord, Host, Object,
        connection::Live,
        event_type::unsteady,
        reconcile::{Failed, Outcome},
        registry::SvixResource,
    },
    plan::{
        Difference, ReconcileError, describe,
        endpoint::{self, Change, Desired, Observed, Ownership, Step},
        suggest,
    },
    svix::{Class, Error, ErrorKind},
};

use super::{Done, Held, Stand, keep_uid};

/// More turns than any sequence of surprises takes; then the object is looked at anew.
const MAX_TURNS: usize = 8;

/// One endpoint while its plan is carried out.
struct Carrying<'a> {
    object: Object,
    connection: &'a SvixConnection,
    live: &'a Live,
    stand: Stand<'a>,
    /// What is to be there.
    wanted: Desired,
    /// What is there.
    seen: Option<Observed>,
    /// Whether `seen` was read for this look: what the mirror says may be old.
    fresh: bool,
    /// Of one that this look made.
    made: Option<Held>,
}

impl<S: Host> Engine<S> {
    /// Does what the plan says until Svix holds what is wanted. Answers that, too, as it turned out to be.
    pub(super) async fn carry_out_endpoint(
        &self,
        object: &Object,
        connection: &SvixConnection,
        live: &Live,
        wanted: Desired,
        stand: Stand<'_>,
    ) -> Result<(Done, Desired), Failed> {
        let Object::Endpoint(endpoint) = object else {
            return Err(Failed::Svix(unsteady("endpoint")));
        };
        let seen = live.mirror.endpoint(&wanted.application, stand.id(), &wanted.uid);
        let mut work = Carrying {
            object: object.clone(),
            connection,
            live,
            stand,
            seen: seen.map(|observed| (*observed).clone()),
            fresh: false,
            made: None,
            wanted,
        };
        for _ in 0..MAX_TURNS {
            work.wanted = keep_uid(work.wanted, endpoint, work.seen.as_ref(), stand);
            let (wanted, seen) = (&work.wanted, work.seen.as_ref());
            let ownership = self.ownership_of(seen, wanted, stand);
            let step = endpoint::plan(wanted, seen, ownership, stand.claim(seen));
            let uncertain = matches!(step, Step::Adopt(..) | Step::Change(..) | Step::Refuse(_));
            if let (false, Some(observed), true) = (work.fresh, seen, uncertain || stand.forced) {
                work.seen = self.read_endpoint(live, &wanted.application, &observed.id, &wanted.uid).await?;
                work.fresh = true;
                continue;
            }
            let done = match step {
                Step::InSync => {
                    self.claim(&work.object, None).await?;
                    let as_it_is = work.seen.take().map(Held::as_it_is);
                    work.made.take().or(as_it_is).map(|held| Done::Held(Box::new(held)))
                }
                Step::Refuse(refusal) => Some(Done::stalled(refusal)),
                Step::Create => self.create_endpoint(&mut work).await?,
                Step::Adopt(change, differences) | Step::Change(change, differences) => {
                    self.change_endpoint(&mut work, &change, &differences, ownership).await?
                }
            };
            if let Some(done) = done {
                return Ok((done, work.wanted));
            }
        }
        Err(Failed::Svix(unsteady("endpoint")))
    }

    /// Makes an endpoint. `None`: something came in between, or more is to be done; what was seen says what.
    async fn create_endpoint(&self, work: &mut Carrying<'_>) -> Result<Option<Done>, Failed> {
        let Carrying { connection, live, stand, .. } = *work;
        let application = work.wanted.application.clone();
        if let Some(id) = stand.adopt_id.filter(|_| stand.held_id.is_none()) {
            if !work.fresh {
                // It may have been made since the last listing.
                work.seen = self.read_endpoint(live, &application, id, &work.wanted.uid).await?;
                work.fresh = true;
                if work.seen.is_some() {
                    return Ok(None);
                }
            }
            let message = format!(
                "/metadata/annotations: {ADOPT_ID_ANNOTATION} names endpoint {id}, which is not in application \
                 {application}; correct it, or take the annotation away"
            );
            return Ok(Some(Done::stalled(ReconcileError::new(Reason::InvalidSpec, message))));
        }
        if let Some(outcome) = self.await_event_types(&work.object, live, &work.wanted.event_types) {
            return Ok(Some(Done::Not(outcome.into())));
        }
        if let Some(outcome) = self.ensure_application(&work.object, connection, live, &application).await? {
            return Ok(Some(Done::Not(outcome.into())));
        }
        work.object = self.claim(&work.object, None).await?;
        let (object, wanted) = (&work.object, &work.wanted);
        let asked = Instant::now();
        // A key that was handed out stays: nobody who has it need notice that the endpoint is another.
        let key = wanted.signing_key.as_ref().or(stand.key).cloned();
        match live.client.create_endpoint(&Desired { signing_key: key.clone(), ..wanted.clone() }).await {
            Ok(answer) => {
                if stand.held_id.is_some() && key.is_none() {
                    self.tell_new_key(object, &answer.id);
                }
                if self.is_drift(object) {
                    self.mended(object, format!("endpoint {} was gone from Svix; made again", wanted.uid));
                } else {
                    let message = format!("endpoint {} in application {application}", answer.id);
                    self.did(object, EventReason::Created, message);
                }
                let wrote_key = wanted.signing_key.is_some();
                match self.took_endpoint(live, wanted, answer, true).await? {
                    // It is enabled once its headers are there.
                    Done::Held(held) if held.observed.is_preparing() => {
                        work.seen = Some(held.observed.clone());
                        work.fresh = true;
                        work.made = Some(Held { wrote_key, ..*held });
                        Ok(None)
                    }
                    Done::Held(held) => Ok(Some(Done::Held(Box::new(Held { wrote_key, ..*held })))),
                    not => Ok(Some(not)),
                }
            }
            // Somebody was faster, or it was us before a lost answer: the mark tells.
            Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
                work.seen = self.read_endpoint(live, &application, &wanted.uid, &wanted.uid).await?;
                work.fresh = true;
                Ok(None)
            }
            // The application went since it was listed.
            Err(error) if error.kind == ErrorKind::NotFound => {
                let name = object.connection_name();
                self.ensure_listed_since(name, live, &application, asked, Duration::ZERO).await?;
                Ok(None)
            }
            Err(error) => self.refused_endpoint(object, live, wanted, error).await.map(Some),
        }
    }

    /// Tells that an endpoint was made again and signs with a key that nobody has yet.
    fn tell_new_key(&self, object: &Object, id: &str) {
        let message = format!(
            "endpoint {id} was made again and signs with a new key, since no Secret holds the one before; receivers refuse \
             what it sends until they have the new one. With spec.signingSecret.toSecret the key is kept"
        );
        let reason = EventReason::SigningKeyChanged.as_str();
        tracing::warn!(object = %object.key(), action = reason, "{message}");
        self.host.publish_event(object, EventRecord { warning: true, reason, message });
    }

    /// Changes an endpoint, and takes it over where it is not ours. `None`: it is not there any more.
    async fn change_endpoint(
        &self,
        work: &mut Carrying<'_>,
        change: &Change,
        differences: &[Difference],
        ownership: Ownership,
    ) -> Result<Option<Done>, Failed> {
        let Carrying { live, stand, .. } = *work;
        let Some(observed) = work.seen.clone() else { return Ok(None) };
        let application = work.wanted.application.clone();
        if change.event_types.is_some()
            && let Some(outcome) = self.await_event_types(&work.object, live, &work.wanted.event_types)
        {
            return Ok(Some(Done::Not(outcome.into())));
        }
        if ownership == Ownership::Ours
            && !differences.is_empty()
            && let Err(outcome) = self.may_mend(&work.object, differences)
        {
            return Ok(Some(Done::Not(outcome)));
        }
        // What lists do not show must be equal, too, before it is taken.
        if ownership != Ownership::Ours && stand.adoption != Adoption::Override {
            let unlisted = self.differences_unlisted(live, &work.wanted, &observed).await?;
            if !unlisted.is_empty() {
                return Ok(Some(Done::stalled(endpoint::refuse_adoption(
                    &work.wanted,
                    &observed,
                    &unlisted,
                ))));
            }
        }
        work.object = self.claim(&work.object, None).await?;
        let (object, wanted) = (&work.object, &work.wanted);
        // Nothing is sent without its headers.
        let mut wrote_headers = false;
        if let (true, Some(headers)) = (observed.is_preparing(), &wanted.headers) {
            live.client.put_headers(&application, &observed.id, headers).await?;
            wrote_headers = true;
        }
        let withheld_headers = !observed.is_preparing()
            && endpoint::goes_to_another_host(change, &observed)
            && self.withhold_headers(object, live, wanted, &observed).await?;
        match live.client.patch_endpoint(&application, &observed.id, change).await {
            Ok(now) => {
                if !observed.is_preparing() {
                    self.tell_endpoint_changed(object, &observed, differences, ownership);
                }
                let wrote_key = work.made.as_ref().is_some_and(|made| made.wrote_key);
                Ok(Some(match self.took_endpoint(live, wanted, now, false).await? {
                    // What was there before this look is what `updatedAt` is compared with.
                    Done::Held(held) => Done::Held(Box::new(Held {
                        before: observed.updated_at,
                        wrote_headers,
                        wrote_key,
                        withheld_headers,
                        ..*held
                    })),
                    not => not,
                }))
            }
            // Deleted since it was read.
            Err(error) if error.kind == ErrorKind::NotFound => {
                live.mirror.remove_endpoint(&application, &observed.id);
                live.doubt();
                (work.seen, work.made) = (None, None);
                Ok(None)
            }
            // Its uid goes back to one that somebody else took meanwhile.
            Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
                let message = format!("uid {} is taken in application {application}", wanted.uid);
                Ok(Some(Done::stalled(ReconcileError::new(Reason::NotOurs, message))))
            }
            Err(error) => self.refused_endpoint(object, live, wanted, error).await.map(Some),
        }
    }

    /// Reads an endpoint anew, by id and, when that is gone, by uid.
    pub(super) async fn read_endpoint(
        &self,
        live: &Live,
        application: &str,
        id: &str,
        uid: &str,
    ) -> Result<Option<Observed>, Failed> {
        let mut found = live.client.get_endpoint(application, id).await?;
        if found.is_none() {
            // It may not be the only one that is gone.
            if live.mirror.endpoint(application, Some(id), uid).is_some() {
                live.doubt();
            }
            live.mirror.remove_endpoint(application, id);
            if id != uid {
                found = live.client.get_endpoint(application, uid).await?;
            }
        }
        if let Some(found) = &found {
            live.mirror.put_endpoint(application, found.clone());
        }
        Ok(found)
    }

    /// Takes in Svix's answer to a write.
    async fn took_endpoint(
        &self,
        live: &Live,
        wanted: &Desired,
        answer: Observed,
        made: bool,
    ) -> Result<Done, Failed> {
        let application = wanted.application.as_str();
        let (_, differences) = endpoint::change(wanted, &answer);
        if made && differences.iter().any(|difference| difference.field == "eventTypes") {
            // A server before 1.99 drops the field and makes an endpoint that receives everything. That must not
            // stay.
            live.client.delete_endpoint(application, &answer.id).await?;
            live.mirror.remove_endpoint(application, &answer.id);
            let message = "this Svix server does not know eventTypes (it is older than 1.99), so the endpoint would \
                           receive every event; it was removed again. Use a newer server";
            return Ok(Done::stalled(ReconcileError::new(Reason::FieldsIgnored, message)));
        }
        live.mirror.put_endpoint(application, answer.clone());
        let ignored = differences.into_iter().map(|difference| difference.field).collect();
        Ok(Done::Held(Box::new(Held { ignored, ..Held::as_it_is(answer) })))
    }

    /// What follows when Svix refuses an endpoint: perhaps one of its event types went meanwhile.
    async fn refused_endpoint(
        &self,
        object: &Object,
        live: &Live,
        wanted: &Desired,
        error: Error,
    ) -> Result<Done, Failed> {
        if error.class() != Class::Terminal || !error.to_string().contains("event types don't exist") {
            return Err(error.into());
        }
        for name in &wanted.event_types {
            match live.client.get_event_type(name).await? {
                Some(document) => live.mirror.put_event_type(document.observed),
                None => live.mirror.remove_event_type(name),
            }
        }
        match self.await_event_types(object, live, &wanted.event_types) {
            Some(outcome) => {
                // Whoever declares it does not know yet that it is gone.
                for name in wanted.event_types.iter().filter(|name| !live.mirror.event_type_live(name)) {
                    let thing = SvixResource::EventType(name.as_str().into());
                    self.wake_all(self.registry.claimants(object.connection_name(), &thing));
                }
                Ok(Done::Not(outcome.into()))
            }
            None => Err(error.into()),
        }
    }

    /// Waits for the event types that are not in Svix, if any.
    fn await_event_types(
        &self,
        object: &Object,
        live: &Live,
        event_types: &BTreeSet<String>,
    ) -> Option<Outcome> {
        let key = object.key();
        let missing = |name: &&String| !live.mirror.event_type_live(name);
        // Waiting is noted before the look that decides: what comes in between wakes the object.
        for name in event_types.iter().filter(missing) {
            self.wait_for(object.connection_name(), Awaited::EventType(name.as_str().into()), &key);
        }
        let missing: Vec<_> = event_types.iter().filter(missing).collect();
        if missing.is_empty() {
            return None;
        }
        let more = missing.len().saturating_sub(5);
        let names = missing.iter().take(5).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let declared = missing.iter().find_map(|name| {
            let thing = SvixResource::EventType(name.as_str().into());
            self.registry.claimants(object.connection_name(), &thing).into_iter().next()
        });
        let advice = match declared {
            Some(key) => format!("{key} declares it, and says in its status why it is not there"),
            None => {
                let known = self.registry.event_types(object.connection_name());
                let near = missing.iter().find_map(|name| {
                    suggest::closest(name, known.iter().map(AsRef::as_ref))
                        .map(|meant| (name.as_str(), meant))
                });
                match near {
                    Some((_, meant)) if missing.len() == 1 => {
                        format!("did you mean {meant}? Else a WebhookEventType that declares it is enough")
                    }
                    Some((name, meant)) => {
                        format!(
                            "did you mean {meant} by {name}? Else WebhookEventTypes that declare them are enough"
                        )
                    }
                    None => "a WebhookEventType that declares it is enough".to_owned(),
                }
            }
        };
        Some(Outcome::waiting(ReconcileError::new(
            Reason::WaitingForEventType,
            format!("not in Svix yet: {names}{more}; {advice}"),
        )))
    }

    /// Makes sure that the application is there, if that is allowed.
    pub(in crate::engine) async fn ensure_application(
        &self,
        object: &Object,
        connection: &SvixConnection,
        live: &Live,
        application: &str,
    ) -> Result<Option<Outcome>, Failed> {
        if live.mirror.application_present(application) {
            return Ok(None);
        }
        let _turn = live.turn(application).await;
        if live.mirror.application_present(application) {
            return Ok(None);
        }
        match connection.spec.create_applications() {
            CreateApplications::IfMissing => {
                live.client.create_application(application).await?;
                live.mirror.put_application(application);
                self.did(object, EventReason::ApplicationCreated, format!("application {application}"));
                Ok(None)
            }
            CreateApplications::Never => {
                self.wait_for(
                    object.connection_name(),
                    Awaited::Application(application.into()),
                    &object.key(),
                );
                Ok(Some(Outcome::stalled(ReconcileError::new(
                    Reason::ApplicationNotFound,
                    format!(
                        "/spec/application: there is no application {application:?} in Svix, and the connection says \
                         createApplications: Never; make it in Svix, or correct the name"
                    ),
                ))))
            }
        }
    }

    fn tell_endpoint_changed(
        &self,
        object: &Object,
        before: &Observed,
        differences: &[Difference],
        ownership: Ownership,
    ) {
        let id = &before.id;
        let fields = describe(differences);
        match ownership {
            // Nothing is overwritten without a word.
            Ownership::Nobody | Ownership::Held | Ownership::Other => {
                let marked = match before.mark() {
                    Some(mark) => format!("endpoint {id} was marked as {mark}"),
                    None => format!("endpoint {id} was in Svix already"),
                };
                let text = match fields.as_str() {
                    "" => format!("{marked}, equal; it is marked as ours"),
                    fields => format!("{marked}; it is marked as ours and changed: {fields}"),
                };
                self.did(object, EventReason::Adopted, text);
            }
            Ownership::Ours => {
                let text = match fields.as_str() {
                    "" => format!("endpoint {id}: owner mark"),
                    fields => format!("endpoint {id}: {fields}"),
                };
                if self.is_drift(object) {
                    self.mended(object, text);
                } else {
                    self.did(object, EventReason::Updated, text);
                }
            }
        }
    }
}
