//! What differs in what Svix's lists do not show.

use crate::plan::{
    Difference,
    endpoint::{Desired, HiddenDifference, Observed},
    headers, signing,
};

use super::super::super::{outcome::Error, session::Session};

/// Returns how headers and key in Svix differ from what is declared.
pub(super) async fn hidden_differences(
    session: &Session,
    wanted: &Desired,
    observed: &Observed,
) -> Result<Vec<Difference>, Error> {
    let (differences, _) = compare_hidden(session, wanted, observed).await?;
    Ok(differences.iter().map(Difference::from).collect())
}

/// Returns how headers and key in Svix differ from what is declared, and the names of the declared headers whose values Svix
/// hides.
pub(super) async fn compare_hidden(
    session: &Session,
    wanted: &Desired,
    observed: &Observed,
) -> Result<(Vec<HiddenDifference>, Vec<String>), Error> {
    let mut differences = Vec::new();
    let mut unknown = Vec::new();
    let application = wanted.application.as_str();
    if let Some(headers) = &wanted.headers {
        let found = session.client.get_headers(application, &observed.id).await?.unwrap_or_default();
        let comparison = headers::compare(headers, &found);
        let hides = |name: &str| found.hidden.iter().any(|other| other.eq_ignore_ascii_case(name));
        unknown.extend(headers.keys().filter(|name| hides(name)).cloned());
        for name in comparison.differing {
            let in_svix =
                found.shown.keys().chain(&found.hidden).any(|other| other.eq_ignore_ascii_case(&name));
            let declared = headers.keys().any(|other| other.eq_ignore_ascii_case(&name));
            differences.push(HiddenDifference::Header { name, in_svix, declared });
        }
    }
    if let Some(key) = &wanted.signing_key
        && session.client.get_signing_key(application, &observed.id).await? != Some(signing::as_returned(key))
    {
        differences.push(HiddenDifference::SigningKey);
    }
    Ok((differences, unknown))
}
