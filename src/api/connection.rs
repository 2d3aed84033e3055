//! `SvixConnection`: a Svix server, the token for it, and the policy of what goes through it.

use std::time::Duration;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AccessRule, Compatibility, Condition, JsonPointer, ManagementPolicy, SecretKeyRef, SpecRule, Violation,
    duration, rule,
};

/// A Svix environment and how resources are reconciled into it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "svix-operator.dev",
    version = "v1alpha1",
    kind = "SvixConnection",
    plural = "svixconnections",
    singular = "svixconnection",
    shortname = "sxc",
    category = "svix",
    status = "SvixConnectionStatus",
    doc = "A Svix environment, the token for it, and the policy of what is reconciled into it.",
    derive = "PartialEq",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Server", type_ = "string", json_path = ".status.serverUrl"),
    printcolumn(name = "Owner", type_ = "string", json_path = ".spec.ownerId"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[x_kube(validation = Rule::new("(has(self.defaultApplication) ? self.defaultApplication : 'default') == (has(oldSelf.defaultApplication) ? oldSelf.defaultApplication : 'default')")
    .message("defaultApplication cannot be changed: endpoints live in it; name application in each new endpoint instead")
    .field_path(".defaultApplication"))]
#[serde(rename_all = "camelCase")]
pub struct SvixConnectionSpec {
    /// Address of the Svix server, such as `https://api.eu.svix.com`. Left out: the Svix Cloud region that
    /// the token names in its last part (`….eu`), as Svix's own libraries do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"))]
    pub server_url: Option<String>,

    /// PEM certificates of the authorities that the server's certificate may come from, beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 262_144))]
    pub ca_bundle: Option<String>,

    /// The Secret with the token, in the operator's namespace.
    pub token_secret_ref: SecretKeyRef,

    /// Marks what is ours in Svix. Two clusters on one environment use two. Cannot be changed.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-zA-Z0-9_-]+$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "ownerId cannot be changed: what exists in Svix is marked with it; make another SvixConnection"
    ))]
    pub owner_id: String,

    /// Uid of the Svix application for endpoints that name none. Default: `default`. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('app_') && !self.startsWith('ep_') && !self.startsWith('msg_')").message(SpecRule::UidPrefix))]
    pub default_application: Option<String>,

    /// Whether a Svix application that an endpoint names is created when it is missing. Default: `IfMissing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_applications: Option<CreateApplications>,

    /// Which names event types may have. Default: `Grouped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type_names: Option<EventTypeNames>,

    /// Which channels are mapped to a UUID. Default: `WhenNeeded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_encoding: Option<ChannelEncoding>,

    /// How often Svix is read whole to find drift, such as `10m`, `90s` or `1h30m`; at least one second.
    /// Default: `10m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    #[x_kube(validation = Rule::new("self != '' && duration(self) >= duration('1s') && duration(self) <= duration('168h')").message(SpecRule::ResyncInterval))]
    pub resync_interval: Option<String>,

    /// Most requests per second to this server, all objects together; 0: no limit. Default: 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub requests_per_second: Option<i32>,

    /// Who may do what through this connection. Left out: every namespace may use every application and event type,
    /// adopt up to `Match`, and expunge nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub access: Option<Vec<AccessRule>>,

    /// What a change of the schema of every event type must not do, besides what the event type itself says. An event type
    /// can be stricter, never less strict. Left out: each event type's own `compatibility` alone counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<Compatibility>,

    /// `Observe`: nothing is written to Svix through this connection; each object's status shows how Svix differs.
    /// Default: `Manage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,

    /// Whether writing to Svix is interrupted, for every object of the connection. Svix is still read. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Whether a Svix application that an endpoint names is created when it is missing. Default: `IfMissing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CreateApplications {
    /// Create it when it is missing.
    #[default]
    IfMissing,
    /// Never: an endpoint that names a missing application reports it and waits.
    Never,
}

/// Which names event types may have. Default: `Grouped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EventTypeNames {
    /// Two or more parts of letters, digits, `-` and `_`, joined by dots: `origin.create`.
    #[default]
    Grouped,
    /// Whatever Svix allows, for environments that exist already.
    Any,
}

/// Which channels are mapped to a UUID before Svix sees them. Default: `WhenNeeded`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChannelEncoding {
    /// Those that Svix does not accept as they are.
    #[default]
    WhenNeeded,
    /// Those that Svix Cloud does not accept as they are: unlike the open-source server, it accepts `:` and `+`.
    WhenNeededOnCloud,
    /// All of them, as swh-webhooks does.
    Always,
}

impl SvixConnectionSpec {
    /// Checks the rules of the CRD about one state of the object; returns each violation.
    #[must_use]
    pub fn validate(&self) -> Vec<Violation> {
        let mut violations =
            Vec::from_iter(rule::check_uid(self.default_application.as_deref(), "/spec/defaultApplication"));
        for (index, rule) in self.access.iter().flatten().enumerate() {
            violations.extend(rule.violations(&JsonPointer::from_static("/spec/access").index(index)));
        }
        let has_interval = self.resync_interval().is_some();
        violations.extend(SpecRule::ResyncInterval.check(has_interval, "/spec/resyncInterval"));
        violations
    }

    /// The application for endpoints that name none.
    #[must_use]
    pub fn default_application(&self) -> &str {
        self.default_application.as_deref().unwrap_or("default")
    }

    /// Whether missing applications are created.
    #[must_use]
    pub fn create_applications(&self) -> CreateApplications {
        self.create_applications.unwrap_or_default()
    }

    /// Which names event types may have.
    #[must_use]
    pub fn event_type_names(&self) -> EventTypeNames {
        self.event_type_names.unwrap_or_default()
    }

    /// Which channels are mapped.
    #[must_use]
    pub fn channel_encoding(&self) -> ChannelEncoding {
        self.channel_encoding.unwrap_or_default()
    }

    /// The budget in requests per second; `None`: no limit.
    #[must_use]
    pub fn requests_per_second(&self) -> Option<u32> {
        match self.requests_per_second {
            None => Some(50),
            Some(rate) => u32::try_from(rate).ok().filter(|rate| *rate > 0),
        }
    }

    /// The time between two readings of Svix. `None` when the text is not a duration of the documented form,
    /// which only an object that never passed an API server can contain.
    #[must_use]
    pub fn resync_interval(&self) -> Option<Duration> {
        let Some(text) = self.resync_interval.as_deref() else { return Some(Duration::from_secs(600)) };
        duration::parse(text).filter(|interval| (1..=604_800).contains(&interval.as_secs()))
    }
}

/// The observed state of a connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SvixConnectionStatus {
    /// The generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The value of the annotation `svix-operator.dev/reconcile-at` that was last handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub last_handled_reconcile_at: Option<String>,
    /// The server in use, which the token may have chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub server_url: Option<String>,
    /// Whether the connection works, and if not, why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spec(interval: Option<&str>, rate: Option<i32>) -> SvixConnectionSpec {
        SvixConnectionSpec {
            owner_id: "o".into(),
            resync_interval: interval.map(Into::into),
            requests_per_second: rate,
            ..SvixConnectionSpec::default()
        }
    }

    #[test]
    fn intervals_are_read_as_the_crd_documents_them() {
        let seconds = |text| spec(Some(text), None).resync_interval().map(|d| d.as_secs());
        assert_eq!(spec(None, None).resync_interval(), Some(Duration::from_secs(600)));
        assert_eq!(seconds("10m"), Some(600));
        assert_eq!(seconds("1h30m"), Some(5400));
        assert_eq!(seconds("90s"), Some(90));
        for bad in ["", "10", "0s", "1d", "m", "1m1h", "1m1m", "169h", "99999999999999999999h", "1.5h", "-1s"]
        {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn zero_requests_per_second_means_no_limit() {
        assert_eq!(spec(None, None).requests_per_second(), Some(50));
        assert_eq!(spec(None, Some(0)).requests_per_second(), None);
        assert_eq!(spec(None, Some(7)).requests_per_second(), Some(7));
    }
}
