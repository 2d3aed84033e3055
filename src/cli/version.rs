//! What `svix-operator --version` tells.

/// The version, the commit that it was built from, and how it was built; build.rs finds these.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("SVIX_OPERATOR_COMMIT"),
    "\nbuild:  ",
    env!("SVIX_OPERATOR_BUILD")
);
