//! The documents that schemas are taken from, and where references in them lead.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::component::is_data;

/// A place in one of the documents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The name of the document: a path with `/`, relative to the folder.
    pub(super) document: String,
    /// The parts of the JSON Pointer, not escaped.
    pub(super) parts: Vec<String>,
}

impl Place {
    pub(super) fn new(document: &str, parts: &[&str]) -> Self {
        Self { document: document.to_owned(), parts: parts.iter().map(|&part| part.to_owned()).collect() }
    }

    pub(super) fn child(&self, parts: &[&str]) -> Self {
        let mut child = self.clone();
        child.parts.extend(parts.iter().map(|&part| part.to_owned()));
        child
    }

    /// The parts behind `ancestor`, if this is a place in it.
    pub(super) fn within<'a>(&'a self, ancestor: &Self) -> Option<&'a [String]> {
        if self.document != ancestor.document {
            return None;
        }
        self.parts.strip_prefix(ancestor.parts.as_slice())
    }
}

impl Place {
    /// How many parts of the way from the root two places share.
    fn common(&self, other: &Self) -> usize {
        if self.document != other.document {
            return 0;
        }
        1 + self.parts.iter().zip(&other.parts).take_while(|(one, other)| one == other).count()
    }
}

/// Documents, with the schema resources and anchors in them.
pub(super) struct Documents<'a> {
    documents: BTreeMap<String, &'a Value>,
    /// Places by the URI that their `$id` gives them. Schemas that were bundled each bring the same resources.
    resources: BTreeMap<String, Vec<Place>>,
    /// Places by the resource that they are in, and their `$anchor`.
    anchors: BTreeMap<(Place, String), Place>,
}

impl<'a> Documents<'a> {
    pub(super) fn new(documents: impl IntoIterator<Item = (String, &'a Value)>) -> Self {
        let documents: BTreeMap<_, _> = documents.into_iter().collect();
        let mut all = Self { documents, resources: BTreeMap::new(), anchors: BTreeMap::new() };
        let roots: Vec<_> = all.documents.iter().map(|(name, value)| (name.clone(), *value)).collect();
        for (name, value) in roots {
            let root = Place::new(&name, &[]);
            all.index(value, &root, &root, "");
        }
        all
    }

    fn index(&mut self, value: &Value, place: &Place, resource: &Place, base: &str) {
        let mut resource = resource.clone();
        let mut base = base.to_owned();
        match value {
            Value::Object(members) => {
                if let Some(id) = members.get("$id").and_then(Value::as_str).filter(|id| !id.starts_with('#'))
                {
                    base = join(&base, id.trim_end_matches('#'));
                    resource = place.clone();
                    self.resources.entry(base.clone()).or_default().push(place.clone());
                }
                // Until 2019-09, an `$id` with only a fragment is an anchor.
                let old = members.get("$id").and_then(Value::as_str).and_then(|id| id.strip_prefix('#'));
                let anchors = ["$anchor", "$dynamicAnchor"];
                let anchors = anchors.iter().filter_map(|key| members.get(*key).and_then(Value::as_str));
                for anchor in anchors.chain(old.filter(|anchor| !anchor.is_empty())) {
                    let entry = (resource.clone(), anchor.to_owned());
                    self.anchors.entry(entry).or_insert_with(|| place.clone());
                }
                let parent = place.parts.last().map(String::as_str);
                for (key, member) in members.iter().filter(|(key, _)| !is_data(parent, key)) {
                    self.index(member, &place.child(&[key]), &resource, &base);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.index(item, &place.child(&[&index.to_string()]), &resource, &base);
                }
            }
            _ => {}
        }
    }

    /// The value at a place.
    pub(super) fn get(&self, place: &Place) -> Option<&'a Value> {
        let mut value = *self.documents.get(&place.document)?;
        for part in &place.parts {
            value = step(value, part)?;
        }
        Some(value)
    }

    /// The schema resource that a place is in, and its URI: the base of its references.
    pub(super) fn resource(&self, place: &Place) -> (Place, String) {
        let mut found = (Place::new(&place.document, &[]), String::new());
        let mut at = found.0.clone();
        let Some(mut value) = self.documents.get(&place.document).copied() else { return found };
        for part in place.parts.iter().map(Some).chain([None]) {
            if let Some(id) = value.get("$id").and_then(Value::as_str).filter(|id| !id.starts_with('#')) {
                found = (at.clone(), join(&found.1, id.trim_end_matches('#')));
            }
            let Some(part) = part else { break };
            let Some(next) = step(value, part) else { break };
            value = next;
            at.parts.push(part.clone());
        }
        found
    }

    /// Where a reference at a place leads.
    pub(super) fn resolve(&self, place: &Place, reference: &str) -> Option<Place> {
        let (resource, base) = self.resource(place);
        let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let target = if address.is_empty() { resource } else { self.find(place, &base, address)? };
        let target = match fragment {
            "" => target,
            pointer if pointer.starts_with('/') => {
                let parts: Vec<_> = pointer.split('/').skip(1).map(unescape).collect();
                let mut place = target;
                place.parts.extend(parts);
                place
            }
            anchor => self.anchors.get(&(target, anchor.to_owned()))?.clone(),
        };
        self.get(&target).map(|_| target)
    }

    /// The resource at an address; of several, the one that is nearest to the reference.
    fn find(&self, from: &Place, base: &str, address: &str) -> Option<Place> {
        let candidates = self.resources.get(&join(base, address)).map_or(&[][..], Vec::as_slice);
        // Of those that are equally near, the first.
        let nearest = candidates.iter().rev().max_by_key(|candidate| from.common(candidate));
        if let Some(place) = nearest {
            return Some(place.clone());
        }
        // A file beside this one.
        let path = address.strip_prefix("./").unwrap_or(address);
        let folder = from.document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        for part in path.split('/') {
            match part {
                "." => {}
                ".." => parts.pop().map(|_| ())?,
                part => parts.push(part),
            }
        }
        let document = parts.iter().map(|part| unescape(part)).collect::<Vec<_>>().join("/");
        self.documents.contains_key(&document).then(|| Place::new(&document, &[]))
    }
}

fn step<'a>(value: &'a Value, part: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    }
}

/// A URI against its base; as it is written where the base is no absolute one.
fn join(base: &str, reference: &str) -> String {
    if let Ok(joined) = Url::parse(base).and_then(|base| base.join(reference)) {
        return joined.into();
    }
    reference.to_owned()
}

/// A part of a JSON Pointer in a URI fragment: percent-encoded, then escaped.
fn unescape(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match digits.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).replace("~1", "/").replace("~0", "~")
}
