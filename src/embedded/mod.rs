//! The embedded Svix: an in-memory implementation of the part of the API that this project uses.
