//! An endpoint that is only compared with Svix: `managementPolicy: Observe`, or suspended.

use crate::{
    api::{Action, Adoption},
    plan::{
        Difference,
        endpoint::{self, Desired, EndpointStep},
    },
};

use super::{
    super::{
        super::{
            host::Host,
            object::Mode,
            outcome::{Error, Outcome},
            review::Proposal,
        },
        observe,
    },
    hidden::compare_hidden,
    ownership::ownership,
    pass::Pass,
    read::read,
};

/// Compares an endpoint with Svix; writes nothing.
pub(super) async fn observe<H: Host>(
    pass: &Pass<'_, H>,
    mode: Mode,
    wanted: Desired,
) -> Result<Outcome, Error> {
    let session = pass.session;
    let application = wanted.application.clone();
    let known = session.mirror.endpoint(&application, pass.known_id(), &wanted.uid);
    let mut observed = known.map(|observed| (*observed).clone());
    let has_hidden = wanted.headers.is_some() || wanted.signing_key.is_some();
    match &observed {
        Some(known) if pass.reads_svix || has_hidden => {
            observed = read(session, &application, &known.id.clone(), &wanted.uid).await?;
        }
        // It may have been created since the last listing.
        None if pass.reads_svix => {
            let id = pass.known_id().unwrap_or(&wanted.uid);
            observed = read(session, &application, id, &wanted.uid).await?;
        }
        _ => {}
    }
    let wanted = pass.keep_uid(wanted, observed.as_ref());
    let ownership = ownership(pass, observed.as_ref(), &wanted);
    let mut step = endpoint::plan(&wanted, observed.as_ref(), ownership, pass.claim(observed.as_ref()));
    let mut hidden = Vec::new();
    let mut unknown_headers = Vec::new();
    if let (Some(observed), false) = (&observed, matches!(step, EndpointStep::Refuse(_))) {
        (hidden, unknown_headers) = compare_hidden(session, &wanted, observed).await?;
        let adopts_equal_only =
            matches!(step, EndpointStep::Adopt(..)) && pass.adoption != Adoption::Override;
        if adopts_equal_only && !hidden.is_empty() {
            let differences: Vec<_> = hidden.iter().map(Difference::from).collect();
            step = EndpointStep::Refuse(endpoint::refuse_adoption(&wanted, observed, &differences));
            hidden.clear();
        }
    }
    pass.ctx.propose(
        pass.object,
        Proposal::Endpoint {
            desired: &wanted,
            observed: observed.as_ref(),
            step: &step,
            hidden: &hidden,
            unknown_headers: &unknown_headers,
            creates_application: !session.mirror.application_present(&application),
        },
    );
    let (mut action, mut differences) = match endpoint::what_if(&step) {
        Some((action, differences)) => (Some(action), differences.to_vec()),
        None => (None, Vec::new()),
    };
    if !hidden.is_empty() {
        action.get_or_insert(Action::Change);
    }
    differences.extend(hidden.iter().map(Difference::from));
    let refusal = match &step {
        EndpointStep::Refuse(refusal) => Some(refusal),
        _ => None,
    };
    Ok(observe::outcome(mode, action.map(|action| (action, differences.as_slice())), refusal))
}
