//! Carrying out the plan for an endpoint, until Svix holds what its lists show.

use crate::plan::{
    endpoint::{self, Desired, EndpointStep, Observed, Ownership},
    unapplied::Unapplied,
};

use super::{
    super::super::{host::Host, object::Object, outcome::Error, session::Session},
    ownership::ownership,
    pass::Pass,
    writes,
};

/// More attempts than any sequence of surprises takes; then the object is reconciled again later.
const MAX_ATTEMPTS: usize = 8;

/// An endpoint that Svix holds as declared, as far as lists show it.
#[derive(Debug)]
pub(super) struct Applied {
    /// As it is now.
    pub observed: Observed,
    /// Its `updatedAt` before anything was written.
    pub updated_at_before: i64,
    /// Whether the headers were written with it.
    pub wrote_headers: bool,
    /// Whether the signing key was written with it.
    pub wrote_key: bool,
    /// Whether headers were removed that have to be written again.
    pub withheld_headers: bool,
    /// What the server did not apply.
    pub unapplied: Unapplied,
}

impl Applied {
    /// Nothing had to be written.
    pub fn unchanged(observed: Observed) -> Self {
        Self {
            updated_at_before: observed.updated_at,
            observed,
            wrote_headers: false,
            wrote_key: false,
            withheld_headers: false,
            unapplied: Unapplied::default(),
        }
    }
}

/// An endpoint while its plan is carried out.
pub(super) struct Progress {
    /// The object, as it was stored last.
    pub object: Object,
    /// What Svix is to hold.
    pub wanted: Desired,
    /// What Svix holds.
    pub observed: Option<Observed>,
    /// Whether `observed` was read in this reconcile: the mirror may be out of date.
    pub is_fresh: bool,
    /// The endpoint that this reconcile created and has yet to enable.
    pub created: Option<Applied>,
}

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
    match step {
        EndpointStep::InSync => {
            pass.ctx.claim(&progress.object, None).await?;
            let unchanged = progress.observed.take().map(Applied::unchanged);
            Ok(progress.created.take().or(unchanged))
        }
        EndpointStep::Refuse(cause) => Err(cause.into()),
        EndpointStep::Create => writes::create(pass, progress).await,
        EndpointStep::Adopt(change, differences) | EndpointStep::Change(change, differences) => {
            writes::change(pass, progress, &change, &differences, ownership).await
        }
    }
}

/// Reads an endpoint from Svix into the mirror, by id and, when that is gone, by uid.
pub(super) async fn read(
    session: &Session,
    application: &str,
    id: &str,
    uid: &str,
) -> Result<Option<Observed>, Error> {
    let mut found = session.client.get_endpoint(application, id).await?;
    if found.is_none() {
        // It may not be the only one that is gone.
        if session.mirror.endpoint(application, Some(id), uid).is_some() {
            session.request_relist();
        }
        session.mirror.remove_endpoint(application, id);
        if id != uid {
            found = session.client.get_endpoint(application, uid).await?;
        }
    }
    if let Some(found) = &found {
        session.mirror.put_endpoint(application, found.clone());
    }
    Ok(found)
}
