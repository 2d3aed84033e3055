//! Reading one endpoint from Svix into the mirror.

use crate::plan::endpoint::Observed;

use super::{
    super::super::{outcome::Error, session::Session},
    progress::Applied,
};

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

/// Reads the `updatedAt` that a write left whose response has no body.
pub(super) async fn reread(session: &Session, applied: &mut Applied, application: &str) -> Result<(), Error> {
    let found = session.client.get_endpoint(application, &applied.observed.id).await?;
    let observed = found.ok_or_else(|| Error::vanished("endpoint.get"))?;
    session.mirror.put_endpoint(application, observed.clone());
    applied.observed = observed;
    Ok(())
}
