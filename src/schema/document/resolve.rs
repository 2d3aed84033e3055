//! Where references lead: RFC 3986 for addresses, RFC 6901 for pointers, and nothing outside the document but the
//! meta-schemas.

use jsonschema::{Draft, ReferencingError, Uri, uri};
use referencing::SPECIFICATIONS;
use serde_json::Value;

use super::graph::{Document, Node, Place, Reference, ReferenceKeyword, address};
use crate::schema::{
    draft::draft_of,
    error::{InvalidSchema, beyond},
    pointer::push_part,
    text::{quoted, shortened},
};

/// Where a reference that leads nowhere was given up.
enum Unresolved {
    /// It names a document that is not here.
    Elsewhere,
    /// It names a part that the document does not have.
    Nowhere,
    /// It is no reference.
    NotAnAddress(ReferencingError),
    /// The part that it names cannot be read.
    Invalid(InvalidSchema),
}

impl From<InvalidSchema> for Unresolved {
    fn from(error: InvalidSchema) -> Self {
        Self::Invalid(error)
    }
}

/// The address of a document that names none.
pub(super) fn default_base() -> Result<Uri<String>, InvalidSchema> {
    uri::from_str("json-schema:///").map_err(|error| beyond(error.to_string()))
}

/// An address as it is meant in a resource.
pub(super) fn against(base: &Uri<String>, reference: &str) -> Result<Uri<String>, ReferencingError> {
    // Nothing is relative to a URN.
    uri::resolve_against(&base.borrow(), reference).or_else(|error| match base.scheme().as_str() {
        "urn" => uri::from_str(reference),
        _ => Err(error),
    })
}

/// What is wrong with an identifier or a reference.
pub(super) fn no_address(text: &str, problem: &ReferencingError) -> String {
    let text = quoted(text);
    match problem {
        ReferencingError::InvalidUri(_) => {
            format!(
                "found {text}, expected an address as in RFC 3986: encode other characters, such as a space as %20"
            )
        }
        _ => format!("found {text}, expected an address as in RFC 3986"),
    }
}

impl<'a> Document<'a> {
    /// Resolves the references of all subschemas, and of those that references lead to.
    pub(super) fn resolve_references(&mut self) -> Result<(), InvalidSchema> {
        let mut next = 0;
        while next < self.subschemas.len() {
            for keyword in ReferenceKeyword::ALL {
                let subschema = &self.subschemas[next];
                let Some(Value::String(target)) = subschema.value.get(keyword.as_str()) else { continue };
                let is_known = keyword.is_known(subschema.draft);
                match self.lookup(next, target) {
                    // A draft ignores the keywords of another. One that leads elsewhere is not what anybody wants.
                    Err(problem) if !is_known && !matches!(problem, Unresolved::Elsewhere) => {}
                    Ok(_) if !is_known => {}
                    Ok((to, dynamic)) => {
                        self.subschemas[next].references.push(Reference { keyword, to, dynamic });
                    }
                    Err(problem) => {
                        let is_elsewhere = matches!(problem, Unresolved::Elsewhere);
                        let error = self.refused(next, keyword, target, problem);
                        if is_elsewhere {
                            return Err(error);
                        }
                        self.subschemas[next].broken = Some(error);
                    }
                }
            }
            next += 1;
        }
        Ok(())
    }

    fn refused(
        &self,
        from: Node,
        keyword: ReferenceKeyword,
        target: &str,
        problem: Unresolved,
    ) -> InvalidSchema {
        let mut pointer = self.subschemas[from].pointer.clone();
        if matches!(problem, Unresolved::Elsewhere) {
            return InvalidSchema::RemoteReference {
                pointer,
                keyword: keyword.as_str().to_owned(),
                target: shortened(target),
            };
        }
        push_part(&mut pointer, keyword.as_str());
        let message = match problem {
            Unresolved::NotAnAddress(problem) => no_address(target, &problem),
            Unresolved::Invalid(error) => return error,
            Unresolved::Elsewhere | Unresolved::Nowhere => {
                format!("found {}, expected a reference to a part that this schema has", quoted(target))
            }
        };
        InvalidSchema::Invalid { pointer, message }
    }

    /// The subschema that a reference leads to, and the dynamic anchor that it names.
    fn lookup(&mut self, from: Node, target: &'a str) -> Result<(Node, Option<&'a str>), Unresolved> {
        let (address, fragment) = target.split_once('#').unwrap_or((target, ""));
        let own = self.subschemas[from].resource;
        let resource = if address.is_empty() {
            own
        } else {
            let base = &self.resources[own].uri;
            let uri = against(base, address).map_err(Unresolved::NotAnAddress)?;
            self.resource(&uri)?
        };
        let fragment = percent_decoded(fragment);
        if fragment.is_empty() {
            let root = self.resources[resource].root.clone();
            return Ok((self.add_found(root)?, None));
        }
        if fragment.starts_with('/') {
            let place = self.at_pointer(resource, &fragment)?;
            return Ok((self.add_found(place)?, None));
        }
        let key = (resource, fragment);
        let declared = self.declared.anchors.get(&key);
        let name = declared.and_then(|place| place.value.get("$dynamicAnchor")?.as_str());
        let dynamic = name.filter(|name| *name == key.1);
        let place = declared.or_else(|| self.found.anchors.get(&key)).ok_or(Unresolved::Nowhere)?.clone();
        Ok((self.add_found(place)?, dynamic))
    }

    /// The resource of an address: part of the document, or a meta-schema.
    fn resource(&mut self, uri: &Uri<String>) -> Result<usize, Unresolved> {
        let known = |document: &Self| {
            let names = [&document.declared, &document.found];
            names.iter().find_map(|names| names.resources.get(uri.as_str())).copied()
        };
        if let Some(resource) = known(self) {
            return Ok(resource);
        }
        let (address, family) = meta_schema(uri.as_str()).ok_or(Unresolved::Elsewhere)?;
        for name in family {
            let Ok(uri) = uri::from_str(name) else { continue };
            let Ok(resolved) = SPECIFICATIONS.resolver(uri.clone()).lookup("") else { continue };
            let contents = resolved.contents();
            let draft = draft_of(contents).unwrap_or(Draft::Draft202012);
            // A document may bring a meta-schema of its own.
            if !self.declared.resources.contains_key(*name) {
                self.add_document(uri, contents, draft)?;
            }
        }
        self.declared.resources.get(address).copied().ok_or(Unresolved::Elsewhere)
    }

    /// The place that a JSON Pointer leads to, from the root of a resource.
    fn at_pointer(&mut self, resource: usize, pointer: &str) -> Result<Place<'a>, Unresolved> {
        let mut place = self.resources[resource].root.clone();
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let next = match place.value {
                Value::Object(map) => map.get(&part),
                Value::Array(items) => part.parse().ok().and_then(|index: usize| items.get(index)),
                _ => None,
            };
            place.value = next.ok_or(Unresolved::Nowhere)?;
            push_part(&mut place.pointer, &part);
            place = match self.node_at(&place) {
                Some(node) => {
                    let known = &self.subschemas[node];
                    Place { resource: known.resource, draft: known.draft, ..place }
                }
                None => match self.roots.get(&address(place.value)) {
                    Some(resource) => self.resources[*resource].root.clone(),
                    None => place,
                },
            };
        }
        Ok(place)
    }

    /// Makes a subschema of what a reference leads to.
    fn add_found(&mut self, place: Place<'a>) -> Result<Node, Unresolved> {
        if !place.value.is_object() && !place.value.is_boolean() {
            return Err(Unresolved::Nowhere);
        }
        // Identifiers below it have been recorded already.
        Ok(self.add(place, &mut Vec::new())?)
    }
}

/// The meta-schemas, each with those that it refers to.
const META_SCHEMAS: [&[&str]; 5] = [
    &["http://json-schema.org/draft-04/schema"],
    &["http://json-schema.org/draft-06/schema"],
    &["http://json-schema.org/draft-07/schema"],
    &[
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2019-09/meta/core",
        "https://json-schema.org/draft/2019-09/meta/applicator",
        "https://json-schema.org/draft/2019-09/meta/validation",
        "https://json-schema.org/draft/2019-09/meta/meta-data",
        "https://json-schema.org/draft/2019-09/meta/format",
        "https://json-schema.org/draft/2019-09/meta/content",
    ],
    &[
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2020-12/meta/core",
        "https://json-schema.org/draft/2020-12/meta/applicator",
        "https://json-schema.org/draft/2020-12/meta/unevaluated",
        "https://json-schema.org/draft/2020-12/meta/validation",
        "https://json-schema.org/draft/2020-12/meta/meta-data",
        "https://json-schema.org/draft/2020-12/meta/format-annotation",
        "https://json-schema.org/draft/2020-12/meta/format-assertion",
        "https://json-schema.org/draft/2020-12/meta/content",
    ],
];

/// The meta-schema of an address, and all that belong to its draft. `http` and `https` are the same here, as in
/// `$schema`.
fn meta_schema(address: &str) -> Option<(&'static str, &'static [&'static str])> {
    let name = |address: &'_ str| address.split_once("://").map(|(_, rest)| rest.to_owned());
    let wanted = name(address)?;
    META_SCHEMAS.iter().find_map(|family| {
        let found = family.iter().find(|known| name(known).as_ref() == Some(&wanted))?;
        Some((*found, *family))
    })
}

/// A fragment without percent encoding: `%25` is `%`.
pub(in crate::schema) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = std::str::from_utf8(tail.get(..2).unwrap_or_default()).ok();
        match code.filter(|_| *first == b'%').and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_decoded() {
        assert_eq!(percent_decoded("%2"), "%2");
        assert_eq!(percent_decoded("100%25"), "100%");
        assert_eq!(percent_decoded("a%20b~1c"), "a b~1c");
    }
}
