//! Endpoints: carrying out the plan.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    api::{CreateApplications, EndpointInSvix, Reason, SvixConnection, WebhookEndpoint},
    plan::{
        Refusal, describe,
        endpoint::{self, Desired, Observed, Owned, Ownership, Step},
        ids,
    },
    svix::{Class, Error, ErrorKind},
};

use super::{
    Awaited, Engine, Happened, Key, Kind, Object, Shell,
    connection::Live,
    event_type::{conflict, unsteady},
    reconcile::{Failed, Hold, Outcome},
    registry::Thing,
};

/// More turns than any sequence of surprises takes; then the object is looked at anew.
const MAX_TURNS: usize = 8;

/// What carrying out a plan for an endpoint came to.
enum Done {
    /// Svix holds it; these fields were ignored.
    Held { id: Box<str>, ignored: Vec<&'static str> },
    /// It waits, or must not be done.
    Not(Outcome),
}

impl<S: Shell> Engine<S> {
    /// Makes Svix hold what an endpoint declares.
    pub(super) async fn endpoint(
        &self,
        object: &Object,
        endpoint: &Arc<WebhookEndpoint>,
    ) -> Result<Outcome, Failed> {
        let key = object.key();
        let connection_name = endpoint.connection_name();
        let (Some(connection), Ok(live)) =
            (self.registry.connection(connection_name), self.live(connection_name))
        else {
            return Ok(self.without_connection(connection_name));
        };
        let status = endpoint
            .status
            .as_ref()
            .and_then(|status| status.svix.as_ref())
            .filter(|svix| svix.connection == connection_name);
        let owned = status.map_or(Owned::default(), |svix| Owned {
            fields: &svix.fields,
            metadata_keys: &svix.metadata_keys,
        });
        let desired = match endpoint::desired(endpoint, &connection.spec, owned) {
            Ok(desired) => desired,
            Err(refusal) => return Ok(Outcome::stalled(refusal)),
        };
        if let Some(holder) = self.registry.other_holder(&key) {
            let thing = format!("endpoint {} in application {}", desired.uid, desired.application);
            return Ok(Outcome::stalled(conflict(&thing, &holder)));
        }
        let ignored = self.ignored(&key, object);
        let wanted = ignored.iter().fold(desired, |desired, field| desired.without(field));
        self.ensure_listed(&live, &wanted.application).await?;
        let held_id = status.map(|svix| svix.id.as_str());
        match self.carry_out_endpoint(object, &connection, &live, &wanted, held_id).await? {
            Done::Not(outcome) => Ok(outcome),
            Done::Held { id, ignored: now } => {
                let hold = Hold::Endpoint(EndpointInSvix {
                    connection: connection_name.to_owned(),
                    application: wanted.application.clone(),
                    id: id.into(),
                    uid: wanted.uid.clone(),
                    fields: wanted.named.clone(),
                    metadata_keys: wanted.named_metadata.clone(),
                });
                Ok(self.with_ignored(&key, object, ignored.into_iter().chain(now).collect(), hold))
            }
        }
    }

    /// Does what the plan says until Svix holds what is wanted.
    async fn carry_out_endpoint(
        &self,
        object: &Object,
        connection: &SvixConnection,
        live: &Live,
        wanted: &Desired,
        held_id: Option<&str>,
    ) -> Result<Done, Failed> {
        let application = wanted.application.as_str();
        let mut object = object.clone();
        let mut seen =
            live.mirror.endpoint(application, held_id, &wanted.uid).map(|observed| (*observed).clone());
        // Whether `seen` was read for this look: what the mirror says may be old.
        let mut fresh = false;
        for _ in 0..MAX_TURNS {
            let ownership = seen.as_ref().map_or(Ownership::Nobody, |observed| {
                endpoint::ownership(observed, &wanted.mark, held_id, |mark| {
                    self.is_mark_of_gone(&connection.spec.owner_id, mark)
                })
            });
            let step = endpoint::plan(wanted, seen.as_ref(), ownership);
            if let (false, Some(observed), Step::Adopt(_) | Step::Change(..) | Step::Refuse(_)) =
                (fresh, &seen, &step)
            {
                seen = self.read_endpoint(live, application, &observed.id, &wanted.uid).await?;
                fresh = true;
                continue;
            }
            match step {
                Step::InSync => {
                    self.claim(&object, None).await?;
                    let Some(observed) = seen else { continue };
                    return Ok(Done::Held { id: observed.id, ignored: Vec::new() });
                }
                Step::Refuse(refusal) => return Ok(Done::Not(Outcome::stalled(refusal))),
                Step::Create => {
                    if let Some(outcome) = self.await_event_types(&object, live, &wanted.event_types) {
                        return Ok(Done::Not(outcome));
                    }
                    if let Some(outcome) =
                        self.ensure_application(&object, connection, live, application).await?
                    {
                        return Ok(Done::Not(outcome));
                    }
                    object = self.claim(&object, None).await?;
                    match live.client.create_endpoint(wanted).await {
                        Ok(made) => {
                            if self.is_drift(&object) {
                                self.mended(
                                    &object,
                                    format!("endpoint {} was gone from Svix; made again", wanted.uid),
                                );
                            } else {
                                self.did(
                                    &object,
                                    Happened::Created,
                                    format!("endpoint {} in application {application}", made.id),
                                );
                            }
                            return self.took_endpoint(live, wanted, made, true).await;
                        }
                        // Somebody was faster, or it was us before a lost answer: the mark tells.
                        Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
                            seen = self.read_endpoint(live, application, &wanted.uid, &wanted.uid).await?;
                            fresh = true;
                        }
                        // The application went since it was listed.
                        Err(error) if error.kind == ErrorKind::NotFound => {
                            live.mirror.forget_application(application);
                            self.ensure_listed(live, application).await?;
                        }
                        Err(error) => return self.refused_endpoint(&object, live, wanted, error).await,
                    }
                }
                Step::Adopt(change) | Step::Change(change, _) => {
                    let Some(observed) = seen.clone() else { continue };
                    if change.event_types.is_some()
                        && let Some(outcome) = self.await_event_types(&object, live, &wanted.event_types)
                    {
                        return Ok(Done::Not(outcome));
                    }
                    object = self.claim(&object, None).await?;
                    match live.client.patch_endpoint(application, &observed.id, &change).await {
                        Ok(now) => {
                            self.tell_endpoint_changed(&object, wanted, &observed, ownership);
                            return self.took_endpoint(live, wanted, now, false).await;
                        }
                        // Deleted since it was read.
                        Err(error) if error.kind == ErrorKind::NotFound => {
                            live.mirror.remove_endpoint(application, &observed.id);
                            seen = None;
                        }
                        // Its uid goes back to one that somebody else took meanwhile.
                        Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
                            let message = format!("uid {} is taken in application {application}", wanted.uid);
                            return Ok(Done::Not(Outcome::stalled(Refusal::new(Reason::NotOurs, message))));
                        }
                        Err(error) => return self.refused_endpoint(&object, live, wanted, error).await,
                    }
                }
            }
        }
        Err(Failed::Svix(unsteady("endpoint")))
    }

    /// Reads an endpoint anew, by id and, when that is gone, by uid.
    async fn read_endpoint(
        &self,
        live: &Live,
        application: &str,
        id: &str,
        uid: &str,
    ) -> Result<Option<Observed>, Failed> {
        let mut found = live.client.get_endpoint(application, id).await?;
        if found.is_none() {
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
        let id = answer.id.clone();
        if made && differences.iter().any(|difference| difference.field == "eventTypes") {
            // A server before 1.99 drops the field and makes an endpoint that receives everything. That must not
            // stay.
            live.client.delete_endpoint(application, &id).await?;
            live.mirror.remove_endpoint(application, &id);
            let message = "this Svix server does not know eventTypes (it is older than 1.99), so the endpoint would \
                           receive every event; it was removed again. Use a newer server";
            return Ok(Done::Not(Outcome::stalled(Refusal::new(Reason::FieldsIgnored, message))));
        }
        live.mirror.put_endpoint(application, answer);
        Ok(Done::Held { id, ignored: differences.into_iter().map(|difference| difference.field).collect() })
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
                    let thing = Thing::EventType(name.as_str().into());
                    self.wake_all(self.registry.claimants(object.connection_name(), &thing));
                }
                Ok(Done::Not(outcome))
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
            let thing = Thing::EventType(name.as_str().into());
            self.registry.claimants(object.connection_name(), &thing).into_iter().next()
        });
        let advice = match declared {
            Some(key) => format!("{key} declares it, and says in its status why it is not there"),
            None => "a WebhookEventType that declares it is enough".to_owned(),
        };
        Some(Outcome::waiting(Refusal::new(
            Reason::WaitingForEventType,
            format!("not in Svix yet: {names}{more}; {advice}"),
        )))
    }

    /// Makes sure that the application is there, if that is allowed.
    pub(super) async fn ensure_application(
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
                self.did(object, Happened::ApplicationCreated, format!("application {application}"));
                Ok(None)
            }
            CreateApplications::Never => {
                self.wait_for(
                    object.connection_name(),
                    Awaited::Application(application.into()),
                    &object.key(),
                );
                Ok(Some(Outcome::stalled(Refusal::new(
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
        wanted: &Desired,
        before: &Observed,
        ownership: Ownership,
    ) {
        let (_, differences) = endpoint::change(wanted, before);
        let text = match describe(&differences) {
            text if text.is_empty() => format!("endpoint {}: owner mark", before.id),
            text => format!("endpoint {}: {text}", before.id),
        };
        if ownership == Ownership::Nobody {
            self.did(
                object,
                Happened::Adopted,
                format!("endpoint {} was in Svix already, equal; marked as ours", before.id),
            );
        } else if self.is_drift(object) {
            self.mended(object, text);
        } else {
            self.did(object, Happened::Updated, text);
        }
    }

    /// Whether a mark is of an object of ours that is not there any more.
    fn is_mark_of_gone(&self, owner_id: &str, mark: &str) -> bool {
        let mut parts = mark.splitn(3, '/');
        let (Some(owner), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let key = Key { kind: Kind::Endpoint, namespace: namespace.into(), name: name.into() };
        owner == owner_id && self.registry.get(&key).is_none_or(|object| object.deleting())
    }

    /// Deletes what an endpoint holds. `None`: nothing is left to do.
    pub(super) async fn clean_up_endpoint(
        &self,
        object: &Object,
        endpoint: &WebhookEndpoint,
    ) -> Result<Option<Outcome>, Failed> {
        let key = object.key();
        let status = endpoint.status.as_ref().and_then(|status| status.svix.as_ref());
        if self.registry.other_holder(&key).is_some() {
            return Ok(None);
        }
        if let Some(heir) = self.registry.successor(&key) {
            // It finds the mark of an object that is gone, and puts its own there.
            self.did(object, Happened::HandedOver, format!("the endpoint stays in Svix for {heir}"));
            return Ok(None);
        }
        let name = status.map_or_else(|| endpoint.connection_name(), |svix| svix.connection.as_str());
        let live = match self.live(name) {
            Ok(live) => live,
            Err(refusal) => return Ok(self.clean_up_without_connection(object, refusal)),
        };
        let Some(connection) = self.registry.connection(name) else { return Ok(None) };
        let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
        let object_name = endpoint.metadata.name.as_deref().unwrap_or_default();
        let mark = ids::owner_mark(&connection.spec.owner_id, namespace, object_name);
        // Without status, a create may have gone through whose end we did not see.
        let (application, id) = match status {
            Some(svix) => (svix.application.clone(), svix.id.clone()),
            None => {
                let uid =
                    endpoint.spec.uid.clone().unwrap_or_else(|| {
                        ids::default_uid(&connection.spec.owner_id, namespace, object_name)
                    });
                if !ids::is_uid(&uid) || !ids::is_uid(endpoint.spec.application(&connection.spec)) {
                    return Ok(None);
                }
                (endpoint.spec.application(&connection.spec).to_owned(), uid)
            }
        };
        let Some(observed) = live.client.get_endpoint(&application, &id).await? else {
            live.mirror.remove_endpoint(&application, &id);
            return Ok(None);
        };
        let ours = match observed.mark() {
            Some(found) => found == mark,
            None => status.is_some(),
        };
        if ours {
            live.client.delete_endpoint(&application, &observed.id).await?;
            live.mirror.remove_endpoint(&application, &observed.id);
            self.did(
                object,
                Happened::Deleted,
                format!("endpoint {} in application {application}", observed.id),
            );
        }
        Ok(None)
    }
}
