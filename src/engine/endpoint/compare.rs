//! An endpoint that is only compared with Svix: `managementPolicy: Observe`, or suspended.

use crate::{
    api::{Action, WebhookEndpoint},
    engine::{
        Engine, Host,
        policy::Begun,
        reconcile::{Failed, Outcome},
    },
    plan::endpoint::{self, Desired, Step},
};

use super::{Stand, keep_uid};

impl<S: Host> Engine<S> {
    /// Compares an endpoint with Svix; writes nothing.
    pub(super) async fn compare_endpoint(
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
}
