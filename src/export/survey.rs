//! What must be known of an environment before the first manifest of an endpoint is written: whose marks are ours, how channels
//! are encoded, which applications swh-webhooks made. It is kept, so it is small: what is counted, and a name for each mark.

use std::collections::BTreeMap;

use crate::{
    api::ChannelEncoding,
    plan::{OwnerMark, endpoint::Observed, ids},
    svix::Application,
};

use super::{
    channel_texts::EncodingTally,
    limitation::{Limitation, Note, Subject},
    options::DEFAULT_OWNER,
    swh,
};

/// An application of an environment.
#[derive(Clone, Debug)]
pub struct SurveyedApplication {
    /// Its id.
    pub id: String,
    /// Its uid, if manifests can name it.
    pub uid: Option<String>,
    /// How many of its endpoints are selected.
    pub endpoints: usize,
    /// The event type that it is of, if swh-webhooks made it.
    pub swh_event_type: Option<String>,
}

/// An environment, before its endpoints are exported.
#[derive(Debug, Default)]
pub struct Survey {
    /// The selected applications.
    pub applications: Vec<SurveyedApplication>,
    /// What manifests cannot say of applications.
    pub notes: Vec<Note>,
    marks: Vec<String>,
    tally: EncodingTally,
}

impl Survey {
    /// Adds an application with its endpoints.
    pub fn add_application(&mut self, application: &Application, facts: ApplicationFacts) {
        let ApplicationFacts { endpoints, swh_event_type, marks, tally } = facts;
        let uid = application.uid.clone().filter(|uid| ids::is_uid(uid));
        let by_name = swh::event_type_of_application(uid.as_deref(), &application.name);
        let swh_event_type = by_name.map(ToOwned::to_owned).or(swh_event_type);
        let subject =
            || Subject::Application(application.uid.clone().unwrap_or_else(|| application.id.clone()));
        let mut note = |limitation| self.notes.push(Note { subject: subject(), limitation });
        let mut settings = Vec::new();
        let is_expected_name =
            Some(&application.name) == uid.as_ref() || swh_event_type.as_ref() == Some(&application.name);
        if !is_expected_name {
            settings.push("/name");
        }
        if application.throttle_rate.is_some() {
            settings.push("/throttleRate");
        }
        if application.has_metadata {
            settings.push("/metadata");
        }
        if uid.is_none() {
            note(Limitation::ApplicationUid { uid: application.uid.clone(), endpoints });
        } else if endpoints == 0 {
            note(Limitation::EmptyApplication);
        } else if !settings.is_empty() {
            note(Limitation::ApplicationSettings(settings.join(", ")));
        }
        if uid.is_some() {
            self.marks.extend(marks);
            self.tally.merge(&tally);
        }
        self.applications.push(SurveyedApplication {
            id: application.id.clone(),
            uid,
            endpoints,
            swh_event_type,
        });
    }

    /// The owner whose marks are ours: the one that is given, else the one with the most endpoints.
    #[must_use]
    pub fn owner(&self, given: Option<&str>) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for mark in self.marks() {
            *counts.entry(mark.owner).or_default() += 1;
        }
        let most = counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(owner, _)| owner);
        given.or(most).unwrap_or(DEFAULT_OWNER).to_owned()
    }

    /// The marks of all endpoints.
    pub fn marks(&self) -> impl Iterator<Item = OwnerMark<'_>> {
        self.marks.iter().filter_map(|mark| OwnerMark::parse(mark))
    }

    /// The encoding of channels.
    #[must_use]
    pub fn encoding(&self) -> ChannelEncoding {
        self.tally.best(self.swh_applications() > 0)
    }

    /// How many applications swh-webhooks made.
    #[must_use]
    pub fn swh_applications(&self) -> usize {
        self.applications.iter().filter(|application| application.swh_event_type.is_some()).count()
    }

    /// How many endpoints are selected.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        self.applications.iter().map(|application| application.endpoints).sum()
    }
}

/// What is known of the endpoints of one application.
#[derive(Debug, Default)]
pub struct ApplicationFacts {
    endpoints: usize,
    swh_event_type: Option<String>,
    marks: Vec<String>,
    tally: EncodingTally,
}

impl ApplicationFacts {
    /// Adds an endpoint.
    pub fn add(&mut self, application: &Application, endpoint: &Observed) {
        self.endpoints += 1;
        self.marks.extend(endpoint.mark().map(ToOwned::to_owned));
        if self.swh_event_type.is_none() {
            let event_type = swh::event_type_of_endpoint(application.uid.as_deref(), endpoint);
            self.swh_event_type = event_type.map(ToOwned::to_owned);
        }
        self.tally.add(endpoint);
    }
}
