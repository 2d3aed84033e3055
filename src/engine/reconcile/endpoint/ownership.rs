//! Whose an endpoint in Svix is.

use crate::plan::{
    OwnerMark,
    endpoint::{self, Desired, Observed, Ownership},
};

use super::{
    super::super::{
        host::Host,
        object::{Kind, ObjectKey},
    },
    pass::Pass,
};

/// Returns whose the endpoint is that was found.
pub(super) fn ownership<H: Host>(
    pass: &Pass<'_, H>,
    observed: Option<&Observed>,
    wanted: &Desired,
) -> Ownership {
    let recorded = pass.recorded.map(|svix| svix.id.as_str());
    observed.map_or(Ownership::Nobody, |observed| {
        endpoint::ownership(observed, &wanted.mark, recorded, |mark| of_other_mark(pass, mark))
    })
}

/// Returns whose an endpoint with another mark is. One of an object of this owner that does not exist is nobody's; within
/// one namespace, where objects are renamed, it is ours.
fn of_other_mark<H: Host>(pass: &Pass<'_, H>, mark: &str) -> Ownership {
    let Some(OwnerMark { owner, namespace, name }) = OwnerMark::parse(mark) else {
        return Ownership::OtherOwner;
    };
    if owner != pass.connection.spec.owner_id {
        return Ownership::OtherOwner;
    }
    let key = ObjectKey::new(Kind::Endpoint, namespace, name);
    // Of what is not handed in, or cannot be decoded, nobody can say that it does not exist.
    let is_unknown = pass.ctx.options.namespaces.as_ref().is_some_and(|known| !known.contains(namespace))
        || pass.ctx.undecodable.lock().contains(&key);
    match pass.ctx.registry.get(&key) {
        _ if is_unknown => Ownership::OtherObject,
        Some(object) if !object.is_deleting() => Ownership::OtherObject,
        _ if namespace == pass.object.namespace() => Ownership::Ours,
        _ => Ownership::Nobody,
    }
}
