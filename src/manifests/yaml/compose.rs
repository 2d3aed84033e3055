//! From YAML events to a JSON value: aliases, merge keys, tags and limits.

use std::collections::HashMap;

use base64::Engine as _;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::{Ambiguous, Document, Mark, Spot, YamlError, scalar};

/// Deepest nesting. serde_json stops at 128 levels, and values are nested in objects before it sees them.
pub(super) const MAX_DEPTH: usize = 100;

/// How much aliases may add to a document, in bytes, roughly. go-yaml's limit has the same purpose.
const MAX_EXPANSION: usize = 8 << 20;

/// A value, with where it and its parts stand.
#[derive(Clone)]
struct Node {
    value: Value,
    spot: Spot,
    /// Roughly its size in memory.
    weight: usize,
}

/// Reads the documents of one stream.
pub(super) struct Composer<'a> {
    parser: Parser<'a, StrInput<'a>>,
    lines_before: usize,
    anchors: HashMap<usize, Node>,
    expanded: usize,
    path: Vec<String>,
    ambiguous: Vec<Ambiguous>,
}

impl<'a> Composer<'a> {
    /// `lines_before`: how many lines of the file come before this text.
    pub(super) fn new(text: &'a str, lines_before: usize) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            lines_before,
            anchors: HashMap::new(),
            expanded: 0,
            path: Vec::new(),
            ambiguous: Vec::new(),
        }
    }

    /// The next document; `None` at the end. After an error the rest of the text cannot be read.
    pub(super) fn document(&mut self) -> Option<Result<Document, YamlError>> {
        loop {
            match self.next() {
                Err(error) => return Some(Err(error)),
                Ok(None) => return None,
                Ok(Some((Event::DocumentStart(_), _))) => break,
                Ok(Some(_)) => {}
            }
        }
        self.anchors.clear();
        self.expanded = 0;
        let node = match self.next() {
            Ok(Some((event, span))) => self.node(event, span, 0),
            Ok(None) => return None,
            Err(error) => Err(error),
        };
        Some(node.map(|node| Document {
            value: node.value,
            spot: node.spot,
            ambiguous: std::mem::take(&mut self.ambiguous),
        }))
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        self.parser.next_event().transpose().map_err(|error| self.syntax(&error))
    }

    fn mark(&self, span: Span) -> Mark {
        Mark { line: self.lines_before + span.start.line(), column: span.start.col() + 1 }
    }

    fn syntax(&self, error: &ScanError) -> YamlError {
        let mark = self.mark(Span::empty(*error.marker()));
        // The scanner has a limit of its own, and reads ahead.
        if error.info().contains("recursion limit") {
            return too_deep(mark);
        }
        YamlError { mark, message: format!("not valid YAML: {}", error.info()) }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, YamlError> {
        let mark = self.mark(span);
        if depth >= MAX_DEPTH {
            return Err(too_deep(mark));
        }
        let (anchor, node) = match event {
            Event::Alias(id) => return self.alias(id, mark),
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::Plain && tag.is_none() && scalar::is_ambiguous(&text) {
                    self.note_ambiguous(&text, mark, false);
                }
                let weight = 16 + text.len();
                let value = tagged(&text, style, tag.as_deref()).map_err(|message| mark.error(message))?;
                (anchor, Node { value, spot: mark.into(), weight })
            }
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(mark, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(mark, depth)?),
            _ => return Err(mark.error("not valid YAML: a value was expected here")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, mark: Mark) -> Result<Node, YamlError> {
        // The parser refuses unknown names, so an anchor that is not there is still being read.
        let mut node =
            self.anchors.get(&id).cloned().ok_or_else(|| mark.error("an alias inside its own anchor"))?;
        self.expanded += node.weight;
        if self.expanded > MAX_EXPANSION {
            return Err(mark.error("aliases make this document too large: write fewer, or smaller ones"));
        }
        node.spot.mark = mark;
        Ok(node)
    }

    fn sequence(&mut self, mark: Mark, depth: usize) -> Result<Node, YamlError> {
        let (mut array, mut parts, mut weight) = (Vec::new(), Vec::new(), 32);
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let index = array.len().to_string();
            self.path.push(index.clone());
            let item = self.node(event, span, depth + 1)?;
            self.path.pop();
            weight += item.weight;
            parts.push((index, item.spot));
            array.push(item.value);
        }
        Ok(Node { value: Value::Array(array), spot: Spot { mark, parts }, weight })
    }

    fn mapping(&mut self, mark: Mark, depth: usize) -> Result<Node, YamlError> {
        let mut object = Object::default();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key_mark = self.mark(span);
            if is_merge(&event) {
                let (sources, at) = self.merge_sources(depth)?;
                // Earlier ones win among themselves, as kubectl and YAML have it.
                for source in sources.into_iter().rev() {
                    object.merge(source).map_err(|key| at.error(merge_message(&key)))?;
                }
                continue;
            }
            let key = self.key(event, span, key_mark)?;
            self.path.push(key.clone());
            let Some((event, span)) = self.next()? else { break };
            let mut value = self.node(event, span, depth + 1)?;
            self.path.pop();
            value.spot.mark = key_mark;
            object.insert(key, value).map_err(|(key, line)| {
                key_mark
                    .error(format!("the key {key:?} is given twice, first on line {line}: keep one of them"))
            })?;
        }
        Ok(object.into_node(mark))
    }

    fn key(&mut self, event: Event<'a>, span: Span, mark: Mark) -> Result<String, YamlError> {
        let text = match &event {
            Event::Scalar(text, ScalarStyle::Plain, _, None) => {
                if scalar::is_ambiguous(text) {
                    self.note_ambiguous(text, mark, true);
                }
                text.to_string()
            }
            _ => String::new(),
        };
        let value = self.node(event, span, 0)?.value;
        if value.is_array() || value.is_object() {
            return Err(mark.error("a key must be text, found a list or an object"));
        }
        scalar::key(&text, &value)
            .ok_or_else(|| mark.error("a key must be text, found null: put it in quotes if it is a name"))
    }

    /// The objects that a `<<` names, and where.
    fn merge_sources(&mut self, depth: usize) -> Result<(Vec<Node>, Mark), YamlError> {
        let Some((event, span)) = self.next()? else { return Ok((Vec::new(), Mark::START)) };
        let at = self.mark(span);
        let node = self.node(event, span, depth + 1)?;
        let wanted = || at.error("<< takes an object, or a list of objects");
        let sources = match node.value {
            Value::Object(_) => vec![node],
            Value::Array(items) => items
                .into_iter()
                .zip(node.spot.parts)
                .map(|(value, (_, spot))| {
                    value.is_object().then_some(Node { value, spot, weight: 0 }).ok_or_else(wanted)
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(wanted()),
        };
        Ok((sources, at))
    }

    fn note_ambiguous(&mut self, text: &str, mark: Mark, is_key: bool) {
        // A key is visited twice: by `key`, which knows that it is one, and by `node`.
        if self.ambiguous.last().is_some_and(|last| last.mark == mark) {
            return;
        }
        let pointer = self.path.iter().fold(String::new(), |pointer, part| super::join(&pointer, part));
        self.ambiguous.push(Ambiguous { mark, pointer, text: text.to_owned(), is_key });
    }
}

/// An object while it is read.
#[derive(Default)]
struct Object {
    map: Map<String, Value>,
    parts: HashMap<String, (Spot, bool)>,
    order: Vec<String>,
    weight: usize,
}

impl Object {
    /// Takes an entry; `Err` when it is there already, with the line of the first.
    fn insert(&mut self, key: String, node: Node) -> Result<(), (String, usize)> {
        if let Some((spot, merged)) = self.parts.get(&key) {
            if !merged {
                return Err((key, spot.mark.line));
            }
        } else {
            self.order.push(key.clone());
        }
        self.weight += 48 + key.len() + node.weight;
        self.parts.insert(key.clone(), (node.spot, false));
        self.map.insert(key, node.value);
        Ok(())
    }

    /// Takes the entries of a merged object; `Err` with a key that was given before the `<<`: there kubectl
    /// takes the merged value and YAML's specification the other.
    fn merge(&mut self, source: Node) -> Result<(), String> {
        let Value::Object(entries) = source.value else { return Ok(()) };
        let mut spots: HashMap<String, Spot> = source.spot.parts.into_iter().collect();
        for (key, value) in entries {
            match self.parts.get(&key) {
                Some((_, false)) => return Err(key),
                Some((_, true)) => {}
                None => self.order.push(key.clone()),
            }
            let mut spot = spots.remove(&key).unwrap_or_default();
            spot.mark = source.spot.mark;
            self.weight += 48 + key.len();
            self.parts.insert(key.clone(), (spot, true));
            self.map.insert(key, value);
        }
        self.weight += source.weight;
        Ok(())
    }

    fn into_node(mut self, mark: Mark) -> Node {
        let parts = self
            .order
            .into_iter()
            .filter_map(|key| self.parts.remove(&key).map(|(spot, _)| (key, spot)))
            .collect();
        Node { value: Value::Object(self.map), spot: Spot { mark, parts }, weight: self.weight + 32 }
    }
}

fn too_deep(mark: Mark) -> YamlError {
    mark.error(format!("nested more than {MAX_DEPTH} levels deep"))
}

fn merge_message(key: &str) -> String {
    format!("<< brings {key:?} again, which stands before it: write << first, what follows it overrides it")
}

fn is_merge(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, _, None) => text == "<<",
        Event::Scalar(text, _, _, Some(tag)) => text == "<<" && core(tag) == Some("merge"),
        _ => false,
    }
}

fn core(tag: &Tag) -> Option<&str> {
    tag.is_yaml_core_schema().then_some(tag.suffix.as_str())
}

/// A scalar with its style and tag; other tags than YAML's own leave the text as it is, as go-yaml does.
fn tagged(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => scalar::resolve(text),
            _ => Ok(Value::from(text)),
        };
    };
    let wrong = |kind: &str| format!("a text tagged !!{kind} that is no {kind}");
    match core(tag) {
        Some("binary") => {
            let compact: String = text.split_ascii_whitespace().collect();
            base64::engine::general_purpose::STANDARD
                .decode(compact)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map(Value::String)
                .ok_or_else(|| "a text tagged !!binary that is not base64 of UTF-8 text".to_owned())
        }
        Some(kind @ ("int" | "float" | "bool" | "null")) => {
            let value = scalar::resolve(text)?;
            let fits = match kind {
                "int" => value.is_i64(),
                "float" => value.is_number(),
                "bool" => value.is_boolean(),
                _ => value.is_null(),
            };
            if fits { Ok(value) } else { Err(wrong(kind)) }
        }
        _ => Ok(Value::from(text)),
    }
}
