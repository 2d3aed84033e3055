//! The objects that are reconciled, whatever their kind and wherever they come from.
//!
//! What differs between kinds stands in the trait [`Resource`]; [`Object`] is one of them, shared. A new kind is one
//! line in `kinds!` and one file in `reconcile`, which implements [`Resource`] and `Reconcile` for it.

mod claim;

use std::{fmt, ops::Deref, sync::Arc};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};

use crate::{
    api::{
        self, Adoption, Condition, ConditionStatus, ConditionType, FINALIZER, ManagementPolicy,
        RECONCILE_AT_ANNOTATION, Reason, SvixConnection, SvixConnectionStatus, WebhookEndpoint,
        WebhookEndpointStatus, WebhookEvent, WebhookEventStatus, WebhookEventType, WebhookEventTypeStatus,
    },
    plan::{ReconcileError, access::Grants},
};

/// Makes [`Kind`], [`Object`] and [`Status`] from the list of kinds, and the macro `dispatch!`, which calls a generic
/// function with the resource in an object.
macro_rules! kinds {
    (($d:tt) $($(#[$doc:meta])* $kind:ident($object:ident, $status:ident)),+ $(,)?) => {
        /// The kinds, in the order in which they depend on each other.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind),+ }

        impl Kind {
            /// All kinds, in that order.
            pub const ALL: [Self; [$(Self::$kind),+].len()] = [$(Self::$kind),+];

            /// Returns the kind as manifests, logs and metrics name it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => stringify!($object)),+ }
            }
        }

        /// One object. Cheap to clone.
        #[derive(Clone, Debug)]
        pub enum Object { $($(#[$doc])* $kind(Arc<$object>)),+ }

        /// The status of one object. Serialized, it is that status and no more.
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        pub enum Status { $($(#[$doc])* $kind(Box<$status>)),+ }

        impl Object {
            /// Returns its kind.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind),+ }
            }

            /// Returns what is common to all kinds.
            #[must_use]
            pub fn resource(&self) -> &dyn Resource {
                match self { $(Self::$kind(object) => &**object),+ }
            }

            /// Whether its spec equals that of another object; `false` for one of another kind.
            #[must_use]
            pub fn has_spec_of(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(object), Self::$kind(other)) => object.spec == other.spec,)+
                    _ => false,
                }
            }

            /// Returns the same object with the spec of another one of its kind.
            #[must_use]
            pub fn with_spec_of(self, other: &Self) -> Self {
                match (self, other) {
                    $((Self::$kind(mut object), Self::$kind(other)) => {
                        Arc::make_mut(&mut object).spec = other.spec.clone();
                        Self::$kind(object)
                    })+
                    (object, _) => object,
                }
            }

            /// Returns its metadata.
            #[must_use]
            pub fn meta(&self) -> &ObjectMeta {
                match self { $(Self::$kind(object) => &object.metadata),+ }
            }

            /// Returns its metadata, to change.
            pub fn meta_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Self::$kind(object) => &mut Arc::make_mut(object).metadata),+ }
            }

            /// Whether its status equals this one.
            #[must_use]
            pub fn has_status(&self, status: &Status) -> bool {
                match (self, status) {
                    $((Self::$kind(object), Status::$kind(status)) => object.status.as_ref() == Some(&**status),)+
                    _ => false,
                }
            }

            /// Returns the same object with another status.
            #[must_use]
            pub fn with_status(&self, status: Status) -> Self {
                match (self, status) {
                    $((Self::$kind(object), Status::$kind(status)) => {
                        Self::$kind(Arc::new($object { status: Some(*status), ..(**object).clone() }))
                    })+
                    _ => self.clone(),
                }
            }
        }

        /// `dispatch!(object, |it| …)` evaluates the expression with the resource in the object, as its own type.
        /// `dispatch!(object, |it, wrap| …)` also has the function that makes an [`Object`] of one of that type.
        macro_rules! dispatch {
            ($d object:expr, |$d it:ident| $d body:expr) => {
                match $d object { $($crate::engine::Object::$kind($d it) => $d body),+ }
            };
            ($d object:expr, |$d it:ident, $d wrap:ident| $d body:expr) => {
                match $d object {
                    $($crate::engine::Object::$kind($d it) => {
                        let $d wrap = $crate::engine::Object::$kind;
                        $d body
                    })+
                }
            };
        }
        pub(crate) use dispatch;
    };
}

kinds! { ($)
    /// `SvixConnection`.
    Connection(SvixConnection, SvixConnectionStatus),
    /// `WebhookEventType`.
    EventType(WebhookEventType, WebhookEventTypeStatus),
    /// `WebhookEndpoint`.
    Endpoint(WebhookEndpoint, WebhookEndpointStatus),
    /// `WebhookEvent`.
    Event(WebhookEvent, WebhookEventStatus),
}

/// Names one object. It is one pointer, because every object stands in a dozen maps; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<KeyParts>);

/// The parts of an [`ObjectKey`].
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyParts {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for connections.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Deref for ObjectKey {
    type Target = KeyParts;

    fn deref(&self) -> &KeyParts {
        &self.0
    }
}

impl ObjectKey {
    /// Returns the key of the object of this kind, namespace and name.
    #[must_use]
    pub fn new(kind: Kind, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(KeyParts { kind, namespace: namespace.into(), name: name.into() }))
    }

    /// Returns the key of an object of this kind.
    #[must_use]
    pub fn of(kind: Kind, meta: &ObjectMeta) -> Self {
        let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
        Self::new(kind, namespace.unwrap_or_default(), name.unwrap_or_default())
    }

    /// Returns the key of a connection.
    #[must_use]
    pub fn connection(name: &str) -> Self {
        Self::new(Kind::Connection, "", name)
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

/// An event type or endpoint in Svix that an object declares, within one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SvixResource {
    /// The event type of this name.
    EventType(Box<str>),
    /// The endpoint of this application and uid.
    Endpoint(Box<str>, Box<str>),
}

/// A resource in Svix and the connection that it is declared through.
pub type ResourceKey = (Arc<str>, SvixResource);

/// How far the operator goes with an object, in ascending order of restraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Svix is made to hold what is declared.
    Manage,
    /// Svix is only compared with it.
    Observe,
    /// The same, for a while.
    Suspended,
}

impl Mode {
    /// Returns the mode that a spec asks for.
    #[must_use]
    pub fn of_spec(suspend: Option<bool>, policy: Option<ManagementPolicy>) -> Self {
        match (suspend, policy) {
            (Some(true), _) => Self::Suspended,
            (_, Some(ManagementPolicy::Observe)) => Self::Observe,
            (_, Some(ManagementPolicy::Manage) | None) => Self::Manage,
        }
    }
}

/// What the status of every kind has.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusHeader<'a> {
    /// The conditions.
    pub conditions: &'a [Condition],
    /// The generation that they speak of.
    pub observed_generation: Option<i64>,
    /// The value of the annotation `reconcile-at` that was handled last.
    pub last_handled_reconcile_at: Option<&'a str>,
}

/// What the engine asks of a custom resource, whatever its kind.
pub trait Resource: Send + Sync {
    /// Returns the name of the connection that it is reconciled through; its own name for a connection.
    fn connection_name(&self) -> &str;

    /// Returns what its status has in common with that of every kind.
    fn status_header(&self) -> StatusHeader<'_>;

    /// Returns how far the operator goes with it, as its own spec says.
    fn mode(&self) -> Mode {
        Mode::Manage
    }

    /// Whether its own `deletionPolicy` leaves Svix as it is. A kind without one has nothing to clean up.
    fn retains(&self) -> bool {
        true
    }

    /// Whether the annotation `reconcile-at` means something to it.
    fn takes_reconcile_requests(&self) -> bool {
        true
    }

    /// Returns what it declares in Svix, which may depend on its connection; `None`: nothing, or the connection is not
    /// known.
    fn declared(&self, _connection: Option<&SvixConnection>) -> Option<SvixResource> {
        None
    }

    /// Returns the connection through which status records something in Svix, and what that is.
    fn recorded(&self) -> Option<(&str, SvixResource)> {
        None
    }

    /// Returns the id that Svix gave to what status records, if it has one beside its name.
    fn recorded_id(&self) -> Option<&str> {
        None
    }

    /// Returns the names of the Secrets that it takes values from or writes to.
    fn secret_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Returns the name of the ConfigMap that it takes its schema from.
    fn config_map_name(&self) -> Option<&str> {
        None
    }

    /// Checks that its namespace may have what it declares.
    fn check_access(&self, _grants: &Grants<'_>, _connection: &SvixConnection) -> Result<(), ReconcileError> {
        Ok(())
    }

    /// Returns the `adoption` that it may have: what it asks for, as far as its namespace may.
    fn granted_adoption(&self, _grants: &Grants<'_>, _connection: &SvixConnection) -> Adoption {
        Adoption::Never
    }

    /// Whether nothing is done for it any more, so that its connection may go.
    fn is_over(&self) -> bool {
        false
    }

    /// Whether its status records that Svix differs; only of an object that is only compared.
    fn has_difference(&self) -> bool {
        false
    }
}

impl Object {
    /// Returns its key.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::of(self.kind(), self.meta())
    }

    /// Returns its namespace; empty for connections.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.meta().namespace.as_deref().unwrap_or_default()
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    /// Returns its uid; empty when there is none yet.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    /// Returns the generation of its spec.
    #[must_use]
    pub fn generation(&self) -> Option<i64> {
        self.meta().generation
    }

    /// Returns the name of the connection that it is reconciled through; its own name for a connection.
    #[must_use]
    pub fn connection_name(&self) -> &str {
        self.resource().connection_name()
    }

    /// Returns its conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        self.resource().status_header().conditions
    }

    /// Returns the generation that its status speaks of.
    #[must_use]
    pub fn observed_generation(&self) -> Option<i64> {
        self.resource().status_header().observed_generation
    }

    /// Returns its `Ready` condition.
    #[must_use]
    pub fn ready_condition(&self) -> Option<&Condition> {
        self.conditions().iter().find(|condition| condition.type_ == ConditionType::Ready)
    }

    /// Returns what its `Ready` condition says of the present spec; `None`: nothing.
    #[must_use]
    pub fn ready(&self) -> Option<bool> {
        let ready = self.ready_condition()?;
        (self.observed_generation() == self.generation()).then_some(ready.status == ConditionStatus::True)
    }

    /// Whether its `Ready` condition has this reason.
    #[must_use]
    pub fn has_ready_reason(&self, reason: Reason) -> bool {
        let ready = self.conditions().iter().find(|condition| condition.type_ == ConditionType::Ready);
        ready.is_some_and(|ready| ready.reason == reason.as_str())
    }

    /// Returns how far the operator goes with it, as its own spec says.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.resource().mode()
    }

    /// Whether its own spec says that deleting it leaves Svix as it is.
    #[must_use]
    pub fn retains(&self) -> bool {
        self.resource().retains() || self.mode() != Mode::Manage
    }

    /// Returns the value of the annotation that asks for a reconcile that reads Svix afresh, when that was not handled.
    #[must_use]
    pub fn pending_reconcile_request(&self) -> Option<&str> {
        let handled = self.resource().status_header().last_handled_reconcile_at;
        self.reconcile_at()
            .filter(|asked| self.resource().takes_reconcile_requests() && Some(*asked) != handled)
    }

    /// Returns the value of that annotation, as far as status can record it.
    #[must_use]
    pub fn reconcile_at(&self) -> Option<&str> {
        api::annotation(self.meta(), RECONCILE_AT_ANNOTATION).filter(|value| value.len() <= 4096)
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    /// Whether it has our finalizer.
    #[must_use]
    pub fn has_finalizer(&self) -> bool {
        self.meta().finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
    }

    /// Returns the same object without our finalizer.
    #[must_use]
    pub fn without_finalizer(&self) -> Self {
        let mut object = self.clone();
        if let Some(finalizers) = &mut object.meta_mut().finalizers {
            finalizers.retain(|finalizer| finalizer != FINALIZER);
        }
        object
    }

    /// Returns when it was created.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.meta().creation_timestamp.as_ref().map(|time| time.0)
    }

    /// Returns the name of the connection through which status records something in Svix.
    #[must_use]
    pub fn recorded_connection(&self) -> Option<&str> {
        self.resource().recorded().map(|(connection, _)| connection)
    }
}
