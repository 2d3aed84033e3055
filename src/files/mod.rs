//! A folder of YAML as the source of the same objects that a cluster would hold.
