//! The keywords of the model: what each asserts.

use std::{collections::BTreeMap, rc::Rc};

use super::{constants::Constants, decimal::Decimal, types::Type};

/// The index of a node.
pub(super) type NodeId = usize;
/// A node that must match, or must not.
pub(super) type Goal = (NodeId, bool);
/// The index of a keyword.
pub(super) type KeyId = usize;
/// The index of a pattern, in the syntax of the `regex` crate.
pub(super) type PatternId = usize;
/// The index of a facet.
pub(super) type FacetId = usize;

/// What `type` permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Types {
    /// The bits of the types that are permitted whole.
    pub whole: u8,
    /// Of numbers, integers are permitted.
    pub integer: bool,
    /// An integer is a number that is written without a point, as in Draft 4.
    pub is_by_spelling: bool,
}

impl Types {
    pub fn has(self, kind: Type) -> bool {
        self.whole & kind as u8 != 0
    }
}

/// One assertion. What has several parts that all must match, such as `required`, is several keywords.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Keyword {
    /// Nothing matches.
    Never,
    Types(Types),
    /// `enum` and `const`.
    Enum(Rc<Constants>),
    AllOf(Vec<NodeId>),
    AnyOf(Vec<NodeId>),
    /// At most one of the nodes matches: with `AnyOf`, this is `oneOf`.
    AtMostOne(Vec<NodeId>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
    Minimum {
        bound: Decimal,
        is_exclusive: bool,
    },
    Maximum {
        bound: Decimal,
        is_exclusive: bool,
    },
    MultipleOf(Decimal),
    MinLength(u64),
    MaxLength(u64),
    Pattern(PatternId),
    /// A format or a content encoding: a set of strings that is known by its name and a check.
    Facet(FacetId),
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    Items {
        prefix: Vec<NodeId>,
        rest: Option<NodeId>,
    },
    Contains {
        node: NodeId,
        min: u64,
        max: Option<u64>,
    },
    MinProperties(u64),
    MaxProperties(u64),
    Required(String),
    Properties(Members),
    PropertyNames(NodeId),
    /// Where the member is present, the node matches.
    Dependent {
        name: String,
        node: NodeId,
    },
    /// What is not modelled: the keyword, and a digest of all that it may depend on.
    Other {
        keyword: &'static str,
        content: Rc<str>,
    },
}

/// `properties`, `patternProperties` and `additionalProperties` of one schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Members {
    pub named: BTreeMap<String, NodeId>,
    pub patterns: Vec<(PatternId, NodeId)>,
    pub additional: Option<NodeId>,
}

/// A facet of strings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Facet {
    /// The schema that asserts it and nothing else, as text.
    pub schema: String,
    /// The name of the format, if it is one.
    pub format: Option<String>,
}

impl Keyword {
    /// Returns the keyword with other nodes in place of its own.
    pub fn map(&self, mut to: impl FnMut(NodeId) -> NodeId) -> Self {
        let mut list = |nodes: &[NodeId]| nodes.iter().map(|node| to(*node)).collect::<Vec<_>>();
        match self {
            Self::AllOf(nodes) => Self::AllOf(list(nodes)),
            Self::AnyOf(nodes) => Self::AnyOf(list(nodes)),
            Self::AtMostOne(nodes) => Self::AtMostOne(list(nodes)),
            Self::Not(node) => Self::Not(to(*node)),
            Self::If { condition, then, otherwise } => Self::If {
                condition: to(*condition),
                then: then.map(&mut to),
                otherwise: otherwise.map(&mut to),
            },
            Self::Items { prefix, rest } => Self::Items { prefix: list(prefix), rest: rest.map(&mut to) },
            Self::Contains { node, min, max } => Self::Contains { node: to(*node), min: *min, max: *max },
            Self::Properties(members) => Self::Properties(Members {
                named: members.named.iter().map(|(name, node)| (name.clone(), to(*node))).collect(),
                patterns: members.patterns.iter().map(|(pattern, node)| (*pattern, to(*node))).collect(),
                additional: members.additional.map(&mut to),
            }),
            Self::PropertyNames(node) => Self::PropertyNames(to(*node)),
            Self::Dependent { name, node } => Self::Dependent { name: name.clone(), node: to(*node) },
            other => other.clone(),
        }
    }

    /// Calls `each` with each node of the keyword.
    pub fn each_node(&self, mut each: impl FnMut(NodeId)) {
        match self {
            Self::AllOf(nodes) | Self::AnyOf(nodes) | Self::AtMostOne(nodes) => {
                nodes.iter().for_each(|node| each(*node));
            }
            Self::Not(node)
            | Self::PropertyNames(node)
            | Self::Contains { node, .. }
            | Self::Dependent { node, .. } => each(*node),
            Self::If { condition, then, otherwise } => {
                [Some(*condition), *then, *otherwise].into_iter().flatten().for_each(each);
            }
            Self::Items { prefix, rest } => prefix.iter().copied().chain(*rest).for_each(each),
            Self::Properties(members) => {
                let patterns = members.patterns.iter().map(|(_, node)| *node);
                members.named.values().copied().chain(patterns).chain(members.additional).for_each(each);
            }
            _ => {}
        }
    }

    /// Whether the keyword can refuse a value of a type.
    pub fn concerns(&self, kind: Type) -> bool {
        let only = match self {
            Self::Minimum { .. } | Self::Maximum { .. } | Self::MultipleOf(_) => Type::Number,
            Self::MinLength(_) | Self::MaxLength(_) | Self::Pattern(_) | Self::Facet(_) => Type::String,
            Self::MinItems(_)
            | Self::MaxItems(_)
            | Self::UniqueItems
            | Self::Items { .. }
            | Self::Contains { .. } => Type::Array,
            Self::MinProperties(_)
            | Self::MaxProperties(_)
            | Self::Required(_)
            | Self::Properties(_)
            | Self::PropertyNames(_)
            | Self::Dependent { .. } => Type::Object,
            Self::Other { keyword, .. } => match *keyword {
                "unevaluatedItems" => Type::Array,
                "unevaluatedProperties" | "dependentSchemas" => Type::Object,
                _ => return true,
            },
            Self::Never
            | Self::Types(_)
            | Self::Enum(_)
            | Self::AllOf(_)
            | Self::AnyOf(_)
            | Self::AtMostOne(_)
            | Self::Not(_)
            | Self::If { .. } => return true,
        };
        only == kind
    }
}
