//! An environment in Svix as manifests: `svix-operator export`.
//!
//! 1. [`run`] reads Svix page by page. Its survey finds what must be known first ([`survey`]).
//! 2. [`event_type`], [`endpoint`] and [`connection`] turn what was read into objects. They are pure, and ask the plan whether the
//!    operator adopts each object as it is. Names are made in [`names`] and [`identity`], texts of channels in [`channel_texts`],
//!    and [`swh`] recognises what swh-webhooks makes.
//! 3. [`files`] writes the objects. What they do not say is a [`limitation`], which the [`report`] lists.

pub mod channel_texts;
pub mod connection;
pub mod credentials;
pub mod endpoint;
pub mod event_type;
pub mod exported;
pub mod files;
pub mod identity;
pub mod json_text;
pub mod limitation;
pub mod names;
pub mod options;
pub mod report;
pub mod run;
pub mod selection;
pub mod survey;
pub mod swh;

pub use run::{ExportError, Progress, export};
