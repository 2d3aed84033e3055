//! The walk over a document: subschemas, schema resources and anchors, each with what it inherits.

use jsonschema::{Draft, Uri};
use serde_json::{Map, Value};

use super::{
    graph::{Document, Edge, Node, Place, Resource, Subschema, address},
    resolve,
};
use crate::schema::{
    draft::draft_of,
    error::InvalidSchema,
    keywords::{self, Applies, Child, Part},
    pointer::push_part,
};

/// What a schema object declares of itself.
struct Identity<'a> {
    /// The identifier of the resource whose root it is.
    id: Option<&'a str>,
    /// Identifiers that its draft ignores, since they are siblings of a `$ref` or belong to another draft.
    aliases: Vec<&'a str>,
    anchors: Vec<&'a str>,
    dynamic: Option<&'a str>,
}

impl<'a> Document<'a> {
    /// Adds a document and all its subschemas.
    pub(super) fn add_document(
        &mut self,
        base: Uri<String>,
        schema: &'a Value,
        draft: Draft,
    ) -> Result<Node, InvalidSchema> {
        let root = Place { value: schema, pointer: String::new(), resource: 0, draft };
        let address = base.as_str().to_owned();
        let resource = self.push_resource(base, &root, None);
        self.declared.resources.entry(address).or_insert(resource);
        let root = Place { resource, ..root };
        let mut unknown = Vec::new();
        let node = self.add(root, &mut unknown)?;
        while let Some(place) = unknown.pop() {
            self.search(place)?;
        }
        Ok(node)
    }

    /// Adds the subschema at a place and those under its keywords. What is under unknown keywords is appended to
    /// `unknown`. The depth of the document is bounded, so this may recurse.
    pub(super) fn add(
        &mut self,
        place: Place<'a>,
        unknown: &mut Vec<Place<'a>>,
    ) -> Result<Node, InvalidSchema> {
        if let Some(node) = self.node_at(&place) {
            return Ok(node);
        }
        let node = self.subschemas.len();
        self.nodes.insert(address(place.value), node);
        let place = self.enter(place, true)?;
        self.subschemas.push(Subschema {
            value: place.value,
            pointer: place.pointer.clone(),
            draft: place.draft,
            resource: place.resource,
            children: Vec::new(),
            references: Vec::new(),
            is_used: false,
            broken: None,
        });
        let Value::Object(map) = place.value else { return Ok(node) };
        let silent = Document::is_only_a_reference(place.draft, place.value);
        let mut found = Vec::new();
        keywords::children(place.draft, map, |child| found.push(child));
        for Child { keyword, part, applies, value } in found {
            let mut below = Place { value, ..place.clone() };
            push_part(&mut below.pointer, keyword);
            match part {
                Some(Part::Key(key)) => push_part(&mut below.pointer, key),
                Some(Part::Index(index)) => push_part(&mut below.pointer, &index.to_string()),
                None => {}
            }
            let to = self.add(below, unknown)?;
            let applies = if silent { Applies::Nothing } else { applies };
            let name = match part {
                Some(Part::Key(key)) => Some(key),
                _ => None,
            };
            self.subschemas[node].children.push(Edge { applies, name, to });
        }
        for (keyword, value) in map {
            let is_container = value.is_object() || value.is_array();
            if is_container
                && !keywords::holds_schemas(place.draft, keyword)
                && !keywords::DATA.contains(&keyword.as_str())
            {
                let mut below = Place { value, ..place.clone() };
                push_part(&mut below.pointer, keyword);
                unknown.push(below);
            }
        }
        Ok(node)
    }

    /// Searches for identifiers in what is under a keyword that no draft knows.
    fn search(&mut self, place: Place<'a>) -> Result<(), InvalidSchema> {
        if self.node_at(&place).is_some() {
            return Ok(());
        }
        let place = if place.value.is_object() { self.enter(place, false)? } else { place };
        let mut below = |part: &str, value: &'a Value| {
            if !value.is_object() && !value.is_array() {
                return Ok(());
            }
            let mut below = Place { value, ..place.clone() };
            push_part(&mut below.pointer, part);
            self.search(below)
        };
        match place.value {
            Value::Object(map) => map
                .iter()
                .filter(|(key, _)| !keywords::DATA.contains(&key.as_str()))
                .try_for_each(|(key, value)| below(key, value)),
            Value::Array(items) => {
                items.iter().enumerate().try_for_each(|(index, value)| below(&index.to_string(), value))
            }
            _ => Ok(()),
        }
    }

    /// What applies at a place and below it: the draft and the resource that the value there begins. Its identifiers
    /// are recorded. `declared`: whether a schema is expected there.
    fn enter(&mut self, mut place: Place<'a>, declared: bool) -> Result<Place<'a>, InvalidSchema> {
        let Value::Object(map) = place.value else { return Ok(place) };
        if let Some(known) = self.roots.get(&address(place.value)) {
            place.resource = *known;
            place.draft = self.resources[*known].root.draft;
            return Ok(place);
        }
        if let Some(draft) = draft_of(place.value) {
            place.draft = draft;
        }
        // A document, or one that was bundled with its draft, has the address that it names, whatever its other keywords are.
        let is_whole = place.pointer.is_empty() || map.contains_key("$schema");
        let identity = identity(place.draft, map, is_whole);
        if let Some(id) = identity.id {
            place = match self.enter_resource(place.clone(), id, declared) {
                // Where no schema is expected, nothing can be wrong with it.
                Err(_) if !declared => place,
                entered => entered?,
            };
        }
        for id in identity.aliases {
            self.add_alias(&place, id);
        }
        let names = if declared { &mut self.declared } else { &mut self.found };
        for anchor in identity.anchors.into_iter().chain(identity.dynamic) {
            names.anchors.entry((place.resource, anchor.to_owned())).or_insert_with(|| place.clone());
        }
        if let Some(name) = identity.dynamic {
            self.resources[place.resource].dynamic.push((name, place.clone()));
        }
        Ok(place)
    }

    /// Records the resource that begins at a place.
    fn enter_resource(
        &mut self,
        mut place: Place<'a>,
        id: &str,
        declared: bool,
    ) -> Result<Place<'a>, InvalidSchema> {
        let parent = &self.resources[place.resource];
        let uri = resolve::against(&parent.uri, id).map_err(|problem| {
            let mut pointer = place.pointer.clone();
            push_part(&mut pointer, place.draft.id_keyword());
            InvalidSchema::Invalid { pointer, message: resolve::no_address(id, &problem) }
        })?;
        // A document that names itself has this name and the one that it was read under.
        if std::ptr::eq(parent.root.value, place.value) {
            self.resources[place.resource].uri = uri.clone();
        } else {
            place.resource = self.push_resource(uri.clone(), &place, Some(place.resource));
        }
        self.roots.insert(address(place.value), place.resource);
        let names = if declared { &mut self.declared } else { &mut self.found };
        names.resources.entry(uri.as_str().to_owned()).or_insert(place.resource);
        Ok(place)
    }

    /// Records a name of the subschema at a place that does not make it a resource of its own.
    fn add_alias(&mut self, place: &Place<'a>, id: &str) {
        let Ok(uri) = resolve::against(&self.resources[place.resource].uri, id) else { return };
        if !self.found.resources.contains_key(uri.as_str()) {
            let address = uri.as_str().to_owned();
            let alias = self.push_resource(uri, place, Some(place.resource));
            // What is within it stays part of the resource around it.
            self.resources[alias].root.resource = place.resource;
            self.found.resources.insert(address, alias);
        }
    }

    /// Records a resource within another, or a document.
    fn push_resource(&mut self, uri: Uri<String>, root: &Place<'a>, around: Option<usize>) -> usize {
        let resource = self.resources.len();
        let root = Place { resource, ..root.clone() };
        let recursive = is_recursive(root.draft, root.value);
        let document = around.map_or(resource, |around| self.resources[around].document);
        self.resources.push(Resource { uri, root, document, dynamic: Vec::new(), recursive });
        resource
    }
}

fn is_recursive(draft: Draft, schema: &Value) -> bool {
    draft == Draft::Draft201909 && schema.get("$recursiveAnchor") == Some(&Value::Bool(true))
}

/// What a schema object declares of itself in a draft.
fn identity(draft: Draft, map: &Map<String, Value>, is_whole: bool) -> Identity<'_> {
    let text = |keyword: &str| map.get(keyword).and_then(Value::as_str);
    let classic = draft <= Draft::Draft7;
    let (id, fragment) = match text(draft.id_keyword()) {
        None => (None, None),
        Some(id) => match id.split_once('#') {
            Some((id, fragment)) => (Some(id), Some(fragment)),
            None => (Some(id), None),
        },
    };
    let mut identity = Identity {
        id: id.filter(|id| !id.is_empty()),
        aliases: Vec::new(),
        anchors: Vec::new(),
        dynamic: None,
    };
    let other = if draft == Draft::Draft4 { "$id" } else { "id" };
    identity.aliases.extend(text(other).filter(|id| !id.is_empty() && !id.contains('#')));
    if classic {
        // These drafts ignore the siblings of `$ref`.
        if map.contains_key("$ref") && !is_whole {
            identity.aliases.extend(identity.id.take());
        }
        identity.anchors.extend(fragment.filter(|name| !name.is_empty() && !name.starts_with('/')));
    }
    // Drafts before 2019-09 do not know `$anchor`; where one names nothing else, it means the same.
    identity.anchors.extend(text("$anchor"));
    if draft == Draft::Draft202012 {
        identity.dynamic = text("$dynamicAnchor");
    }
    identity
}
