//! Lists that Svix returns page by page.

use std::ops::ControlFlow;

use crate::svix::{Page, Position};

/// Reads a list from a position on, and calls `each` with the items until it breaks or there are no more; `None`: what is
/// listed does not exist.
///
/// # Errors
/// That of the page that cannot be read.
pub(super) async fn read<T, E>(
    first: Position<'_>,
    page: impl AsyncFn(Position<'_>) -> Result<Option<Page<T>>, E>,
    mut each: impl FnMut(T) -> ControlFlow<()>,
) -> Result<Option<()>, E> {
    let mut next: Option<String> = None;
    loop {
        let Some(found) = page(next.as_deref().map_or(first, Position::Next)).await? else { return Ok(None) };
        if found.items.into_iter().try_for_each(&mut each).is_break() {
            return Ok(Some(()));
        }
        match found.next {
            Some(iterator) => next = Some(iterator),
            None => return Ok(Some(())),
        }
    }
}
