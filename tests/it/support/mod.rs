//! What several topics need: the real control plane, and waiting without sleeping.

pub mod control_plane;
pub mod wait;
