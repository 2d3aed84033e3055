//! A subschema as it is read, before nodes that assert the same become one.

use std::rc::Rc;

use crate::schema::evolution::model::Keyword;

/// The index of a raw node.
pub(in crate::schema::evolution) type RawId = usize;

/// A subschema in one mode.
pub(in crate::schema::evolution) struct Raw {
    /// What it asserts. The nodes in it are raw nodes.
    pub keywords: Vec<Keyword>,
    /// Where it is written.
    pub pointer: Rc<str>,
}
