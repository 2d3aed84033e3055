//! Sets of labels. Each value comes from a small fixed set: kinds, operations, classes of error; never text of an error.

use prometheus_client::encoding::EncodeLabelSet;

/// The kind of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    pub kind: &'static str,
}

/// The outcome of a reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReconcileLabels {
    pub kind: &'static str,
    pub outcome: &'static str,
}

/// The class of an error that ended a reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ErrorLabels {
    pub kind: &'static str,
    pub class: &'static str,
}

/// The value of `Ready` of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReadinessLabels {
    pub kind: &'static str,
    pub ready: &'static str,
}

/// A kind of call to Svix.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OperationLabels {
    pub operation: &'static str,
}

/// The result of a call to Svix.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CallLabels {
    pub operation: &'static str,
    pub status: &'static str,
}

/// The `payloadPolicy` of an event type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PolicyLabels {
    pub policy: &'static str,
}

/// The outcome of an admission review.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReviewLabels {
    pub kind: &'static str,
    pub outcome: &'static str,
}

/// A certificate of the admission webhook.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CertificateLabels {
    pub certificate: &'static str,
}

/// The result of loading a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ResultLabels {
    pub result: &'static str,
}

/// The outcome of a request to the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabels {
    pub outcome: &'static str,
}
