//! The annotation `adopt-id`: which endpoint in Svix an object takes over.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{ADOPT_ID_ANNOTATION, JsonPointer, annotation};

use super::{ids, quoted};

/// An `adopt-id` that names no endpoint, whatever is in Svix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the annotation {ADOPT_ID_ANNOTATION} is ignored: found {}, expected the id of an endpoint, such as \
     ep_2mPbIvP5cZHmpwMYLu0gQ5Jvk8T, or its uid; correct or remove it",
    quoted(.0)
)]
pub struct IgnoredAdoptId(pub String);

impl IgnoredAdoptId {
    /// Returns the place of the annotation.
    #[must_use]
    pub fn field() -> JsonPointer {
        JsonPointer::from_static("/metadata/annotations").child(ADOPT_ID_ANNOTATION)
    }
}

/// Returns the id or uid of the endpoint that an object takes over.
#[must_use]
pub fn named(metadata: &ObjectMeta) -> Option<&str> {
    annotation(metadata, ADOPT_ID_ANNOTATION).filter(|id| ids::is_name(id))
}

/// Returns the annotation if it can never be an id or a uid.
#[must_use]
pub fn ignored(metadata: &ObjectMeta) -> Option<IgnoredAdoptId> {
    annotation(metadata, ADOPT_ID_ANNOTATION)
        .filter(|id| !ids::is_name(id))
        .map(|id| IgnoredAdoptId(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_never_be_an_id_is_named() {
        let with = |id: &str| ObjectMeta {
            annotations: Some([(ADOPT_ID_ANNOTATION.to_owned(), id.to_owned())].into()),
            ..ObjectMeta::default()
        };

        for bad in ["", "ep 1", "https://x/ep_1", "ep_1\n", "..", &"x".repeat(257)] {
            assert!(ignored(&with(bad)).is_some() && named(&with(bad)).is_none(), "{bad:?}");
        }
        assert_eq!((ignored(&with("ep_1")), named(&with("ep_1"))), (None, Some("ep_1")));
        assert_eq!(ignored(&ObjectMeta::default()), None);
    }
}
