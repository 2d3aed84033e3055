//! The objects that are reconciled, whatever kind they are and wherever they come from.

use std::{fmt, sync::Arc};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};

use crate::api::{
    self, Condition, ConditionStatus, ConditionType, EndpointDeletionPolicy, EventTypeDeletionPolicy,
    FINALIZER, ManagementPolicy, RECONCILE_AT_ANNOTATION, SvixConnection, SvixConnectionStatus,
    WebhookEndpoint, WebhookEndpointStatus, WebhookEvent, WebhookEventStatus, WebhookEventType,
    WebhookEventTypeStatus,
};

/// The kinds, in the order in which they depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `SvixConnection`.
    Connection,
    /// `WebhookEventType`.
    EventType,
    /// `WebhookEndpoint`.
    Endpoint,
    /// `WebhookEvent`.
    Event,
}

impl Kind {
    /// All of them, in that order.
    pub const ALL: [Self; 4] = [Self::Connection, Self::EventType, Self::Endpoint, Self::Event];

    /// The kind as manifests, logs and metrics say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "SvixConnection",
            Self::EventType => "WebhookEventType",
            Self::Endpoint => "WebhookEndpoint",
            Self::Event => "WebhookEvent",
        }
    }
}

/// Names one object. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for connections.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of a connection.
    #[must_use]
    pub fn connection(name: &str) -> Self {
        Self { kind: Kind::Connection, namespace: "".into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => write!(f, "{}/{}", self.kind.as_str(), self.name),
            namespace => write!(f, "{}/{namespace}/{}", self.kind.as_str(), self.name),
        }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How far the operator goes with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Svix is made to hold what is declared.
    Manage,
    /// Svix is only compared with it.
    Observe,
    /// The same, for a while.
    Suspended,
}

/// One object, shared.
#[derive(Clone, Debug)]
pub enum Object {
    /// A connection.
    Connection(Arc<SvixConnection>),
    /// An event type.
    EventType(Arc<WebhookEventType>),
    /// An endpoint.
    Endpoint(Arc<WebhookEndpoint>),
    /// An event.
    Event(Arc<WebhookEvent>),
}

/// The status of one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Of a connection.
    Connection(SvixConnectionStatus),
    /// Of an event type.
    EventType(WebhookEventTypeStatus),
    /// Of an endpoint.
    Endpoint(Box<WebhookEndpointStatus>),
    /// Of an event.
    Event(WebhookEventStatus),
}

impl Object {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Connection(_) => Kind::Connection,
            Self::EventType(_) => Kind::EventType,
            Self::Endpoint(_) => Kind::Endpoint,
            Self::Event(_) => Kind::Event,
        }
    }

    /// Its metadata.
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Connection(object) => &object.metadata,
            Self::EventType(object) => &object.metadata,
            Self::Endpoint(object) => &object.metadata,
            Self::Event(object) => &object.metadata,
        }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        let meta = self.meta();
        ObjectKey {
            kind: self.kind(),
            namespace: meta.namespace.as_deref().unwrap_or_default().into(),
            name: meta.name.as_deref().unwrap_or_default().into(),
        }
    }

    /// The connection that it is reconciled through; its own name for a connection.
    #[must_use]
    pub fn connection_name(&self) -> &str {
        match self {
            Self::Connection(object) => object.metadata.name.as_deref().unwrap_or_default(),
            Self::EventType(object) => object.connection_name(),
            Self::Endpoint(object) => object.connection_name(),
            Self::Event(object) => object.connection_name(),
        }
    }

    /// Its conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        let conditions = match self {
            Self::Connection(object) => object.status.as_ref().map(|status| &status.conditions),
            Self::EventType(object) => object.status.as_ref().map(|status| &status.conditions),
            Self::Endpoint(object) => object.status.as_ref().map(|status| &status.conditions),
            Self::Event(object) => object.status.as_ref().map(|status| &status.conditions),
        };
        conditions.map_or(&[], Vec::as_slice)
    }

    /// The generation that its status speaks of.
    #[must_use]
    pub fn observed_generation(&self) -> Option<i64> {
        match self {
            Self::Connection(object) => object.status.as_ref().and_then(|status| status.observed_generation),
            Self::EventType(object) => object.status.as_ref().and_then(|status| status.observed_generation),
            Self::Endpoint(object) => object.status.as_ref().and_then(|status| status.observed_generation),
            Self::Event(object) => object.status.as_ref().and_then(|status| status.observed_generation),
        }
    }

    /// Whether its status equals this one.
    #[must_use]
    pub fn has_status(&self, status: &Status) -> bool {
        match (self, status) {
            (Self::Connection(object), Status::Connection(status)) => object.status.as_ref() == Some(status),
            (Self::EventType(object), Status::EventType(status)) => object.status.as_ref() == Some(status),
            (Self::Endpoint(object), Status::Endpoint(status)) => object.status.as_ref() == Some(&**status),
            (Self::Event(object), Status::Event(status)) => object.status.as_ref() == Some(status),
            _ => false,
        }
    }

    /// The same object with another status.
    #[must_use]
    pub fn with_status(&self, status: Status) -> Self {
        match (self, status) {
            (Self::Connection(object), Status::Connection(status)) => {
                Self::Connection(Arc::new(SvixConnection { status: Some(status), ..(**object).clone() }))
            }
            (Self::EventType(object), Status::EventType(status)) => {
                Self::EventType(Arc::new(WebhookEventType { status: Some(status), ..(**object).clone() }))
            }
            (Self::Endpoint(object), Status::Endpoint(status)) => {
                Self::Endpoint(Arc::new(WebhookEndpoint { status: Some(*status), ..(**object).clone() }))
            }
            (Self::Event(object), Status::Event(status)) => {
                Self::Event(Arc::new(WebhookEvent { status: Some(status), ..(**object).clone() }))
            }
            _ => self.clone(),
        }
    }

    /// What its `Ready` condition says of the present spec: `None` when it says nothing of it.
    #[must_use]
    pub fn ready(&self) -> Option<bool> {
        let ready = self.conditions().iter().find(|condition| condition.type_ == ConditionType::Ready)?;
        (self.observed_generation() == self.meta().generation)
            .then_some(ready.status == ConditionStatus::True)
    }

    /// How far the operator goes with it, as its own spec says.
    #[must_use]
    pub fn mode(&self) -> Mode {
        let (suspend, policy) = match self {
            Self::Connection(object) => (object.spec.suspend, object.spec.management_policy),
            Self::EventType(object) => (object.spec.suspend, object.spec.management_policy),
            Self::Endpoint(object) => (object.spec.suspend, object.spec.management_policy),
            Self::Event(_) => (None, None),
        };
        match (suspend, policy) {
            (Some(true), _) => Mode::Suspended,
            (_, Some(ManagementPolicy::Observe)) => Mode::Observe,
            (_, Some(ManagementPolicy::Manage) | None) => Mode::Manage,
        }
    }

    /// Whether its own spec says that deleting it leaves Svix as it is.
    #[must_use]
    pub fn retains(&self) -> bool {
        let policy = match self {
            Self::Connection(_) | Self::Event(_) => true,
            Self::EventType(object) => object.spec.deletion_policy() == EventTypeDeletionPolicy::Retain,
            Self::Endpoint(object) => object.spec.deletion_policy() == EndpointDeletionPolicy::Retain,
        };
        policy || self.mode() != Mode::Manage
    }

    /// The value of the annotation that asks for a look past what is remembered of Svix, when that was not handled.
    #[must_use]
    pub fn asked(&self) -> Option<&str> {
        let handled = match self {
            Self::Connection(object) => {
                object.status.as_ref().and_then(|it| it.last_handled_reconcile_at.as_deref())
            }
            Self::EventType(object) => {
                object.status.as_ref().and_then(|it| it.last_handled_reconcile_at.as_deref())
            }
            Self::Endpoint(object) => {
                object.status.as_ref().and_then(|it| it.last_handled_reconcile_at.as_deref())
            }
            Self::Event(_) => return None,
        };
        self.reconcile_at().filter(|asked| Some(*asked) != handled)
    }

    /// The value of that annotation, as far as status can hold it.
    #[must_use]
    pub fn reconcile_at(&self) -> Option<&str> {
        api::annotation(self.meta(), RECONCILE_AT_ANNOTATION).filter(|value| value.len() <= 4096)
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    /// Whether our finalizer holds it.
    #[must_use]
    pub fn has_finalizer(&self) -> bool {
        self.meta().finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
    }

    /// The same object without our finalizer.
    #[must_use]
    pub fn without_finalizer(&self) -> Self {
        fn take_off(meta: &mut ObjectMeta) {
            if let Some(finalizers) = &mut meta.finalizers {
                finalizers.retain(|finalizer| finalizer != FINALIZER);
            }
        }
        let mut object = self.clone();
        take_off(match &mut object {
            Self::Connection(it) => &mut Arc::make_mut(it).metadata,
            Self::EventType(it) => &mut Arc::make_mut(it).metadata,
            Self::Endpoint(it) => &mut Arc::make_mut(it).metadata,
            Self::Event(it) => &mut Arc::make_mut(it).metadata,
        });
        object
    }

    /// When it was made.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.meta().creation_timestamp.as_ref().map(|time| time.0)
    }

    /// The connection and status-recorded hold of the thing in Svix, if any: the name of the connection.
    #[must_use]
    pub fn holds_through(&self) -> Option<&str> {
        match self {
            Self::Connection(_) | Self::Event(_) => None,
            Self::EventType(object) => object
                .status
                .as_ref()
                .and_then(|status| status.svix.as_ref())
                .map(|svix| svix.connection.as_str()),
            Self::Endpoint(object) => object
                .status
                .as_ref()
                .and_then(|status| status.svix.as_ref())
                .map(|svix| svix.connection.as_str()),
        }
    }
}
