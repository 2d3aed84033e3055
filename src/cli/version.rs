//! The text of `svix-operator --version`.

/// The version, the commit that it was built from, and how it was built. build.rs sets these.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("SVIX_OPERATOR_COMMIT"),
    "\nbuild:  ",
    env!("SVIX_OPERATOR_BUILD")
);
