//! The engine against the embedded Svix: what is declared becomes what Svix holds, and stays so.

mod adoption;
mod audit;
mod convergence;
mod drift;
mod events;
mod failures;
mod judging;
mod lifecycle;
mod policy;
mod races;
mod secrets;
mod token;
