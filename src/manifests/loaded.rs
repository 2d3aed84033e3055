//! The content of a folder of manifests, as it was read.

use std::{collections::HashMap, path::Path};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};

use crate::api::{GROUP, SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType};

use super::{
    history::Histories,
    problem::{Located, Problem, UnusableConnection},
};

/// The content of a folder.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Connections, in the order of files and lines, as all lists here.
    pub connections: Vec<Located<SvixConnection>>,
    /// Event types.
    pub event_types: Vec<Located<WebhookEventType>>,
    /// Endpoints.
    pub endpoints: Vec<Located<WebhookEndpoint>>,
    /// Events.
    pub events: Vec<Located<WebhookEvent>>,
    /// ConfigMaps, for schemas.
    pub config_maps: Vec<Located<ConfigMap>>,
    /// Secrets, for addresses, headers and signing keys.
    pub secrets: Vec<Located<Secret>>,
    /// Namespaces, whose labels the access rules of connections select.
    pub namespaces: Vec<Located<Namespace>>,
    /// The published versions that a cluster keeps of the schemas of these event types; `None`: there is no history to read.
    pub histories: Option<Histories>,
    /// Mistakes. An object with a problem is in none of the lists above.
    pub problems: Vec<Problem>,
    /// Those of them that can be about a connection.
    pub unusable_connections: Vec<UnusableConnection>,
    /// Values that are probably not meant as they are written. Their objects are in the lists all the same.
    pub warnings: Vec<Problem>,
    /// Notes about objects that were left out on purpose.
    pub notes: Vec<String>,
    /// The number of objects of other kinds, which were left out.
    pub left_out: usize,
    /// The number of files.
    pub files: usize,
}

/// Texts by namespace, ConfigMap and key.
pub type ConfigMapTexts = HashMap<(String, String, String), String>;

/// A folder that contains no manifest of our API group and no mistake. Most likely it is the wrong folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no manifest of {GROUP} in {folder} ({} read{})", counted(*.files, "file"), others(*.left_out))]
pub struct NoManifests {
    /// The folder.
    pub folder: String,
    /// The number of files.
    pub files: usize,
    /// The number of objects of other kinds in them.
    pub left_out: usize,
}

fn others(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(", {} of other kinds left out", counted(count, "object")),
    }
}

/// A number with its noun, such as `1 file` or `2 files`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

impl Loaded {
    /// Whether there can be objects that are neither in a list nor named by a problem, since a part of the folder could
    /// not be read. Then an object that is missing is not known to be deleted.
    #[must_use]
    pub fn may_lack_objects(&self) -> bool {
        self.problems.iter().any(|problem| problem.object.is_none())
    }

    /// Whether there can be objects of this kind that are not in its list: a mistake in a manifest of the kind was found, or
    /// a part of the folder could not be read.
    #[must_use]
    pub fn may_lack(&self, kind: &str) -> bool {
        self.problems.iter().any(|problem| problem.object.as_ref().is_none_or(|object| object.kind == kind))
    }

    /// Whether a mistake in the manifest of this object was found.
    #[must_use]
    pub fn is_broken(&self, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        self.problems.iter().filter_map(|problem| problem.object.as_ref()).any(|object| {
            object.kind == kind && object.namespace.as_deref() == namespace && object.name == name
        })
    }

    /// Whether an object of an earlier reading that is in none of the lists keeps its earlier state: its manifest is
    /// broken, or it is not known to be deleted. So a mistake in a file deletes nothing.
    #[must_use]
    pub fn keeps_previous(&self, kind: &str, namespace: Option<&str>, name: &str) -> bool {
        self.may_lack_objects() || self.is_broken(kind, namespace, name)
    }

    /// Returns an error if nothing in the folder is ours and nothing is wrong.
    pub fn expect_manifests(&self, folder: &Path) -> Result<(), NoManifests> {
        let ours = self.connections.len() + self.event_types.len() + self.endpoints.len() + self.events.len();
        if ours > 0 || !self.problems.is_empty() {
            return Ok(());
        }
        let left_out = self.left_out + self.config_maps.len() + self.secrets.len() + self.namespaces.len();
        Err(NoManifests { folder: folder.display().to_string(), files: self.files, left_out })
    }

    /// The texts of all ConfigMaps.
    #[must_use]
    pub fn config_map_texts(&self) -> ConfigMapTexts {
        let mut texts = ConfigMapTexts::new();
        for map in self.config_maps.iter().map(|located| &located.object) {
            let namespace = map.metadata.namespace.clone().unwrap_or_default();
            let name = map.metadata.name.clone().unwrap_or_default();
            for (key, text) in map.data.iter().flatten() {
                texts.insert((namespace.clone(), name.clone(), key.clone()), text.clone());
            }
        }
        texts
    }
}
