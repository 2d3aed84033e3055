//! The `svix-operator` program.

fn main() {}
