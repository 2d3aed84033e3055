//! Payloads as the validator reads them: each access counts as steps of work, and numbers that a float would round keep
//! their digits.
//!
//! The validator asks for every value through the traits of jsonschema, so counting there sees all that depends on the
//! payload. When the steps are used up, the validator is unwound ([`Meter::run`]).

mod equal;
mod matching;
mod meter;
mod number;
mod unique;
mod value;

use std::{borrow::Cow, ops::ControlFlow};

use jsonschema::{
    JsonType,
    json::{Array, Json, Node, NodeIdentity, Object},
};
use serde_json::{Map, Value};

pub(super) use matching::Matching;
pub(super) use meter::{Meter, Weights};
pub(super) use number::Number;
pub(super) use value::Instance;

/// The representation of payloads, as a type parameter of the validator.
pub(super) enum Metered {}

impl Json for Metered {
    type Node<'a> = Instance<'a>;
    type PreparedKey = String;
    type StringBuffer = Value;

    // As for serde_json's own values, whose maps these are.
    const KEYS_PER_LOOKUP: usize = 2;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut Value, string: &str, f: impl FnOnce(Instance<'_>) -> T) -> T {
        // Names of members come with their meter: `Members::try_for_each_name_node`.
        let meter = Meter::new(0, Weights::default());
        f(Instance { value: name_in(buffer, string), meter: &meter })
    }
}

/// A name as a value, in a buffer that is used for one after the other.
fn name_in<'b>(buffer: &'b mut Value, name: &str) -> &'b Value {
    if let Value::String(text) = buffer {
        text.clear();
        text.push_str(name);
    } else {
        *buffer = Value::String(name.to_owned());
    }
    buffer
}

impl<'a> Node<'a, Metered> for Instance<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = Number<'a>;

    #[inline]
    fn as_object(&self) -> Option<Members<'a>> {
        match self.value {
            _ if !self.charge(1) => None,
            Value::Object(members) => Some(Members { instance: *self, members }),
            _ => None,
        }
    }

    #[inline]
    fn as_array(&self) -> Option<Elements<'a>> {
        match self.value {
            _ if !self.charge(1) => None,
            Value::Array(items) => Some(Elements { instance: *self, items }),
            _ => None,
        }
    }

    #[inline]
    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self.value {
            Value::String(text) if self.charge(self.meter.weights().of_text(text.len())) => {
                Some(Cow::Borrowed(text))
            }
            Value::String(_) => None,
            _ => {
                self.charge(1);
                None
            }
        }
    }

    #[inline]
    fn as_number(&self) -> Option<Number<'a>> {
        self.charge(1);
        match self.value {
            Value::Number(number) => {
                Some(Number { instance: *self, number, digits: self.meter.digits(self.value) })
            }
            _ => None,
        }
    }

    #[inline]
    fn as_boolean(&self) -> Option<bool> {
        self.charge(1);
        self.value.as_bool()
    }

    #[inline]
    fn is_null(&self) -> bool {
        self.charge(1);
        self.value.is_null()
    }

    #[inline]
    fn is_number(&self) -> bool {
        self.charge(1);
        self.value.is_number()
    }

    #[inline]
    fn is_string(&self) -> bool {
        self.charge(1);
        self.value.is_string()
    }

    #[inline]
    fn json_type(&self) -> JsonType {
        self.charge(1);
        match self.value {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn string_length(&self) -> Option<u64> {
        let text = self.text()?;
        self.charge(meter::reading(text.len())).then(|| text.chars().count() as u64)
    }

    #[inline]
    fn string_length_within(&self, min: u64, max: u64) -> Option<bool> {
        let text = self.text()?;
        // A character takes one to four bytes.
        let (bytes, fewest) = (text.len() as u64, text.len().div_ceil(4) as u64);
        if bytes < min || fewest > max {
            return Some(false);
        }
        if min <= fewest && bytes <= max {
            return Some(true);
        }
        self.string_length().map(|length| (min..=max).contains(&length))
    }

    fn equals_value(&self, expected: &Value) -> bool {
        equal::equals(*self, expected)
    }

    /// The value in an error. The errors of keywords of ours keep a copy of it, which is never an object or an array.
    fn to_value(&self) -> Cow<'a, Value> {
        self.charge(self.meter.of_error(self.value));
        Cow::Borrowed(self.value)
    }

    #[inline]
    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref(self.value) as usize))
    }

    #[inline]
    fn container_identity(&self) -> Option<NodeIdentity> {
        if self.value.is_object() || self.value.is_array() { self.identity() } else { None }
    }
}

/// The members of an object.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    instance: Instance<'a>,
    members: &'a Map<String, Value>,
}

impl<'a> Object<'a, Metered> for Members<'a> {
    type Node = Instance<'a>;
    type MemberName = Name<'a>;
    type MembersIter = MembersIter<'a>;

    #[inline]
    fn len(&self) -> usize {
        self.members.len()
    }

    #[inline]
    fn get(&self, key: &String) -> Option<Instance<'a>> {
        // The names on the way to it may begin like it.
        if !self.instance.charge(2 + 4 * (key.len() as u64 / 64)) {
            return None;
        }
        self.members.get(key.as_str()).map(|value| self.instance.at(value))
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter { instance: self.instance, members: self.members.iter() }
    }

    fn try_for_each_name_node<B>(
        &self,
        buffer: &mut Value,
        mut f: impl FnMut(Instance<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for name in self.members.keys() {
            if !self.instance.charge(1 + meter::reading(name.len())) {
                break;
            }
            f(Instance { value: name_in(buffer, name), meter: self.instance.meter })?;
        }
        ControlFlow::Continue(())
    }
}

/// Iterates over members until the steps are used up.
pub(super) struct MembersIter<'a> {
    instance: Instance<'a>,
    members: serde_json::map::Iter<'a>,
}

impl<'a> Iterator for MembersIter<'a> {
    type Item = (Name<'a>, Instance<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.members.next()?;
        let instance = self.instance;
        instance.charge(instance.meter.of_member(name)).then(|| (Name { instance, name }, instance.at(value)))
    }
}

/// The name of a member. The validator asks for its text each time that it matches it with a pattern.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    instance: Instance<'a>,
    name: &'a str,
}

impl AsRef<str> for Name<'_> {
    #[inline]
    fn as_ref(&self) -> &str {
        if self.instance.charge(self.instance.meter.weights().of_name(self.name.len())) {
            self.name
        } else {
            ""
        }
    }
}

impl<'a> From<Name<'a>> for Cow<'a, str> {
    fn from(name: Name<'a>) -> Self {
        Cow::Borrowed(name.name)
    }
}

/// The elements of an array.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a> {
    instance: Instance<'a>,
    items: &'a [Value],
}

impl<'a> Array<'a, Metered> for Elements<'a> {
    type Node = Instance<'a>;
    type ElementsIter = ElementsIter<'a>;

    #[inline]
    fn len(&self) -> usize {
        self.items.len()
    }

    #[inline]
    fn elements(&self) -> ElementsIter<'a> {
        ElementsIter { instance: self.instance, items: self.items.iter() }
    }

    fn is_unique(&self) -> bool {
        unique::is_unique(self.instance, self.items)
    }
}

/// Iterates over elements until the steps are used up.
pub(super) struct ElementsIter<'a> {
    instance: Instance<'a>,
    items: std::slice::Iter<'a, Value>,
}

impl<'a> Iterator for ElementsIter<'a> {
    type Item = Instance<'a>;

    #[inline]
    fn next(&mut self) -> Option<Instance<'a>> {
        let value = self.items.next()?;
        self.instance.charge(self.instance.meter.of_element()).then(|| self.instance.at(value))
    }
}
