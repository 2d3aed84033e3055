//! `WebhookEndpoint` as a kind.

use crate::{
    api::{
        Adoption, EndpointDeletionPolicy, Summary, SvixConnection, WebhookEndpoint, WebhookEndpointStatus,
    },
    plan::{
        ReconcileError,
        access::{Declares as _, Grants},
    },
};

use super::super::{
    super::{
        context::Context,
        host::Host,
        object::{Mode, Object, Resource, Status, StatusHeader, SvixResource},
        outcome::{Details, Error, Outcome, RemoteRef},
    },
    kind::{Reconcile, Report},
};

use super::recorded::{default_uid, in_svix};

impl Resource for WebhookEndpoint {
    fn connection_name(&self) -> &str {
        self.connection_name()
    }

    fn status_header(&self) -> StatusHeader<'_> {
        self.status.as_ref().map_or_else(StatusHeader::default, |status| StatusHeader {
            conditions: &status.conditions,
            observed_generation: status.observed_generation,
            last_handled_reconcile_at: status.last_handled_reconcile_at.as_deref(),
        })
    }

    fn mode(&self) -> Mode {
        Mode::of_spec(self.spec.suspend, self.spec.management_policy)
    }

    fn retains(&self) -> bool {
        self.spec.deletion_policy() == EndpointDeletionPolicy::Retain
    }

    fn declared(&self, connection: Option<&SvixConnection>) -> Option<SvixResource> {
        let connection = connection?;
        // One that was adopted by its id keeps its own uid.
        let name_of_connection = connection.metadata.name.as_deref();
        let recorded = in_svix(self).filter(|svix| Some(svix.connection.as_str()) == name_of_connection);
        let uid = self
            .spec
            .uid
            .clone()
            .or_else(|| recorded.map(|svix| svix.uid.clone()))
            .unwrap_or_else(|| default_uid(self, connection));
        Some(SvixResource::Endpoint(self.spec.application(&connection.spec).into(), uid.into()))
    }

    fn recorded(&self) -> Option<(&str, SvixResource)> {
        let svix = in_svix(self)?;
        let resource = SvixResource::Endpoint(svix.application.as_str().into(), svix.uid.as_str().into());
        Some((&svix.connection, resource))
    }

    fn recorded_id(&self) -> Option<&str> {
        in_svix(self).map(|svix| svix.id.as_str())
    }

    fn secret_names(&self) -> Vec<&str> {
        self.spec.secret_names().collect()
    }

    fn check_access(&self, grants: &Grants<'_>, connection: &SvixConnection) -> Result<(), ReconcileError> {
        self.check(grants, &connection.spec)
    }

    fn granted_adoption(&self, grants: &Grants<'_>, connection: &SvixConnection) -> Adoption {
        let application = self.spec.application(&connection.spec);
        self.spec.adoption().min(grants.of_endpoint(application, &self.spec.event_types))
    }

    fn has_difference(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.difference.is_some())
    }
}

impl Reconcile for WebhookEndpoint {
    async fn reconcile<H: Host>(&self, ctx: &Context<H>, object: &Object) -> Result<Outcome, Error> {
        super::reconcile(ctx, object, self).await
    }

    async fn clean_up<H: Host>(&self, ctx: &Context<H>, object: &Object) -> Result<(), Error> {
        super::delete::delete(ctx, object, self).await
    }

    fn status(&self, report: Report<'_>) -> Status {
        let header = self.status_header();
        let before = self.status.clone().unwrap_or_default();
        let observed_generation = report.generation;
        let last_handled_reconcile_at = report.last_handled_reconcile_at(header.last_handled_reconcile_at);
        let conditions = report.conditions(header.conditions);
        let Details { difference, statistics, signing_key, handled_rotate_at, .. } =
            report.details.unwrap_or_else(|| Details {
                difference: before.difference.map(|difference| *difference),
                statistics: before.statistics.as_deref().copied(),
                signing_key: before.signing_key.as_deref().cloned(),
                ..Details::default()
            });
        Status::Endpoint(Box::new(WebhookEndpointStatus {
            observed_generation,
            last_handled_reconcile_at,
            last_handled_rotate_at: handled_rotate_at.or(before.last_handled_rotate_at),
            svix: match report.remote {
                Some(RemoteRef::Endpoint(svix)) => Some(*svix),
                Some(RemoteRef::None) => None,
                _ => before.svix,
            },
            // An endpoint that is only compared keeps its key in the Secret.
            signing_key: signing_key.map(Box::new).or(before.signing_key.filter(|_| !report.is_managed)),
            difference: difference.filter(|_| !report.is_managed).map(Box::new),
            statistics: statistics.map(Box::new),
            summary: Summary::of(&self.spec.event_types, self.spec.channels.as_deref()),
            conditions,
        }))
    }
}
