//! What is wrong with an object: one file for each kind.

mod endpoint;
mod event;
mod event_type;

use crate::{
    api::{PayloadPolicy, SvixConnectionSpec},
    plan::{ReconcileError, access::Grants, suggest},
};

use super::{Known, messages::Problem};

pub(super) use endpoint::endpoint;
pub(super) use event::event;
pub(super) use event_type::event_type;

/// What was found.
#[derive(Default)]
pub(super) struct Findings {
    /// What it is refused for.
    pub problems: Vec<Problem>,
    /// How many there are beyond them, and where.
    pub more: Option<Problem>,
    /// What is said when it is admitted, and when it is refused.
    pub warnings: Vec<String>,
    /// The policy that a payload fell under which does not match its schema.
    pub violated: Option<PayloadPolicy>,
}

impl Findings {
    fn problem(&mut self, field: impl Into<String>, message: impl AsRef<str>) {
        self.problems.push(Problem::new(field, message));
    }
}

/// That nothing will come of an object, since nobody watches its namespace. It is stored all the same: the list is another
/// with the next upgrade.
pub(super) fn unwatched(known: &Known, namespace: Option<&str>) -> Option<String> {
    let (watched, namespace) = (known.namespaces.as_ref()?, namespace?);
    (!watched.contains(namespace)).then(|| {
        format!(
            "no operator of this release watches namespace {namespace:?}; nothing will come of this object"
        )
    })
}

/// What an object is told of the connection that it names. That it is being deleted is news for a new object alone:
/// those before hold it.
pub(super) fn connection_trouble(known: &Known, connection: &str, new: bool) -> Option<String> {
    let directory = &known.directory;
    if directory.connection(connection).is_none() {
        let names = directory.connections();
        let meant = suggest::closest(connection, names.iter().map(String::as_str));
        let meant = meant.map(|meant| format!(" (did you mean {meant:?}?)")).unwrap_or_default();
        return Some(format!(
            "/spec/connectionRef: there is no SvixConnection {connection:?}{meant}; this object waits for it"
        ));
    }
    (new && directory.is_going(connection)).then(|| {
        format!(
            "/spec/connectionRef: SvixConnection {connection:?} is being deleted; name another connection"
        )
    })
}

/// What the connection's `access` refuses an object of a namespace. The object is stored all the same, since rules and
/// labels change without it: the operator says in status how it stands. Where the connection or the namespace's
/// labels are not known (yet), nothing is refused.
fn not_permitted(
    known: &Known,
    connection: &str,
    namespace: Option<&str>,
    ask: impl FnOnce(&Grants<'_>, &SvixConnectionSpec) -> Result<(), ReconcileError>,
) -> Option<String> {
    let connection = known.directory.connection(connection)?;
    let (namespace, labels) = (namespace?, known.directory.namespace(namespace?)?);
    let refusal = ask(&Grants::new(&connection, namespace, Some(&labels)), &connection).err()?;
    Some(format!("{}: {refusal}", refusal.reason.as_str()))
}

/// Checks a list of channels.
fn channels(channels: Option<&[String]>, most: usize, findings: &mut Findings) {
    /// Longest channel, in characters, as the CRDs have it.
    const LONGEST: usize = 2048;
    let Some(channels) = channels else { return };
    if channels.is_empty() || channels.len() > most {
        let found = channels.len();
        findings.problem("/spec/channels", format!("found {found} channels, expected 1 to {most}"));
    }
    for (index, channel) in channels.iter().enumerate().take(most) {
        let length = channel.chars().count();
        if length == 0 || length > LONGEST {
            findings.problem(
                format!("/spec/channels/{index}"),
                format!("found {length} characters, expected 1 to {LONGEST}"),
            );
        }
    }
}
