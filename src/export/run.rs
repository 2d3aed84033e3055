//! The steps of an export: survey, event types, connection, endpoints. Svix is read page by page, and a page is written before the
//! next is read.

use std::collections::HashSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    api::EventTypeNames,
    manifests::check::{Checker, CheckerError},
    plan::{OwnerMark, endpoint::Observed},
    svix::{Application, Client, Error, Page, retry},
};

use super::{
    connection,
    endpoint::{Details, Exporter, Found},
    event_type,
    exported::Exported,
    files::{Files, FilesError, Place},
    identity::Identities,
    limitation::{Limitation, Note, Subject},
    options::Options,
    report::Report,
    survey::{ApplicationFacts, Survey, SurveyedApplication},
};

/// How many requests are under way at a time.
const CONCURRENCY: usize = 16;

/// Why an export ended.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Svix failed.
    #[error(transparent)]
    Svix(#[from] Error),
    /// A file cannot be written.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A defect of this program.
    #[error(transparent)]
    Checker(#[from] CheckerError),
    /// The connection cannot be declared.
    #[error("SvixConnection: {0}")]
    Connection(Limitation),
}

/// What is told of the progress of an export.
pub trait Progress {
    /// A step begins, of so many items, if that is known.
    fn begin(&self, step: &'static str, items: Option<usize>);
    /// So many items more are done.
    fn advance(&self, items: usize);
}

/// Exports an environment to files, which the caller finishes.
///
/// # Guarantees
/// - Nothing is written to Svix.
/// - What is in the manifests is adopted by the operator with its mark as the only write to an endpoint, and none to an event
///   type: each is compared with what Svix has as the operator compares it.
/// - Memory is bounded by the pages, beside a few bytes for each application and name.
///
/// # Caveats
/// - It is no snapshot: what changes in Svix meanwhile is exported before or after the change.
pub async fn export(
    client: &Client,
    options: &Options,
    files: &mut Files,
    progress: &impl Progress,
) -> Result<Report, ExportError> {
    let checker = Checker::new()?;
    let survey = survey(client, options, progress).await?;
    let owner = survey.owner(options.owner_id.as_deref());
    let connection = connection::spec(client.server_url(), &owner, survey.encoding());
    let mut run = Run {
        client,
        options,
        files,
        checker: &checker,
        active: HashSet::new(),
        report: Report {
            owner: owner.clone(),
            swh_applications: survey.swh_applications(),
            notes: survey.notes.clone(),
            ..Report::default()
        },
    };

    progress.begin("event types", None);
    let names = run.event_types(progress).await?;
    let manifest =
        connection::export(&connection, names, options, &checker).map_err(ExportError::Connection)?;
    run.files.add(Place::Connection, &manifest, &[])?;

    progress.begin("endpoints", Some(survey.endpoints()));
    let mut identities = Identities::new(&owner, options.namespace.as_deref(), survey.marks());
    let exporter = Exporter { options, connection: &connection, checker: &checker };
    for application in &survey.applications {
        run.endpoints(application, &exporter, &mut identities, progress).await?;
    }
    Ok(run.report)
}

/// Reads all applications and endpoints once, and keeps what must be known before the first manifest is written.
async fn survey(client: &Client, options: &Options, progress: &impl Progress) -> Result<Survey, ExportError> {
    progress.begin("applications", None);
    let mut survey = Survey::default();
    let mut from = None;
    loop {
        let page = retry(|| client.list_applications(from.as_deref())).await?;
        let selected = page.items.into_iter().filter(|application| {
            options.selection.has_application(&application.id, application.uid.as_deref())
        });
        let mut surveyed = stream::iter(selected)
            .map(|application| async move {
                let facts = facts(client, options, &application).await?;
                Ok::<_, Error>((application, facts))
            })
            .buffered(CONCURRENCY);
        while let Some((application, facts)) = surveyed.try_next().await? {
            survey.add_application(&application, facts);
            progress.advance(1);
        }
        drop(surveyed);
        from = page.next;
        if from.is_none() {
            return Ok(survey);
        }
    }
}

async fn facts(
    client: &Client,
    options: &Options,
    application: &Application,
) -> Result<ApplicationFacts, Error> {
    let mut facts = ApplicationFacts::default();
    let mut from = None;
    loop {
        let page = endpoint_page(client, options, &application.id, from.as_deref()).await?;
        page.items.iter().for_each(|endpoint| facts.add(application, endpoint));
        from = page.next;
        if from.is_none() {
            return Ok(facts);
        }
    }
}

/// Returns the selected endpoints of a page; none of an application that was deleted.
async fn endpoint_page(
    client: &Client,
    options: &Options,
    application: &str,
    from: Option<&str>,
) -> Result<Page<Observed>, Error> {
    let page = retry(|| client.list_endpoints(application, from)).await?;
    let mut page = page.unwrap_or(Page { items: Vec::new(), next: None });
    page.items.retain(|endpoint| {
        let owner = endpoint.mark().map(|mark| OwnerMark::parse(mark).map_or(mark, |mark| mark.owner));
        options.selection.has_endpoint(&endpoint.id, endpoint.uid.as_deref(), owner)
    });
    Ok(page)
}

/// An export under way.
struct Run<'a> {
    client: &'a Client,
    options: &'a Options,
    files: &'a mut Files,
    checker: &'a Checker,
    /// The names of all event types in Svix that are not archived.
    active: HashSet<String>,
    report: Report,
}

impl Run<'_> {
    /// Exports the event types. Returns which names they have.
    async fn event_types(&mut self, progress: &impl Progress) -> Result<EventTypeNames, ExportError> {
        let mut names = EventTypeNames::default();
        let mut from = None;
        loop {
            let client = self.client;
            let page = retry(|| client.list_event_type_texts(from.as_deref())).await?;
            progress.advance(page.items.len());
            for found in page.items {
                let observed = &found.observed;
                if !observed.archived {
                    self.active.insert(observed.name.clone());
                }
                if !self.options.selection.has_event_type(&observed.name) {
                    continue;
                }
                if observed.archived && !self.options.archived {
                    self.report.archived += 1;
                    continue;
                }
                let subject = Subject::EventType(observed.name.clone());
                match event_type::export(&found, self.options, self.checker) {
                    Ok(exported) => {
                        if event_type::needs_any_names(&observed.name) {
                            names = EventTypeNames::Any;
                        }
                        let name = super::names::object_name(&observed.name);
                        self.files.add(Place::EventType(&name), &exported.manifest, &exported.limitations)?;
                        self.report.event_types += 1;
                        self.note(&subject, exported.limitations);
                    }
                    Err(limitation) => self.note(&subject, [limitation]),
                }
            }
            from = page.next;
            if from.is_none() {
                return Ok(names);
            }
        }
    }

    /// Exports the endpoints of an application.
    async fn endpoints(
        &mut self,
        application: &SurveyedApplication,
        exporter: &Exporter<'_>,
        identities: &mut Identities<'_>,
        progress: &impl Progress,
    ) -> Result<(), ExportError> {
        let Some(uid) = application.uid.as_deref() else {
            progress.advance(application.endpoints);
            return Ok(());
        };
        let swh_event_type = application.swh_event_type.as_deref();
        let mut from = None;
        loop {
            let page = endpoint_page(self.client, self.options, &application.id, from.as_deref()).await?;
            let (client, options) = (self.client, self.options);
            let mut detailed = stream::iter(page.items)
                .map(|observed| async move {
                    let details = details(client, options, &application.id, &observed).await?;
                    Ok::<_, Error>((observed, details))
                })
                .buffered(CONCURRENCY);
            while let Some((observed, details)) = detailed.try_next().await? {
                progress.advance(1);
                let subject = Subject::Endpoint {
                    application: uid.to_owned(),
                    endpoint: observed.uid.as_ref().unwrap_or(&observed.id).to_string(),
                };
                // It was deleted since it was listed.
                let Some(details) = details else { continue };
                let found =
                    Found { application: uid, swh_event_type, observed: &observed, details: &details };
                let result = identities.of(uid, swh_event_type, &observed).and_then(|identity| {
                    exporter.export(&found, &identity).map(|exported| (identity, exported))
                });
                match result {
                    Err(limitation) => self.note(&subject, [limitation]),
                    Ok((identity, Exported { manifest, secret, mut limitations })) => {
                        limitations.extend(self.missing_event_types(&observed));
                        if let Some(secret) = &secret {
                            self.files.add(Place::Secret(uid, &identity), secret, &[])?;
                            self.report.secrets += 1;
                        }
                        self.files.add(Place::Endpoint(uid, &identity), &manifest, &limitations)?;
                        self.report.endpoints += 1;
                        self.note(&subject, limitations);
                    }
                }
            }
            drop(detailed);
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    fn missing_event_types(&self, observed: &Observed) -> Option<Limitation> {
        let names = observed.event_types.iter().flatten().map(|name| &**name);
        let missing: Vec<_> = names.filter(|name| !self.active.contains(*name)).collect();
        (!missing.is_empty()).then(|| Limitation::MissingEventTypes(missing.join(", ")))
    }

    fn note(&mut self, subject: &Subject, limitations: impl IntoIterator<Item = Limitation>) {
        let notes = limitations.into_iter().map(|limitation| Note { subject: subject.clone(), limitation });
        self.report.notes.extend(notes);
    }
}

/// Reads what lists do not show of an endpoint; `None`: it does not exist any more.
async fn details(
    client: &Client,
    options: &Options,
    application: &str,
    observed: &Observed,
) -> Result<Option<Details>, Error> {
    let Some(headers) = retry(|| client.get_headers(application, &observed.id)).await? else {
        return Ok(None);
    };
    let signing_key = match options.with_secrets {
        true => retry(|| client.get_signing_key(application, &observed.id)).await?,
        false => None,
    };
    Ok(Some(Details { headers, signing_key }))
}
