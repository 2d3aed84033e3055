//! One message on its way to one endpoint.

/// One message on its way to one endpoint.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) application: String,
    pub(super) endpoint: String,
    pub(super) message: String,
    pub(super) manual: bool,
    /// How many attempts were made.
    pub(super) attempts: usize,
}

impl Job {
    fn new(application: &str, endpoint: &str, message: &str, manual: bool) -> Self {
        let (application, endpoint, message) = (application.into(), endpoint.into(), message.into());
        Self { application, endpoint, message, manual, attempts: 0 }
    }

    /// Returns the jobs of a new message, one for each endpoint that receives it.
    pub(crate) fn of_message(application: &str, endpoints: &[String], message: &str) -> Vec<Self> {
        endpoints.iter().map(|endpoint| Self::new(application, endpoint, message, false)).collect()
    }

    /// Returns a job that a user asked for: one attempt, whatever the endpoint subscribes to.
    pub(crate) fn manual(application: &str, endpoint: &str, message: &str) -> Self {
        Self::new(application, endpoint, message, true)
    }
}
