//! Endpoints: from the object to what Svix holds, and to what status says of it.

mod carry_out;
mod clean_up;
mod compare;
mod headers;
mod signing;
mod unlisted;

use std::sync::Arc;

use crate::{
    api::{
        ADOPT_ID_ANNOTATION, Adoption, ConditionStatus, ConditionType, EndpointInSvix, Reason,
        WebhookEndpoint, annotation,
    },
    plan::{
        ReconcileError,
        endpoint::{self, Claim, Desired, Observed, Owned, Ownership, Step},
        ids,
        secrets::{Secrets, Sensitive},
        signing::to_make_again_with,
        status::{ExtraCondition, ReadyState},
    },
};

use super::{
    Engine, Host, Kind, Mode, Object, ObjectKey,
    event_type::conflict,
    policy::Begun,
    queue::Next,
    reconcile::{Failed, Hold, Outcome, Seen},
};

pub(super) use headers::Written;

use unlisted::Listed;

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
    /// Whether headers were taken away that have to be written again.
    withheld_headers: bool,
    /// The fields that the server ignored.
    ignored: Vec<&'static str>,
}

impl Done {
    /// It waits for a person.
    fn stalled(refusal: ReconcileError) -> Self {
        Self::Not(Box::new(Outcome::stalled(refusal)))
    }
}

impl Held {
    /// Nothing had to be written.
    fn as_it_is(observed: Observed) -> Self {
        Self {
            before: observed.updated_at,
            observed,
            wrote_headers: false,
            wrote_key: false,
            withheld_headers: false,
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
    /// The key in the Secret that it is written to: what an endpoint that is made signs with.
    key: Option<&'a Sensitive>,
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

impl<S: Host> Engine<S> {
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
        let written_to = endpoint.spec.signing_secret.as_ref().and_then(|signing| signing.to_secret.as_ref());
        let handed_out = written_to.and_then(|to| {
            let secret = secrets.get(&to.name)?.as_ref()?;
            to_make_again_with(secret, endpoint, to.key())
        });
        let stand = Stand {
            held_id: held.map(|svix| svix.id.as_str()),
            adopt_id: annotation(&endpoint.metadata, ADOPT_ID_ANNOTATION).filter(|id| ids::is_name(id)),
            adoption: self.registry.adoption(object, connection),
            owner_id: &connection.spec.owner_id,
            namespace,
            key: handed_out.as_ref(),
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
        let Held { observed, before, wrote_headers, wrote_key, withheld_headers, .. } = held_now;
        let (id, is_disabled) = (observed.id.clone(), observed.disabled);
        let listed = Listed {
            endpoint,
            wanted,
            observed,
            before,
            wrote_headers,
            wrote_key,
            withheld_headers,
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
        let mut extra_conditions = Vec::new();
        let disabled_by_other = is_disabled && endpoint.spec.disabled != Some(true);
        if disabled_by_other {
            extra_conditions.push(ExtraCondition {
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
        if let ReadyState::Ready(reason, message) = &mut outcome.verdict {
            if is_left_disabled && disabled_by_other {
                let message = format!("/spec/disabled: found true in Svix, declared false. {DISABLED}");
                outcome.verdict = ReadyState::Stalled(ReconcileError::new(Reason::DisabledInSvix, message));
            } else {
                if disabled_by_other {
                    *reason = Reason::DisabledInSvix;
                    *message = DISABLED.to_owned();
                }
                self.name_rivals(object, message);
            }
        }
        outcome.next = match (&outcome.verdict, looks.into_iter().min()) {
            (ReadyState::Waiting(_), Some(delay)) => Next::After(delay),
            (_, Some(delay)) => Next::Later(delay),
            (_, None) => Next::Settled,
        };
        outcome.seen = Some(Box::new(Seen {
            extra_conditions,
            difference: None,
            statistics,
            signing_key: kept.signing_key,
            rotate_at: kept.rotate_at,
        }));
        Ok(outcome)
    }

    /// Whose the endpoint is that was found.
    fn ownership_of(&self, observed: Option<&Observed>, wanted: &Desired, stand: Stand<'_>) -> Ownership {
        observed.map_or(Ownership::Nobody, |observed| {
            endpoint::ownership(observed, &wanted.mark, stand.held_id, |mark| {
                self.of_other(stand.owner_id, stand.namespace, mark)
            })
        })
    }

    /// Whose an endpoint is with another mark. One of an object of this owner that is gone is nobody's; within one
    /// namespace, where objects are renamed, it is ours.
    fn of_other(&self, owner_id: &str, namespace: &str, mark: &str) -> Ownership {
        let mut parts = mark.splitn(3, '/');
        let (Some(owner), Some(of), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Ownership::Other;
        };
        let key = ObjectKey { kind: Kind::Endpoint, namespace: of.into(), name: name.into() };
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
