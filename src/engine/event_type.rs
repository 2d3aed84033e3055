//! Event types: carrying out the plan.

use std::sync::Arc;

use crate::{
    api::{Adoption, EventTypeDeletionPolicy, EventTypeInSvix, JsonObject, Reason, WebhookEventType},
    plan::{
        Difference, ReconcileError, claims, describe,
        event_type::{self, Desired, Observed, Step},
        schema_source::{self, Source},
        status::ReadyState,
    },
    svix::{ErrorKind, EventTypeDocument},
};

use super::{
    Awaited, Engine, EventReason, Host, HostError, Mode, Object, ObjectKey, ReferenceError,
    connection::Live,
    policy::Begun,
    queue::Next,
    reconcile::{Failed, Hold, Outcome},
    registry::SvixResource,
};

/// More turns than any sequence of surprises takes; then the object is looked at anew.
const MAX_TURNS: usize = 6;

impl<S: Host> Engine<S> {
    /// Makes Svix hold what an event type declares.
    pub(super) async fn event_type(
        &self,
        object: &Object,
        event_type: &Arc<WebhookEventType>,
    ) -> Result<Outcome, Failed> {
        let outcome = self.make_event_type(object, event_type).await?;
        // Who waits may say that nobody declares it, or be judged by it although Svix is left as it is.
        if let ReadyState::Stalled(_) = outcome.verdict {
            let name = event_type.event_type_name();
            self.release_waiting(event_type.connection_name(), &Awaited::EventType(name.into()));
        }
        Ok(outcome)
    }

    async fn make_event_type(
        &self,
        object: &Object,
        event_type: &Arc<WebhookEventType>,
    ) -> Result<Outcome, Failed> {
        let key = object.key();
        let connection_name = event_type.connection_name();
        let begun = match self.begin(object).await? {
            Ok(begun) => begun,
            Err(outcome) => return Ok(outcome),
        };
        let Begun { connection, live, mode } = &begun;
        if *mode == Mode::Manage
            && let Some(holder) = self.registry.other_holder(&key)
        {
            return Ok(Outcome::stalled(conflict(
                &format!("event type {}", event_type.event_type_name()),
                &holder,
            )));
        }
        let status = event_type.status.as_ref().and_then(|status| status.svix.as_ref());
        let owned = status.map_or(&[][..], |svix| &svix.fields);
        let schema = match self.schema_of(event_type).await {
            Ok(schema) => schema,
            Err(SchemaTrouble::Refused(refusal)) => return Ok(Outcome::stalled(refusal)),
            Err(SchemaTrouble::Unreadable(message)) => {
                return Ok(Outcome {
                    next: Next::Failed,
                    ..Outcome::waiting(ReconcileError::new(Reason::SchemaSourceNotFound, message))
                });
            }
        };
        let desired =
            match schema_source::judged(event_type, schema.to_value()).and_then(|(schema, examples)| {
                event_type::desired(event_type, schema, examples, connection.spec.event_type_names(), owned)
            }) {
                Ok(desired) => desired,
                Err(refusal) => return Ok(Outcome::stalled(refusal)),
            };
        let ignored = self.ignored(&key, object);
        let wanted = ignored.iter().fold(desired, |desired, field| desired.without(field));
        let says_so =
            status.is_some_and(|svix| svix.connection == connection_name && svix.name == wanted.name);
        let held = self.remember(&key, |memory| {
            // Once status says so, it is status that counts.
            memory.inherited.take_if(|through| says_so || **through != *connection_name);
            says_so || memory.inherited.is_some()
        });
        let stand =
            Stand { held, adoption: self.registry.adoption(object, connection), forced: self.forced(object) };
        if *mode != Mode::Manage {
            return self.compare_event_type(object, live, *mode, &wanted, stand).await;
        }
        let ignored: Vec<&'static str> = match self.carry_out_event_type(object, live, &wanted, stand).await?
        {
            Carried::Not(outcome) => return Ok(*outcome),
            Carried::Done(now) => ignored.into_iter().chain(now).collect(),
        };
        let hold = Hold::EventType(EventTypeInSvix {
            connection: connection_name.to_owned(),
            name: wanted.name.clone(),
            fields: wanted.named.clone(),
        });
        let mut outcome = self.with_ignored(&key, object, ignored, hold);
        if let ReadyState::Ready(_, message) = &mut outcome.verdict {
            self.name_rivals(object, message);
        }
        outcome.seen = Some(Box::default());
        Ok(outcome)
    }

    /// Compares an event type with Svix; writes nothing.
    async fn compare_event_type(
        &self,
        object: &Object,
        live: &Live,
        mode: Mode,
        wanted: &Desired,
        stand: Stand,
    ) -> Result<Outcome, Failed> {
        let mut seen = live.mirror.event_type(&wanted.name).map(|observed| (*observed).clone());
        if stand.forced {
            seen = self.read_event_type(live, &wanted.name).await?.map(|document| document.observed);
        }
        let ours =
            stand.held || seen.as_ref().is_some_and(|observed| is_claimed(live, object, wanted, observed));
        let step = event_type::plan(wanted, seen.as_ref(), ours, stand.adoption);
        let refusal = match &step {
            Step::Refuse(refusal) => Some(refusal),
            _ => None,
        };
        Ok(self.compared(mode, event_type::what_if(&step), refusal))
    }

    /// Reads an event type anew.
    async fn read_event_type(&self, live: &Live, name: &str) -> Result<Option<EventTypeDocument>, Failed> {
        let document = live.client.get_event_type(name).await?;
        match &document {
            Some(document) => live.mirror.put_event_type(document.observed.clone()),
            None => live.mirror.remove_event_type(name),
        }
        Ok(document)
    }

    /// Does what the plan says until Svix holds what is wanted.
    async fn carry_out_event_type(
        &self,
        object: &Object,
        live: &Live,
        wanted: &Desired,
        stand: Stand,
    ) -> Result<Carried, Failed> {
        let connection = object.connection_name();
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let mut object = object.clone();
        let mut seen = live.mirror.event_type(&wanted.name).map(|observed| (*observed).clone());
        // The whole document, once it was read for this look: what the mirror says may be old.
        let mut fresh: Option<EventTypeDocument> = None;
        for _ in 0..MAX_TURNS {
            let ours = stand.held
                || seen.as_ref().is_some_and(|observed| is_claimed(live, &object, wanted, observed));
            let step = event_type::plan(wanted, seen.as_ref(), ours, stand.adoption);
            let uncertain = !matches!(step, Step::InSync | Step::Adopt | Step::Create);
            let unread = seen.is_some() && (uncertain || stand.forced);
            if unread && fresh.is_none() {
                let document = self.read_event_type(live, &wanted.name).await?;
                seen = document.as_ref().map(|document| document.observed.clone());
                fresh = document;
                continue;
            }
            match step {
                Step::InSync | Step::Adopt => {
                    object = self.claim(&object, None).await?;
                    if step == Step::Adopt {
                        self.did(
                            &object,
                            EventReason::Adopted,
                            format!("event type {} was in Svix already, equal", wanted.name),
                        );
                    }
                    self.release_waiting(connection, &Awaited::EventType(wanted.name.as_str().into()));
                    return Ok(Carried::Done(Vec::new()));
                }
                Step::Refuse(refusal) => return Ok(Carried::Not(Outcome::stalled(refusal).into())),
                Step::Create => {
                    let thing = claims::thing(connection, &wanted.name);
                    let content = wanted.content_digest();
                    let value =
                        live.client.with_token(|token| claims::claim_value(token, uid, &thing, content));
                    object = self.claim(&object, Some(&value)).await?;
                    match live.client.create_event_type(wanted).await {
                        Ok(document) => {
                            if self.is_drift(&object) {
                                self.mended(
                                    &object,
                                    format!("event type {} was gone from Svix; made again", wanted.name),
                                );
                            } else {
                                self.did(
                                    &object,
                                    EventReason::Created,
                                    format!("event type {}", wanted.name),
                                );
                            }
                            return Ok(self.took_event_type(connection, live, wanted, document));
                        }
                        // Somebody was faster, or it was us before a lost answer: the claim tells.
                        Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
                            let document = live.client.get_event_type(&wanted.name).await?;
                            seen = document.as_ref().map(|document| document.observed.clone());
                            if let Some(document) = &document {
                                live.mirror.put_event_type(document.observed.clone());
                            }
                            fresh = document;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                Step::Revive(ref differences)
                | Step::Change(ref differences)
                | Step::Overwrite(ref differences) => {
                    let revive = seen.as_ref().is_some_and(|observed| observed.archived);
                    let overwrite = matches!(step, Step::Overwrite(_));
                    if !overwrite
                        && !revive
                        && let Err(outcome) = self.may_mend(&object, differences)
                    {
                        return Ok(Carried::Not(outcome));
                    }
                    object = self.claim(&object, None).await?;
                    let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
                    let schemas = fresh.as_ref().and_then(|document| document.schemas.as_ref());
                    match live.client.patch_event_type(wanted, &fields, revive, schemas).await {
                        Ok(document) => {
                            if overwrite {
                                let text = format!(
                                    "event type {} was in Svix already; it is changed: {}",
                                    wanted.name,
                                    describe(differences)
                                );
                                self.did(&object, EventReason::Adopted, text);
                            } else {
                                self.tell_event_type_changed(&object, wanted, revive, differences);
                            }
                            return Ok(self.took_event_type(connection, live, wanted, document));
                        }
                        // Expunged since it was read.
                        Err(error) if error.kind == ErrorKind::NotFound => {
                            live.mirror.remove_event_type(&wanted.name);
                            live.doubt();
                            (seen, fresh) = (None, None);
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        Err(Failed::Svix(unsteady("event-type")))
    }

    fn tell_event_type_changed(
        &self,
        object: &Object,
        wanted: &Desired,
        revived: bool,
        differences: &[Difference],
    ) {
        let what = match (revived, describe(differences)) {
            (true, text) if text.is_empty() => format!("event type {} was archived", wanted.name),
            (true, text) => format!("event type {} was archived; {text}", wanted.name),
            (false, text) => format!("event type {}: {text}", wanted.name),
        };
        if self.is_drift(object) {
            self.mended(object, what);
        } else {
            self.did(object, if revived { EventReason::Revived } else { EventReason::Updated }, what);
        }
    }

    /// Takes in Svix's answer to a write; answers the fields that it ignored.
    fn took_event_type(
        &self,
        connection: &str,
        live: &Live,
        wanted: &Desired,
        answer: EventTypeDocument,
    ) -> Carried {
        let differences = event_type::differences(wanted, &answer.observed);
        live.mirror.put_event_type(answer.observed);
        self.release_waiting(connection, &Awaited::EventType(wanted.name.as_str().into()));
        Carried::Done(differences.into_iter().map(|difference| difference.field).collect())
    }

    /// The schema that an event type names, wherever it is kept.
    pub(super) async fn schema_of(&self, event_type: &WebhookEventType) -> Result<JsonObject, SchemaTrouble> {
        let text = match schema_source::schema_text(event_type) {
            Ok(Source::Here(schema)) => return Ok(schema),
            Ok(Source::ConfigMap(reference)) => {
                let namespace = event_type.metadata.namespace.as_deref().unwrap_or_default();
                self.host.config_map(namespace, reference).await
            }
            Err(refusal) => return Err(SchemaTrouble::Refused(refusal)),
        };
        match text {
            Ok(text) => schema_source::parse_schema(event_type, &text).map_err(SchemaTrouble::Refused),
            Err(ReferenceError::NotFound(message)) => Err(SchemaTrouble::Refused(ReconcileError::new(
                Reason::SchemaSourceNotFound,
                format!("/spec/schemaFrom/configMapKeyRef: {message}"),
            ))),
            Err(ReferenceError::Failed(message) | ReferenceError::Forbidden(message)) => {
                Err(SchemaTrouble::Unreadable(message))
            }
        }
    }

    /// Archives or removes what an event type holds. `None`: nothing is left to do.
    pub(super) async fn clean_up_event_type(
        &self,
        object: &Object,
        event_type: &WebhookEventType,
    ) -> Result<Option<Outcome>, Failed> {
        let key = object.key();
        let status = event_type.status.as_ref().and_then(|status| status.svix.as_ref());
        let connection = status.map_or_else(|| event_type.connection_name(), |svix| svix.connection.as_str());
        let name = status.map_or_else(|| event_type.event_type_name(), |svix| svix.name.clone());
        if status.is_none() && self.registry.other_holder(&key).is_some() {
            return Ok(None);
        }
        let thing = SvixResource::EventType(name.as_str().into());
        if let Some(heir) = self.registry.heir(connection, &thing, &key) {
            if status.is_some() {
                self.bequeath(connection, &name, &heir).await?;
                self.remember(&heir, |memory| memory.inherited = Some(connection.into()));
                self.did(
                    object,
                    EventReason::HandedOver,
                    format!("event type {name} stays in Svix for {heir}"),
                );
            }
            return Ok(None);
        }
        // Nothing was ever written for it.
        let annotation =
            object.meta().annotations.as_ref().and_then(|all| all.get(crate::api::CLAIM_ANNOTATION));
        if status.is_none() && annotation.is_none() {
            return Ok(None);
        }
        let live = match self.live(connection) {
            Ok(live) => live,
            Err(refusal) => return Ok(self.clean_up_without_connection(object, refusal)),
        };
        let Some(document) = live.client.get_event_type(&name).await? else { return Ok(None) };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let ours = status.is_some()
            || annotation.is_some_and(|found| {
                let thing = claims::thing(connection, &name);
                let content = document.observed.content_digest();
                *found == live.client.with_token(|token| claims::claim_value(token, uid, &thing, content))
            });
        // Whoever may not expunge any more archives.
        let expunge = event_type.spec.deletion_policy() == EventTypeDeletionPolicy::Expunge
            && self.registry.permitted(object).is_ok();
        if ours && (expunge || !document.observed.archived) {
            live.client.delete_event_type(&name, expunge).await?;
            if expunge {
                live.mirror.remove_event_type(&name);
            } else {
                live.mirror.put_event_type(Observed { archived: true, ..document.observed });
            }
            self.did(
                object,
                if expunge { EventReason::Expunged } else { EventReason::Archived },
                format!("event type {name}"),
            );
        }
        Ok(None)
    }

    /// Records that what is in Svix is its heir's, so that a crash before the heir has it changes nothing.
    async fn bequeath(&self, connection: &str, name: &str, heir: &ObjectKey) -> Result<(), Failed> {
        let (Ok(live), Some(object)) = (self.live(connection), self.registry.get(heir)) else {
            return Ok(());
        };
        let Some(observed) = live.mirror.event_type(name) else { return Ok(()) };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let thing = claims::thing(connection, name);
        let content = observed.content_digest();
        let value = live.client.with_token(|token| claims::claim_value(token, uid, &thing, content));
        match self.claim(&object, Some(&value)).await {
            Ok(_) => Ok(()),
            // Another one may be the heir by now.
            Err(HostError::Gone) => Err(HostError::Conflict.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The fields of the present spec that the server is known to ignore.
    pub(super) fn ignored(&self, key: &ObjectKey, object: &Object) -> Vec<&'static str> {
        self.remember(key, |memory| match &memory.ignored {
            Some((generation, fields)) if *generation == object.meta().generation => fields.clone(),
            _ => Vec::new(),
        })
    }

    /// In step, but for the fields that the server ignores.
    pub(super) fn with_ignored(
        &self,
        key: &ObjectKey,
        object: &Object,
        mut ignored: Vec<&'static str>,
        hold: Hold,
    ) -> Outcome {
        ignored.sort_unstable();
        ignored.dedup();
        if ignored.is_empty() {
            return Outcome::ready(hold);
        }
        let message = format!(
            "this Svix server took the write but not {}: it does not know the field, or only Svix Cloud does; take it \
             out of the spec",
            ignored.join(", ")
        );
        self.remember(key, |memory| memory.ignored = Some((object.meta().generation, ignored)));
        Outcome { hold: Some(hold), ..Outcome::stalled(ReconcileError::new(Reason::FieldsIgnored, message)) }
    }

    /// What an object does whose connection cannot be used: it waits.
    pub(super) fn without_connection(&self, connection: &str) -> Outcome {
        let refusal = match self.live(connection) {
            Err(refusal) => refusal,
            Ok(_) => ReconcileError::new(Reason::ConnectionNotReady, "the connection is being connected"),
        };
        Outcome::waiting(refusal)
    }
}

/// What carrying out a plan came to.
pub(super) enum Carried {
    /// Done, but for these fields, which the server ignored.
    Done(Vec<&'static str>),
    /// It must not be done.
    Not(Box<Outcome>),
}

/// How an object stands to an event type in Svix.
#[derive(Clone, Copy)]
struct Stand {
    /// Whether status says that it holds it.
    held: bool,
    adoption: Adoption,
    /// Whether Svix is read, whatever is remembered of it.
    forced: bool,
}

/// Whether what is found in Svix is what a claim announced whose write had no end that we saw.
fn is_claimed(live: &Live, object: &Object, wanted: &Desired, observed: &Observed) -> bool {
    let uid = object.meta().uid.as_deref().unwrap_or_default();
    let thing = claims::thing(object.connection_name(), &wanted.name);
    let content = observed.content_digest();
    let value = live.client.with_token(|token| claims::claim_value(token, uid, &thing, content));
    claims::is_claimed(object.meta().annotations.as_ref(), &value)
}

/// Why there is no schema.
pub(super) enum SchemaTrouble {
    /// Until something changes.
    Refused(ReconcileError),
    /// Now.
    Unreadable(String),
}

/// Another object holds what this one declares.
pub(super) fn conflict(thing: &str, holder: &ObjectKey) -> ReconcileError {
    ReconcileError::new(
        Reason::Conflict,
        format!("{thing} is held by {holder}, which declares it, too; delete one of the two, or rename it"),
    )
}

/// Svix's answers contradict each other for longer than any race explains.
pub(super) fn unsteady(operation: &'static str) -> crate::svix::Error {
    crate::svix::Error {
        operation,
        kind: ErrorKind::Answer {
            status: 200,
            message: "it keeps changing while it is being changed".to_owned(),
        },
    }
}
