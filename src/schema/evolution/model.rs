//! Two schemas as one set of nodes: what each node asserts, without annotations, spelling and references.
//!
//! Nodes and keywords that assert the same are one, whichever schema they are written in, so a part that did not change
//! is the same node on both sides.

use std::{collections::HashMap, rc::Rc};

pub(super) use super::{
    keyword::{Facet, FacetId, Goal, KeyId, Keyword, Members, NodeId, PatternId, Types},
    types::Type,
};

/// The nodes and keywords of both schemas.
#[derive(Default)]
pub(super) struct Model {
    nodes: Vec<Vec<KeyId>>,
    keys: Vec<Rc<Keyword>>,
    patterns: Vec<String>,
    facets: Vec<Facet>,
    known_nodes: HashMap<Vec<KeyId>, NodeId>,
    known_keys: HashMap<Rc<Keyword>, KeyId>,
    known_patterns: HashMap<String, PatternId>,
    known_facets: HashMap<Facet, FacetId>,
    /// Whether 1 and 1.0 differ for some keyword, as in Draft 4.
    pub has_spelling: bool,
}

impl Model {
    /// The keywords of a node, all of which must match.
    pub fn keys(&self, node: NodeId) -> &[KeyId] {
        &self.nodes[node]
    }

    pub fn keyword(&self, key: KeyId) -> &Keyword {
        &self.keys[key]
    }

    /// The keyword, independent of the model.
    pub fn shared(&self, key: KeyId) -> Rc<Keyword> {
        Rc::clone(&self.keys[key])
    }

    pub fn pattern(&self, pattern: PatternId) -> &str {
        &self.patterns[pattern]
    }

    pub fn facet(&self, facet: FacetId) -> &Facet {
        &self.facets[facet]
    }

    /// Returns the node that asserts all of some keywords.
    pub fn node(&mut self, mut keys: Vec<KeyId>) -> NodeId {
        keys.sort_unstable();
        keys.dedup();
        if let Some(known) = self.known_nodes.get(&keys) {
            return *known;
        }
        self.nodes.push(keys.clone());
        self.known_nodes.insert(keys, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Reserves a node whose keywords refer to it; [`Model::fill`] sets them.
    pub fn reserve(&mut self) -> NodeId {
        self.nodes.push(Vec::new());
        self.nodes.len() - 1
    }

    /// Sets the keywords of a reserved node.
    pub fn fill(&mut self, node: NodeId, mut keys: Vec<KeyId>) {
        keys.sort_unstable();
        keys.dedup();
        self.known_nodes.entry(keys.clone()).or_insert(node);
        self.nodes[node] = keys;
    }

    pub fn key(&mut self, keyword: Keyword) -> KeyId {
        if let Some(known) = self.known_keys.get(&keyword) {
            return *known;
        }
        if let Keyword::Types(types) = &keyword {
            self.has_spelling |= types.is_by_spelling;
        }
        let keyword = Rc::new(keyword);
        self.keys.push(Rc::clone(&keyword));
        self.known_keys.insert(keyword, self.keys.len() - 1);
        self.keys.len() - 1
    }

    /// Returns the node of one keyword.
    pub fn node_of(&mut self, keyword: Keyword) -> NodeId {
        let key = self.key(keyword);
        self.node(vec![key])
    }

    pub fn add_pattern(&mut self, pattern: &str) -> PatternId {
        if let Some(known) = self.known_patterns.get(pattern) {
            return *known;
        }
        self.patterns.push(pattern.to_owned());
        self.known_patterns.insert(pattern.to_owned(), self.patterns.len() - 1);
        self.patterns.len() - 1
    }

    pub fn add_facet(&mut self, facet: Facet) -> FacetId {
        if let Some(known) = self.known_facets.get(&facet) {
            return *known;
        }
        self.facets.push(facet.clone());
        self.known_facets.insert(facet, self.facets.len() - 1);
        self.facets.len() - 1
    }
}
