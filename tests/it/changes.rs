//! `diff` and `apply`: what is shown is what is done.

mod credentials;
