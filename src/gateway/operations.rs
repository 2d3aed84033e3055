//! The operations of Svix's API that are forwarded, and what each of them can cause.
//!
//! These are allow lists. An operation that a later version of Svix adds could carry a payload that is not judged; it is not
//! forwarded until it is listed here with its [`Effect`]. docs/gateway.md has the same as a table.

mod cloud;
mod effect;
mod open_source;

pub use effect::{Effect, Operation, Surface};

/// Returns the operations of a surface.
pub fn all(surface: Surface) -> impl Iterator<Item = &'static Operation> {
    let more: &[Operation] = match surface {
        Surface::OpenSource => &[],
        Surface::Cloud => &cloud::OPERATIONS,
    };
    open_source::OPERATIONS.iter().chain(more)
}

/// Returns the operations that a path has.
pub(super) fn at_path(surface: Surface, path: &str) -> impl Iterator<Item = &'static Operation> {
    all(surface).filter(move |operation| matches(operation.path, path))
}

fn matches(known: &str, path: &str) -> bool {
    let (mut known, mut path) = (known.split('/'), path.split('/'));
    loop {
        match (known.next(), path.next()) {
            (None, None) => return true,
            (Some("*"), Some(part)) if !part.is_empty() => {}
            (Some(known), Some(part)) if known == part => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_overlap_have_the_same_effect() {
        // `stream/event-type` is a path of its own and a stream with that name: which of them Svix means does not matter.
        for first in all(Surface::Cloud) {
            for second in all(Surface::Cloud).filter(|second| second.method == first.method) {
                let parts = || first.path.split('/').zip(second.path.split('/'));
                let overlap = first.path.split('/').count() == second.path.split('/').count()
                    && parts().all(|(a, b)| a == b || a == "*" || b == "*");
                assert!(!overlap || first.effect == second.effect, "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn a_segment_stands_for_one_name() {
        assert!(matches("/api/v1/app/*/msg", "/api/v1/app/a/msg"));
        for other in ["/api/v1/app//msg", "/api/v1/app/a/b/msg", "/api/v1/app/a", "/api/v1/app/a/msg/x"] {
            assert!(!matches("/api/v1/app/*/msg", other), "{other}");
        }
    }
}
