//! The handles of all connections, and the connection that an engine takes over from another.

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::RwLock;

use crate::{api::Reason, plan::ReconcileError};

use super::{ConnectionHandle, Session};

/// A connection that an engine has listed, for another engine that works right after it: its objects need not wait for a
/// listing. The other engine lists Svix as well, while it works, so that it notices what has changed since.
#[derive(Clone)]
pub struct ListedConnection {
    name: Arc<str>,
    session: Arc<Session>,
}

impl fmt::Debug for ListedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedConnection").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The handles of all connections that have a driver.
#[derive(Default)]
pub struct Sessions {
    handles: RwLock<HashMap<Arc<str>, Arc<ConnectionHandle>>>,
    /// The connection that another engine has listed.
    listed: Option<ListedConnection>,
}

impl Sessions {
    /// Returns no handle yet; that of a connection that another engine has listed will have its session.
    pub fn new(listed: Option<ListedConnection>) -> Self {
        Self { handles: RwLock::default(), listed }
    }

    /// Returns a connection, if it has been listed.
    pub fn listed(&self, name: &str) -> Option<ListedConnection> {
        let session = self.handle(name)?.session()?;
        Some(ListedConnection { name: name.into(), session })
    }

    /// Returns the handle of a connection, and whether it was made by this call and needs a driver.
    pub fn ensure(&self, name: &str) -> (Arc<ConnectionHandle>, bool) {
        let mut handles = self.handles.write();
        if let Some(handle) = handles.get(name) {
            return (handle.clone(), false);
        }
        let listed = self.listed.as_ref().filter(|listed| &*listed.name == name);
        let handle = Arc::new(match listed {
            Some(listed) => ConnectionHandle::with_session(listed.session.clone()),
            None => ConnectionHandle::default(),
        });
        handles.insert(name.into(), handle.clone());
        (handle, true)
    }

    /// Forgets a connection that is gone.
    pub fn remove(&self, name: &str) {
        self.handles.write().remove(name);
    }

    /// Ends all drivers.
    pub fn shut_down(&self) {
        self.handles.write().drain().for_each(|(_, handle)| handle.shut_down());
    }

    /// Has the driver of a connection connect and list now.
    pub fn trigger(&self, name: &str) {
        if let Some(handle) = self.handle(name) {
            handle.trigger();
        }
    }

    /// Has Svix listed again soon: a call through this connection failed.
    pub fn request_relist(&self, name: &str) {
        if let Some(handle) = self.handle(name) {
            handle.relist.notify_one();
        }
    }

    /// Has the endpoints of a connection notice that an event type was archived or removed.
    pub fn event_type_gone(&self, connection: &str, name: &str) {
        if let Some(handle) = self.handle(connection) {
            handle.gone.lock().insert(name.into());
            handle.has_gone.notify_one();
        }
    }

    /// Returns the session of a connection that exists, or why it cannot be used.
    pub fn get(&self, name: &str) -> Result<Arc<Session>, ReconcileError> {
        let handle = self.handle(name);
        if let Some(session) = handle.as_ref().and_then(|handle| handle.session()) {
            return Ok(session);
        }
        let last_error = handle.and_then(|handle| handle.last_error());
        let cause = last_error.as_ref().and_then(|error| error.cause);
        let why = match last_error {
            Some(error) => format!("{}: {}", error.reason, error.message),
            None => "it is being connected".to_owned(),
        };
        let message = format!("SvixConnection {name:?} cannot be used yet ({why})");
        let error = ReconcileError::new(Reason::ConnectionNotReady, message);
        Err(match cause {
            Some(cause) => error.with_cause(cause),
            None => error,
        })
    }

    /// Whether a connection that exists has no session yet, and nothing is known to be wrong with it.
    pub fn is_connecting(&self, name: &str) -> bool {
        self.handle(name).is_none_or(|handle| handle.session().is_none() && handle.last_error().is_none())
    }

    fn handle(&self, name: &str) -> Option<Arc<ConnectionHandle>> {
        self.handles.read().get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::Cause;

    #[test]
    fn a_connection_without_a_session_says_why() {
        let sessions = Sessions::default();
        let (handle, is_new) = sessions.ensure("default");
        assert!(is_new && !sessions.ensure("default").1);

        let connecting = sessions.get("default").err().unwrap();
        let error = ReconcileError::new(Reason::TokenNotFound, "Secret a/b does not exist");
        handle.set_last_error(Some(error.with_cause(Cause::TokenMissing)));
        let missing = sessions.get("default").err().unwrap();

        assert!(connecting.message.contains("it is being connected"), "{connecting:?}");
        assert_eq!(connecting.cause, None);
        assert!(missing.message.contains("TokenNotFound: Secret a/b does not exist"), "{missing:?}");
        assert_eq!(missing.cause, Some(Cause::TokenMissing));
    }
}
