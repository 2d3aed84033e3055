//! What every step of one endpoint's reconcile is given.

use crate::{
    api::{Adoption, EndpointInSvix, SvixConnection, WebhookEndpoint},
    plan::{
        adopt_id,
        endpoint::{AdoptionRequest, Desired, Observed},
        secrets::{Secrets, Sensitive},
        signing::key_for_recreation,
    },
};

use super::{
    super::{
        super::{context::Context, host::Host, object::Object, session::Session},
        prepare::Prepared,
    },
    recorded::recorded,
};

/// One reconcile of an endpoint.
pub(super) struct Pass<'a, H: Host> {
    pub ctx: &'a Context<H>,
    /// The object as it was when the reconcile began.
    pub object: &'a Object,
    pub endpoint: &'a WebhookEndpoint,
    pub connection: &'a SvixConnection,
    pub session: &'a Session,
    /// The Secrets that the spec refers to; one that is written is replaced.
    pub secrets: Secrets,
    /// What status records of the endpoint on this connection.
    pub recorded: Option<&'a EndpointInSvix>,
    /// The id of the endpoint that the object is to take over.
    pub adopt_id: Option<&'a str>,
    /// The `adoption` that the object may have.
    pub adoption: Adoption,
    /// Whether Svix is read, whatever is remembered of it.
    pub reads_svix: bool,
}

impl<'a, H: Host> Pass<'a, H> {
    pub fn new(
        ctx: &'a Context<H>,
        object: &'a Object,
        endpoint: &'a WebhookEndpoint,
        prepared: &'a Prepared,
        secrets: Secrets,
    ) -> Self {
        Self {
            ctx,
            object,
            endpoint,
            connection: &prepared.connection,
            session: &prepared.session,
            secrets,
            recorded: recorded(endpoint),
            adopt_id: adopt_id::named(&endpoint.metadata),
            adoption: ctx.adoption(object, &prepared.connection),
            reads_svix: object.pending_reconcile_request().is_some(),
        }
    }

    /// Returns what status records, if it is of this endpoint in Svix.
    pub fn recorded_as(&self, observed: &Observed) -> Option<&'a EndpointInSvix> {
        self.recorded.filter(|svix| *svix.id == *observed.id)
    }

    /// Returns the id of the endpoint that the object has or means.
    pub fn known_id(&self) -> Option<&'a str> {
        self.recorded.map(|svix| svix.id.as_str()).or(self.adopt_id)
    }

    /// Returns how far the object goes with an endpoint that is not its own.
    pub fn claim(&self, observed: Option<&Observed>) -> AdoptionRequest {
        // A person who approves a step stands in for a claim, not for another owner.
        let is_own_decision = self.ctx.reviewer().is_none()
            || self.ctx.registry.granted_adoption(self.object, self.connection) == Adoption::Override;
        AdoptionRequest { adoption: self.adoption, by_id: is_own_decision && self.is_named(observed) }
    }

    /// Whether the object names this endpoint by its id, and has none yet.
    pub fn is_named(&self, observed: Option<&Observed>) -> bool {
        self.recorded.is_none() && observed.is_some_and(|observed| self.adopt_id == Some(&*observed.id))
    }

    /// Returns the signing key in the Secret that it is written to: an endpoint that is created again keeps it.
    pub fn published_key(&self) -> Option<Sensitive> {
        let to = self.endpoint.spec.signing_secret.as_ref()?.to_secret.as_ref()?;
        let secret = self.secrets.get(&to.name)?.as_ref()?;
        key_for_recreation(secret, self.endpoint, to)
    }

    /// Whether this generation of the spec was carried out before.
    pub fn was_carried_out(&self) -> bool {
        self.recorded
            .is_some_and(|svix| svix.generation.is_some() && svix.generation == self.object.generation())
    }

    /// Whether the spec says `disabled: false` and what disables the endpoint afterwards is respected: it is enabled when
    /// the spec changes, and not again.
    pub fn leaves_disabled(&self) -> bool {
        self.endpoint.spec.disabled == Some(false) && self.was_carried_out()
    }

    /// Returns what is wanted without `disabled`, where [`Self::leaves_disabled`].
    pub fn respect_automatic_disabling(&self, desired: Desired) -> Desired {
        if self.leaves_disabled() { Desired { disabled: None, ..desired } } else { desired }
    }

    /// Returns what is wanted with the uid of an endpoint that is taken over by its id, unless the spec names another: who
    /// knows it by that uid finds it again.
    pub fn keep_uid(&self, wanted: Desired, observed: Option<&Observed>) -> Desired {
        let named = observed.filter(|observed| self.is_named(Some(observed)));
        match named.and_then(|observed| observed.uid.as_deref()) {
            Some(uid) if self.endpoint.spec.uid.is_none() => Desired { uid: uid.to_owned(), ..wanted },
            _ => wanted,
        }
    }
}
