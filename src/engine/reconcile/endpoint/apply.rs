//! Carrying out the plan for an endpoint, until Svix holds what its lists show.

use crate::plan::{
    endpoint::{self, Change, Desired, EndpointStep, Observed, Ownership},
    unapplied::unapplied,
};

use super::{
    super::{
        super::{host::Host, outcome::Error, review::Proposal},
        ignored_fields,
    },
    ownership::ownership,
    pass::Pass,
    progress::{Applied, Progress},
    read::read,
    writes,
};

/// More attempts than any sequence of surprises takes; then the object is reconciled again later.
const MAX_ATTEMPTS: usize = 8;

/// Does what the plan says until Svix holds what is wanted. Returns that as it turned out to be, too.
pub(super) async fn apply<H: Host>(pass: &Pass<'_, H>, wanted: Desired) -> Result<(Applied, Desired), Error> {
    let observed = pass.session.mirror.endpoint(&wanted.application, pass.known_id(), &wanted.uid);
    let mut progress = Progress {
        object: pass.object.clone(),
        wanted,
        observed: observed.map(|observed| (*observed).clone()),
        is_fresh: false,
        created: None,
    };
    for _ in 0..MAX_ATTEMPTS {
        progress.wanted = pass.keep_uid(progress.wanted, progress.observed.as_ref());
        let (wanted, observed) = (&progress.wanted, progress.observed.as_ref());
        let ownership = ownership(pass, observed, wanted);
        let step = endpoint::plan(wanted, observed, ownership, pass.claim(observed));

        let is_certain = matches!(step, EndpointStep::InSync | EndpointStep::Create);
        if let (false, Some(observed)) = (progress.is_fresh, observed)
            && (!is_certain || pass.reads_svix)
        {
            let id = observed.id.clone();
            progress.observed = read(pass.session, &wanted.application, &id, &wanted.uid).await?;
            progress.is_fresh = true;
            continue;
        }

        if let Some(applied) = carry_out(pass, &mut progress, step, ownership).await? {
            return Ok((applied, progress.wanted));
        }
    }
    Err(Error::unsteady("endpoint"))
}

/// Carries out one step. `None`: something came in between, or more is to be done; what was observed says what.
async fn carry_out<H: Host>(
    pass: &Pass<'_, H>,
    progress: &mut Progress,
    step: EndpointStep,
    ownership: Ownership,
) -> Result<Option<Applied>, Error> {
    // The last step of a creation was approved with the creation.
    let is_preparing = progress.observed.as_ref().is_some_and(Observed::is_preparing);
    let is_last_step = ownership == Ownership::Ours && is_preparing;
    if !matches!(step, EndpointStep::InSync | EndpointStep::Refuse(_)) && !is_last_step {
        let proposal = Proposal::Endpoint {
            desired: &progress.wanted,
            observed: progress.observed.as_ref(),
            step: &step,
            hidden: &[],
            unknown_headers: &[],
            creates_application: false,
        };
        pass.ctx.require_approval(&progress.object, proposal)?;
    }
    match step {
        EndpointStep::InSync => {
            pass.ctx.claim(&progress.object, None).await?;
            let unchanged = progress.observed.take().map(Applied::unchanged);
            Ok(progress.created.take().or(unchanged))
        }
        EndpointStep::Refuse(cause) => Err(cause.into()),
        EndpointStep::Create => writes::create(pass, progress).await,
        EndpointStep::Change(change, differences) if is_in_vain(pass, progress, &change) => {
            let observed = progress.observed.take().map(Applied::unchanged);
            Ok(observed.map(|applied| Applied { unapplied: unapplied(differences), ..applied }))
        }
        EndpointStep::Adopt(change, differences) | EndpointStep::Change(change, differences) => {
            writes::change(pass, progress, &change, &differences, ownership).await
        }
    }
}

/// Whether the last write made the same change, and the server stored other values. A reconcile that somebody asks for
/// tries it again.
fn is_in_vain<H: Host>(pass: &Pass<'_, H>, progress: &Progress, change: &Change) -> bool {
    let Some(observed) = progress.observed.as_ref().filter(|_| !pass.reads_svix) else { return false };
    ignored_fields::is_in_vain(pass.ctx, pass.object, writes::digest_of(pass.ctx, change, observed))
}
