//! What differs in what Svix's lists do not show.

use crate::plan::{
    Difference, Field,
    endpoint::{Desired, Observed},
    headers, signing,
};

use super::super::super::{outcome::Error, session::Session};

/// Returns how headers and key in Svix differ from what is declared.
pub(super) async fn hidden_differences(
    session: &Session,
    wanted: &Desired,
    observed: &Observed,
) -> Result<Vec<Difference>, Error> {
    let mut differences = Vec::new();
    let application = wanted.application.as_str();
    if let Some(headers) = &wanted.headers {
        let found = session.client.get_headers(application, &observed.id).await?.unwrap_or_default();
        let comparison = headers::compare(headers, &found);
        for name in comparison.differing {
            let has = |is_there: bool| if is_there { "a value (not shown)" } else { "none" }.to_owned();
            let in_svix =
                found.shown.keys().chain(&found.hidden).any(|other| other.eq_ignore_ascii_case(&name));
            let declared = headers.keys().any(|other| other.eq_ignore_ascii_case(&name));
            let (found, expected) = match (in_svix, declared) {
                (true, true) => ("another value (not shown)".to_owned(), "its own".to_owned()),
                (in_svix, declared) => (has(in_svix), has(declared)),
            };
            differences.push(Difference {
                field: Field::Headers,
                found: format!("{name}: {found}"),
                expected: format!("{name}: {expected}"),
            });
        }
    }
    if let Some(key) = &wanted.signing_key
        && session.client.get_signing_key(application, &observed.id).await? != Some(signing::as_returned(key))
    {
        differences.push(Difference {
            field: Field::SigningSecret,
            found: "another key (not shown)".to_owned(),
            expected: "the one in the Secret".to_owned(),
        });
    }
    Ok(differences)
}
