//! The errors of `dev`.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{
    cli::{gateway::start_error, runtime::ControlError, signals::SignalError, svix_server::SvixServerError},
    gateway::StartError,
    manifests::{NoManifests, watch::WatchError},
};

#[derive(Debug, thiserror::Error)]
pub(super) enum DevError {
    #[error("{} is not there; name a folder of manifests", .0.display())]
    NoFolder(PathBuf),
    #[error(transparent)]
    NoManifests(#[from] NoManifests),
    #[error(transparent)]
    Server(SvixServerError),
    #[error("the embedded Svix cannot listen at {address}: {source}")]
    EmbeddedSvix { address: SocketAddr, source: io::Error },
    #[error("{}", start_error(.0, "--gateway"))]
    Gateway(#[source] StartError),
    #[error(transparent)]
    Signals(#[from] SignalError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("interrupted while {} was read", .0.display())]
    Interrupted(PathBuf),
    #[error("{} cannot be watched any more", .0.display())]
    WatchEnded(PathBuf),
}
