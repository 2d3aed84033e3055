//! A folder of YAML as the source of the same objects that a cluster holds.
//!
//! Reading ([`yaml`]), checking what the API server would check (`check`), the folder as typed objects
//! (`folder`), noticing changes (`watch`) and telling people how it stands (`table`). No Svix and no
//! Kubernetes here.

pub mod yaml;
