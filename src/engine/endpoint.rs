//! Endpoints: carrying out the plan.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    api::{
        ADOPT_ID_ANNOTATION, Action, Adoption, ConditionStatus, ConditionType, CreateApplications,
        EndpointInSvix, OWNER_METADATA_KEY, Reason, SvixConnection, WebhookEndpoint, annotation,
    },
    plan::{
        Refusal, describe,
        endpoint::{self, Change, Claim, Desired, Observed, Owned, Ownership, Step},
        ids,
        secrets::Secrets,
        signing,
        status::{Aside, Verdict},
    },
    svix::{Class, Error, ErrorKind},
};

use super::{
    Awaited, Engine, Happened, Key, Kind, Mode, Object, Shell,
    connection::Live,
    event_type::{conflict, unsteady},
    policy::Begun,
    queue::Next,
    reconcile::{Failed, Hold, Outcome, Seen},
    registry::Thing,
    unlisted::Listed,
};

/// More turns than any sequence of surprises takes; then the object is looked at anew.
const MAX_TURNS: usize = 8;

/// What carrying out a plan for an endpoint came to.
enum Done {
    /// Svix holds it.
    Held(Box<Held>),
    /// It waits, or must not be done.
    Not(Box<Outcome>),
}

/// An endpoint that Svix holds as declared, as far as lists show it.
struct Held {
    /// As it is now.
    observed: Observed,
    /// Its `updatedAt` before anything was written.
    before: i64,
    /// Whether the headers and the signing key were written with it.
    wrote_headers: bool,
    wrote_key: bool,
    /// The fields that the server ignored.
    ignored: Vec<&'static str>,
}

impl Held {
    /// Nothing had to be written.
    fn as_it_is(observed: Observed) -> Self {
        Self {
            before: observed.updated_at,
            observed,
            wrote_headers: false,
            wrote_key: false,
            ignored: Vec::new(),
        }
    }
}

/// How an object stands to an endpoint in Svix.
#[derive(Clone, Copy)]
struct Stand<'a> {
    /// The id that status says it holds.
    held_id: Option<&'a str>,
    /// The id of the one that it is to take over.
    adopt_id: Option<&'a str>,
    adoption: Adoption,
    owner_id: &'a str,
    namespace: &'a str,
    /// Whether Svix is read, whatever is remembered of it.
    forced: bool,
}

impl Stand<'_> {
    fn id(&self) -> Option<&str> {
        self.held_id.or(self.adopt_id)
    }

    fn claim(&self, observed: Option<&Observed>) -> Claim {
        let named = observed.is_some_and(|observed| self.adopt_id == Some(&*observed.id));
        Claim { adoption: self.adoption, named: named && self.held_id.is_none() }
    }

    /// Whether a step takes an endpoint over that may only be taken as it is, headers and key included.
    fn adopts_equal_only(&self, step: &Step) -> bool {
        matches!(step, Step::Adopt(..)) && self.adoption != Adoption::Override
    }
}

impl<S: Shell> Engine<S> {
    /// Makes Svix hold what an endpoint declares.
    pub(super) async fn endpoint(
        &self,
        object: &Object,
        endpoint: &Arc<WebhookEndpoint>,
    ) -> Result<Outcome, Failed> {
        let key = object.key();
        let begun = match self.begin(object).await? {
            Ok(begun) => begun,
            Err(outcome) => return Ok(outcome),
        };
        let Begun { connection, live, mode } = &begun;
        let connection_name = endpoint.connection_name();
        let held = endpoint
            .status
            .as_ref()
            .and_then(|status| status.svix.as_ref())
            .filter(|svix| svix.connection == connection_name);
        let owned = held.map_or(Owned::default(), |svix| Owned {
            fields: &svix.fields,
            metadata_keys: &svix.metadata_keys,
            uid: Some(&svix.uid),
        });
        let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
        let secrets = match self.secrets_of(endpoint).await {
            Ok(secrets) => secrets,
            Err(outcome) => return Ok(outcome),
        };
        let desired = endpoint::resolve(&endpoint.spec, &secrets, namespace)
            .and_then(|resolved| endpoint::desired(endpoint, &connection.spec, owned, resolved));
        let mut desired = match desired {
            Ok(desired) => desired,
            Err(refusal) => return Ok(Outcome::stalled(refusal)),
        };
        if *mode == Mode::Manage
            && let Some(holder) = self.registry.other_holder(&key)
        {
            let thing = format!("endpoint {} in application {}", desired.uid, desired.application);
            return Ok(Outcome::stalled(conflict(&thing, &holder)));
        }
        self.ensure_listed(live, &desired.application).await?;
        let stand = Stand {
            held_id: held.map(|svix| svix.id.as_str()),
            adopt_id: annotation(&endpoint.metadata, ADOPT_ID_ANNOTATION).filter(|id| ids::is_name(id)),
            adoption: self.registry.adoption(object, connection),
            owner_id: &connection.spec.owner_id,
            namespace,
            forced: self.forced(object),
        };
        // It is enabled when the spec changes, and what disables it afterwards is respected.
        let carried_out =
            held.is_some_and(|svix| svix.generation.is_some() && svix.generation == object.meta().generation);
        let is_left_disabled = endpoint.spec.disabled == Some(false) && carried_out;
        if is_left_disabled {
            desired.disabled = None;
        }
        if *mode != Mode::Manage {
            return self.compare_endpoint(endpoint, &begun, desired, stand).await;
        }
        let ignored = self.ignored(&key, object);
        let wanted = ignored.iter().fold(desired, |desired, field| desired.without(field));
        let (held_now, wanted) =
            match self.carry_out_endpoint(object, connection, live, wanted, stand).await? {
                (Done::Not(outcome), _) => return Ok(*outcome),
                (Done::Held(held), wanted) => (*held, wanted),
            };
        let ignored = ignored.into_iter().chain(held_now.ignored.iter().copied()).collect();
        self.conclude_endpoint(
            object,
            endpoint,
            &begun,
            held_now,
            &wanted,
            secrets,
            ignored,
            is_left_disabled,
        )
        .await
    }

    /// What remains once Svix holds what its lists show: headers, key, statistics; and what status says of it all.
    #[allow(clippy::too_many_arguments)]
    async fn conclude_endpoint(
        &self,
        object: &Object,
        endpoint: &WebhookEndpoint,
        begun: &Begun,
        held_now: Held,
        wanted: &Desired,
        secrets: Secrets,
        ignored: Vec<&'static str>,
        is_left_disabled: bool,
    ) -> Result<Outcome, Failed> {
        let Begun { connection, live, .. } = begun;
        let connection_name = endpoint.connection_name();
        let held = endpoint.status.as_ref().and_then(|status| status.svix.as_ref());
        let Held { observed, before, wrote_headers, wrote_key, .. } = held_now;
        let (id, is_disabled) = (observed.id.clone(), observed.disabled);
        let listed = Listed {
            endpoint,
            wanted,
            observed,
            before,
            wrote_headers,
            wrote_key,
            held: held.filter(|svix| svix.connection == connection_name && *svix.id == *id),
            secrets,
        };
        let kept = self.keep_unlisted(object, live, listed).await?;
        let hold = Hold::Endpoint(Box::new(EndpointInSvix {
            connection: connection_name.to_owned(),
            application: wanted.application.clone(),
            id: id.to_string(),
            uid: wanted.uid.clone(),
            fields: wanted.named.clone(),
            metadata_keys: wanted.named_metadata.clone(),
            generation: object.meta().generation,
            verified: kept.verified,
        }));
        let mut looks = Vec::from_iter(kept.next);
        let mut statistics = None;
        if endpoint.spec.statistics == Some(true) {
            statistics = match live.client.statistics(&wanted.application, &id).await {
                Ok(statistics) => statistics,
                // They hold up nothing: the endpoint is as it should be.
                Err(error) => {
                    tracing::debug!(object = %object.key(), %error, "cannot read statistics");
                    endpoint.status.as_ref().and_then(|status| status.statistics)
                }
            };
            looks.push(connection.spec.resync_interval().unwrap_or_default());
        }
        let mut asides = Vec::new();
        let disabled_by_other = is_disabled && endpoint.spec.disabled != Some(true);
        if disabled_by_other {
            asides.push(Aside {
                type_: ConditionType::DisabledInSvix,
                status: ConditionStatus::True,
                reason: Reason::DisabledInSvix,
                message: DISABLED.to_owned(),
            });
        }
        let mut outcome = self.with_ignored(&object.key(), object, ignored, hold);
        if let (Some(trouble), true) = (kept.trouble, outcome.verdict.is_ready()) {
            outcome.verdict = trouble;
        }
        if let Verdict::Ready(reason, message) = &mut outcome.verdict {
            if is_left_disabled && disabled_by_other {
                let message = format!("/spec/disabled: found true in Svix, declared false. {DISABLED}");
                outcome.verdict = Verdict::Stalled(Refusal::new(Reason::DisabledInSvix, message));
            } else {
                if disabled_by_other {
                    *reason = Reason::DisabledInSvix;
                    *message = DISABLED.to_owned();
                }
                self.name_rivals(object, message);
            }
        }
        outcome.next = match (&outcome.verdict, looks.into_iter().min()) {
            (Verdict::Waiting(_), Some(delay)) => Next::After(delay),
            (_, Some(delay)) => Next::Later(delay),
            (_, None) => Next::Settled,
        };
        outcome.seen = Some(Box::new(Seen {
            asides,
            difference: None,
            statistics,
            signing_key: kept.signing_key,
            rotate_at: kept.rotate_at,
        }));
        Ok(outcome)
    }

    /// Compares an endpoint with Svix; writes nothing.
    async fn compare_endpoint(
        &self,
        endpoint: &WebhookEndpoint,
        begun: &Begun,
        wanted: Desired,
        stand: Stand<'_>,
    ) -> Result<Outcome, Failed> {
        let Begun { live, mode, .. } = begun;
        let application = wanted.application.clone();
        let mut seen = live.mirror.endpoint(&application, stand.id(), &wanted.uid).map(|it| (*it).clone());
        let unlisted = wanted.headers.is_some() || wanted.signing_key.is_some();
        match &seen {
            Some(observed) if stand.forced || unlisted => {
                seen = self.read_endpoint(live, &application, &observed.id.clone(), &wanted.uid).await?;
            }
            // It may have been made since the last listing.
            None if stand.forced => {
                let id = stand.id().unwrap_or(&wanted.uid);
                seen = self.read_endpoint(live, &application, id, &wanted.uid).await?;
            }
            _ => {}
        }
        let wanted = keep_uid(wanted, endpoint, seen.as_ref(), stand);
        let ownership = self.ownership_of(seen.as_ref(), &wanted, stand);
        let mut step = endpoint::plan(&wanted, seen.as_ref(), ownership, stand.claim(seen.as_ref()));
        let mut unlisted = Vec::new();
        if let (Some(observed), false) = (&seen, matches!(step, Step::Refuse(_))) {
            unlisted = self.differences_unlisted(live, &wanted, observed).await?;
            if stand.adopts_equal_only(&step) && !unlisted.is_empty() {
                step = Step::Refuse(endpoint::refuse_adoption(&wanted, observed, &unlisted));
                unlisted.clear();
            }
        }
        let (mut action, mut differences) = match endpoint::what_if(&step) {
            Some((action, differences)) => (Some(action), differences.to_vec()),
            None => (None, Vec::new()),
        };
        if !unlisted.is_empty() {
            action.get_or_insert(Action::Change);
        }
        differences.extend(unlisted);
        let refusal = match &step {
            Step::Refuse(refusal) => Some(refusal),
            _ => None,
        };
        Ok(self.compared(*mode, action.map(|action| (action, differences.as_slice())), refusal))
    }

    /// Whose the endpoint is that was found.
    fn ownership_of(&self, observed: Option<&Observed>, wanted: &Desired, stand: Stand<'_>) -> Ownership {
        observed.map_or(Ownership::Nobody, |observed| {
            endpoint::ownership(observed, &wanted.mark, stand.held_id, |mark| {
                self.of_other(stand.owner_id, stand.namespace, mark)
            })
        })
    }

    /// Does what the plan says until Svix holds what is wanted. Answers that, too, as it turned out to be.
    async fn carry_out_endpoint(
        &self,
        object: &Object,
        connection: &SvixConnection,
        live: &Live,
        mut wanted: Desired,
        stand: Stand<'_>,
    ) -> Result<(Done, Desired), Failed> {
        let Object::Endpoint(endpoint) = object else {
            return Err(Failed::Svix(unsteady("endpoint")));
        };
        let application = wanted.application.clone();
        let mut object = object.clone();
        let mut seen =
            live.mirror.endpoint(&application, stand.id(), &wanted.uid).map(|observed| (*observed).clone());
        // Whether `seen` was read for this look: what the mirror says may be old.
        let mut fresh = false;
        // Of one that this look made.
        let mut made: Option<Held> = None;
        for _ in 0..MAX_TURNS {
            wanted = keep_uid(wanted, endpoint, seen.as_ref(), stand);
            let ownership = self.ownership_of(seen.as_ref(), &wanted, stand);
            let step = endpoint::plan(&wanted, seen.as_ref(), ownership, stand.claim(seen.as_ref()));
            let uncertain = matches!(step, Step::Adopt(..) | Step::Change(..) | Step::Refuse(_));
            if let (false, Some(observed), true) = (fresh, &seen, uncertain || stand.forced) {
                seen = self.read_endpoint(live, &application, &observed.id, &wanted.uid).await?;
                fresh = true;
                continue;
            }
            match step {
                Step::InSync => {
                    self.claim(&object, None).await?;
                    let Some(observed) = seen else { continue };
                    let held = made.unwrap_or_else(|| Held::as_it_is(observed));
                    return Ok((Done::Held(Box::new(held)), wanted));
                }
                Step::Refuse(refusal) => return Ok((Done::Not(Outcome::stalled(refusal).into()), wanted)),
                Step::Create => {
                    if let Some(id) = stand.adopt_id.filter(|_| stand.held_id.is_none() && !fresh) {
                        // It may have been made since the last listing.
                        seen = self.read_endpoint(live, &application, id, &wanted.uid).await?;
                        fresh = true;
                        if seen.is_some() {
                            continue;
                        }
                    }
                    if let Some(id) = stand.adopt_id.filter(|_| stand.held_id.is_none()) {
                        let message = format!(
                            "/metadata/annotations: {ADOPT_ID_ANNOTATION} names endpoint {id}, which is not in \
                             application {application}; correct it, or take the annotation away"
                        );
                        let refusal = Refusal::new(Reason::InvalidSpec, message);
                        return Ok((Done::Not(Outcome::stalled(refusal).into()), wanted));
                    }
                    if let Some(outcome) = self.await_event_types(&object, live, &wanted.event_types) {
                        return Ok((Done::Not(outcome.into()), wanted));
                    }
                    if let Some(outcome) =
                        self.ensure_application(&object, connection, live, &application).await?
                    {
                        return Ok((Done::Not(outcome.into()), wanted));
                    }
                    object = self.claim(&object, None).await?;
                    match live.client.create_endpoint(&wanted).await {
                        Ok(answer) => {
                            if self.is_drift(&object) {
                                self.mended(
                                    &object,
                                    format!("endpoint {} was gone from Svix; made again", wanted.uid),
                                );
                            } else {
                                self.did(
                                    &object,
                                    Happened::Created,
                                    format!("endpoint {} in application {application}", answer.id),
                                );
                            }
                            let wrote_key = wanted.signing_key.is_some();
                            let done = self.took_endpoint(live, &wanted, answer, true).await?;
                            match done {
                                // It is enabled once its headers are there.
                                Done::Held(held) if held.observed.is_preparing() => {
                                    seen = Some(held.observed.clone());
                                    fresh = true;
                                    made = Some(Held { wrote_key, ..*held });
                                }
                                Done::Held(held) => {
                                    let held = Held { wrote_key, ..*held };
                                    return Ok((Done::Held(Box::new(held)), wanted));
                                }
                                not => return Ok((not, wanted)),
                            }
                        }
                        // Somebody was faster, or it was us before a lost answer: the mark tells.
                        Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
                            seen = self.read_endpoint(live, &application, &wanted.uid, &wanted.uid).await?;
                            fresh = true;
                        }
                        // The application went since it was listed.
                        Err(error) if error.kind == ErrorKind::NotFound => {
                            live.mirror.forget_application(&application);
                            self.ensure_listed(live, &application).await?;
                        }
                        Err(error) => {
                            let done = self.refused_endpoint(&object, live, &wanted, error).await?;
                            return Ok((done, wanted));
                        }
                    }
                }
                Step::Adopt(change, differences) | Step::Change(change, differences) => {
                    let Some(observed) = seen.clone() else { continue };
                    if change.event_types.is_some()
                        && let Some(outcome) = self.await_event_types(&object, live, &wanted.event_types)
                    {
                        return Ok((Done::Not(outcome.into()), wanted));
                    }
                    if ownership == Ownership::Ours
                        && !differences.is_empty()
                        && let Err(outcome) = self.may_mend(&object, &differences)
                    {
                        return Ok((Done::Not(outcome), wanted));
                    }
                    // What lists do not show must be equal, too, before it is taken.
                    if ownership != Ownership::Ours && stand.adoption != Adoption::Override {
                        let unlisted = self.differences_unlisted(live, &wanted, &observed).await?;
                        if !unlisted.is_empty() {
                            let refusal = endpoint::refuse_adoption(&wanted, &observed, &unlisted);
                            return Ok((Done::Not(Outcome::stalled(refusal).into()), wanted));
                        }
                    }
                    object = self.claim(&object, None).await?;
                    // Nothing is sent without its headers.
                    let mut wrote_headers = false;
                    if let (true, Some(headers)) = (observed.is_preparing(), &wanted.headers) {
                        live.client.put_headers(&application, &observed.id, headers).await?;
                        wrote_headers = true;
                    }
                    match live.client.patch_endpoint(&application, &observed.id, &change).await {
                        Ok(now) => {
                            if !observed.is_preparing() {
                                self.tell_endpoint_changed(&object, &observed, &differences, ownership);
                            }
                            let wrote_key = made.as_ref().is_some_and(|made| made.wrote_key);
                            let done = match self.took_endpoint(live, &wanted, now, false).await? {
                                // What was there before this look is what `updatedAt` is compared with.
                                Done::Held(held) => Done::Held(Box::new(Held {
                                    before: observed.updated_at,
                                    wrote_headers,
                                    wrote_key,
                                    ..*held
                                })),
                                not => not,
                            };
                            return Ok((done, wanted));
                        }
                        // Deleted since it was read.
                        Err(error) if error.kind == ErrorKind::NotFound => {
                            live.mirror.remove_endpoint(&application, &observed.id);
                            (seen, made) = (None, None);
                        }
                        // Its uid goes back to one that somebody else took meanwhile.
                        Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
                            let message = format!("uid {} is taken in application {application}", wanted.uid);
                            let refusal = Refusal::new(Reason::NotOurs, message);
                            return Ok((Done::Not(Outcome::stalled(refusal).into()), wanted));
                        }
                        Err(error) => {
                            let done = self.refused_endpoint(&object, live, &wanted, error).await?;
                            return Ok((done, wanted));
                        }
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
        if made && differences.iter().any(|difference| difference.field == "eventTypes") {
            // A server before 1.99 drops the field and makes an endpoint that receives everything. That must not
            // stay.
            live.client.delete_endpoint(application, &answer.id).await?;
            live.mirror.remove_endpoint(application, &answer.id);
            let message = "this Svix server does not know eventTypes (it is older than 1.99), so the endpoint would \
                           receive every event; it was removed again. Use a newer server";
            return Ok(Done::Not(Outcome::stalled(Refusal::new(Reason::FieldsIgnored, message)).into()));
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
                    let thing = Thing::EventType(name.as_str().into());
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
        before: &Observed,
        differences: &[crate::plan::Difference],
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
                self.did(object, Happened::Adopted, text);
            }
            Ownership::Ours => {
                let text = match fields.as_str() {
                    "" => format!("endpoint {id}: owner mark"),
                    fields => format!("endpoint {id}: {fields}"),
                };
                if self.is_drift(object) {
                    self.mended(object, text);
                } else {
                    self.did(object, Happened::Updated, text);
                }
            }
        }
    }

    /// Whose an endpoint is with another mark. One of an object of this owner that is gone is nobody's; within one
    /// namespace, where objects are renamed, it is ours.
    fn of_other(&self, owner_id: &str, namespace: &str, mark: &str) -> Ownership {
        let mut parts = mark.splitn(3, '/');
        let (Some(owner), Some(of), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Ownership::Other;
        };
        let key = Key { kind: Kind::Endpoint, namespace: of.into(), name: name.into() };
        if owner != owner_id {
            return Ownership::Other;
        }
        // Of what is not handed in, or cannot be read, nobody can say that it is gone.
        let unknown = self.options.namespaces.as_ref().is_some_and(|known| !known.contains(of))
            || self.lock(&self.unreadable).contains(&key);
        match self.registry.get(&key) {
            _ if unknown => Ownership::Held,
            Some(object) if !object.deleting() => Ownership::Held,
            _ if of == namespace => Ownership::Ours,
            _ => Ownership::Nobody,
        }
    }

    /// Deletes what an endpoint holds. `None`: nothing is left to do.
    pub(super) async fn clean_up_endpoint(
        &self,
        object: &Object,
        endpoint: &WebhookEndpoint,
    ) -> Result<Option<Outcome>, Failed> {
        let key = object.key();
        let status = endpoint.status.as_ref().and_then(|status| status.svix.as_ref());
        let name = status.map_or_else(|| endpoint.connection_name(), |svix| svix.connection.as_str());
        let live = match self.live(name) {
            Ok(live) => live,
            Err(refusal) => return Ok(self.clean_up_without_connection(object, refusal)),
        };
        let Some(connection) = self.registry.connection(name) else { return Ok(None) };
        let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
        let object_name = endpoint.metadata.name.as_deref().unwrap_or_default();
        let owner_id = &connection.spec.owner_id;
        let mark = ids::owner_mark(owner_id, namespace, object_name);
        // Without status, a create may have gone through whose end we did not see.
        let (application, id, uid) = match status {
            Some(svix) => (svix.application.clone(), svix.id.clone(), svix.uid.clone()),
            None => {
                let uid = endpoint.spec.uid.clone();
                let uid = uid.unwrap_or_else(|| ids::default_uid(owner_id, namespace, object_name));
                let application = endpoint.spec.application(&connection.spec);
                // Nothing was ever made for one that Svix would not take, or that another object holds.
                let other = self.registry.other_holder(&key).is_some();
                if other || !ids::is_uid(&uid) || !ids::is_uid(application) {
                    return Ok(None);
                }
                let named = annotation(&endpoint.metadata, ADOPT_ID_ANNOTATION).filter(|id| ids::is_name(id));
                (application.to_owned(), named.map_or_else(|| uid.clone(), str::to_owned), uid)
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
        if !ours {
            return Ok(None);
        }
        let thing = Thing::Endpoint(application.as_str().into(), uid.into());
        if let Some(heir) = self.registry.heir(name, &thing, &key) {
            // What one namespace's endpoint sends and is signed with is not another's: it could give it another
            // address, or have the key written to a Secret.
            if heir.namespace != key.namespace {
                live.client
                    .put_headers(&application, &observed.id, &std::collections::BTreeMap::new())
                    .await?;
                let new = signing::new_key(rand::random());
                let grace = std::time::Duration::ZERO;
                live.client.rotate_signing_key(&application, &observed.id, &new, grace).await?;
            }
            // With its mark on it, the endpoint is the heir's, whatever happens to either of us.
            let mut metadata: std::collections::BTreeMap<_, _> =
                observed.metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            let mark = ids::owner_mark(owner_id, &heir.namespace, &heir.name);
            metadata.insert(OWNER_METADATA_KEY.to_owned(), mark);
            let change = Change { metadata: Some(metadata), ..Change::default() };
            let now = live.client.patch_endpoint(&application, &observed.id, &change).await?;
            live.mirror.put_endpoint(&application, now);
            self.did(object, Happened::HandedOver, format!("the endpoint stays in Svix for {heir}"));
            return Ok(None);
        }
        live.client.delete_endpoint(&application, &observed.id).await?;
        live.mirror.remove_endpoint(&application, &observed.id);
        self.did(object, Happened::Deleted, format!("endpoint {} in application {application}", observed.id));
        Ok(None)
    }
}

/// What is said of an endpoint that is disabled and was not meant to be.
const DISABLED: &str = "the endpoint is disabled in Svix, by hand or because it failed for five days, and receives \
                        nothing; mend the receiver and enable it in Svix, or change the spec with disabled: false";

/// One that is taken over by its id keeps its own uid, unless the spec names another: whoever knows it by that finds
/// it again.
fn keep_uid(
    wanted: Desired,
    endpoint: &WebhookEndpoint,
    seen: Option<&Observed>,
    stand: Stand<'_>,
) -> Desired {
    let named = seen.filter(|observed| stand.adopt_id == Some(&*observed.id) && stand.held_id.is_none());
    match named.and_then(|observed| observed.uid.as_deref()) {
        Some(uid) if endpoint.spec.uid.is_none() => Desired { uid: uid.to_owned(), ..wanted },
        _ => wanted,
    }
}
