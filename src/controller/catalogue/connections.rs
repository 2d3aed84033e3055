//! Connections, for the rules that they set.

use kube::{Api, Client, Resource as _, runtime::watcher};

use crate::{
    api::{EventTypeNames, SvixConnection, SvixConnectionSpec},
    catalogue::Directory,
    controller::{
        readable::Readable,
        watch::{Handler, NamespacedName, PAGE, Watch, WatchLog},
    },
};

/// Keeps the directory's connections up to date, forever. Calls `synced` when the first list is complete.
pub async fn feed_connections(client: Client, directory: Directory, synced: impl FnOnce() + Send) {
    let api: Api<Readable<SvixConnection>> = Api::all(client);
    let log = WatchLog::new("SvixConnection", None);
    let watch = Watch::new(api, watcher::Config::default().page_size(PAGE), log);
    watch.run(ToDirectory { directory, synced: Some(synced) }).await;
}

/// Records connections in the directory.
struct ToDirectory<F> {
    directory: Directory,
    /// Called once.
    synced: Option<F>,
}

impl<F: FnOnce()> Handler<Readable<SvixConnection>> for ToDirectory<F> {
    fn applied(&mut self, object: Readable<SvixConnection>) {
        let name = object.meta().name.clone().unwrap_or_default();
        let is_deleting = object.meta().deletion_timestamp.is_some();
        match object.0 {
            Ok(connection) => self.directory.set_connection(&name, Some(connection.spec)),
            Err(unreadable) => {
                tracing::error!(svixconnection = name, error = %unreadable.error, "the object cannot be read; correct its spec");
                if self.directory.connection(&name).is_none() {
                    self.directory.set_connection(&name, Some(permits_nothing()));
                }
            }
        }
        if is_deleting {
            self.directory.connection_is_going(&name);
        }
    }

    fn deleted(&mut self, name: &NamespacedName) {
        self.directory.set_connection(&name.name, None);
    }

    fn known(&self) -> Vec<NamespacedName> {
        let name = |name: &String| NamespacedName { namespace: "".into(), name: name.as_str().into() };
        self.directory.connections().iter().map(name).collect()
    }

    fn synced(&mut self) {
        if let Some(synced) = self.synced.take() {
            synced();
        }
    }
}

/// Returns the spec that is assumed of a connection that was never read: its rules are unknown, so it permits nothing. The
/// operator decides everything else.
fn permits_nothing() -> SvixConnectionSpec {
    SvixConnectionSpec {
        access: Some(Vec::new()),
        event_type_names: Some(EventTypeNames::Any),
        ..SvixConnectionSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::{api::Adoption, plan::access::Grants};

    use super::*;

    #[test]
    fn a_connection_that_was_never_read_permits_nothing() {
        let connection = permits_nothing();
        let grants = Grants::new(&connection, "ns", None);
        assert!(grants.event_type("a.b", Adoption::Never, false).is_err());
    }
}
