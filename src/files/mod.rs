//! A folder of YAML as the source of the same objects that a cluster would hold.

mod session;
mod shell;

pub use session::Session;
pub use shell::{FolderShell, Listener, RELEASED, References, with_meta};
