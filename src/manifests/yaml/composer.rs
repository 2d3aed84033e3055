//! Composes a JSON value from YAML events: aliases, merge keys, tags and limits.

use std::collections::HashMap;

use base64::Engine as _;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};

use crate::api::JsonPointer;

use super::{
    document::{Advice, Ambiguous, Document, MAX_DEPTH, Mark, Positions, YamlError, YamlErrorKind},
    scalar::{self, ScalarError},
};

/// How much aliases may add to a document, in bytes, approximately. go-yaml's limit has the same purpose.
const MAX_EXPANSION: usize = 8 << 20;

/// A value, with the positions of it and its parts.
#[derive(Clone)]
struct Node {
    value: Value,
    positions: Positions,
    /// Approximately its size in memory.
    weight: usize,
}

/// Reads the documents of one stream.
pub(super) struct Composer<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// The lines of the text.
    lines: Vec<&'a str>,
    /// Whether the text has a tab anywhere.
    has_tab: bool,
    /// Whether the text has an escaped slash anywhere.
    has_escaped_slash: bool,
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
            lines: text.split('\n').collect(),
            has_tab: text.contains('\t'),
            has_escaped_slash: text.contains(r"\/"),
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
            positions: node.positions,
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
            return mark.error(YamlErrorKind::TooDeep);
        }
        let advice = error.info().contains("mapping values are not allowed").then_some(Advice::Colon);
        mark.error(YamlErrorKind::Syntax { message: error.info().to_owned(), advice })
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, YamlError> {
        let mark = self.mark(span);
        if depth >= MAX_DEPTH {
            return Err(mark.error(YamlErrorKind::TooDeep));
        }
        let (anchor, node) = match event {
            Event::Alias(id) => return self.alias(id, mark),
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::Plain && tag.is_none() && scalar::is_ambiguous(&text) {
                    self.note_ambiguous(&text, mark, false);
                }
                if style == ScalarStyle::DoubleQuoted && self.has_escaped_slash && self.escapes_slash(span) {
                    return Err(mark.error(YamlErrorKind::EscapedSlash));
                }
                let weight = 16 + text.len();
                let value = tagged(&text, style, tag.as_deref()).map_err(|error| mark.error(error))?;
                (anchor, Node { value, positions: mark.into(), weight })
            }
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(mark, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(mark, depth)?),
            _ => {
                let message = "a value was expected here".to_owned();
                return Err(mark.error(YamlErrorKind::Syntax { message, advice: None }));
            }
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Whether a text in double quotes has an escaped slash.
    fn escapes_slash(&self, span: Span) -> bool {
        let (first, last) = (span.start.line().saturating_sub(1), span.end.line());
        let lines = self.lines.get(first..last.min(self.lines.len())).unwrap_or_default();
        let skipped = [span.start.col()].into_iter().chain(std::iter::repeat(0));
        let end = if span.start.line() == span.end.line() { span.end.col() } else { usize::MAX };
        lines.iter().zip(skipped).any(|(line, skipped)| {
            let mut characters = line.chars().take(end).skip(skipped);
            while let Some(character) = characters.next() {
                if character == '\\' && characters.next() == Some('/') {
                    return true;
                }
            }
            false
        })
    }

    /// Returns what stands before a value on its line.
    fn before(&self, span: Span) -> String {
        let line = self.lines.get(span.start.line().saturating_sub(1)).copied().unwrap_or_default();
        line.chars().take(span.start.col()).collect()
    }

    /// Whether an item of a list stands behind its `-` and a tab.
    fn follows_tab(&self, span: Span) -> bool {
        let before = self.before(span);
        before.contains('-')
            && before.contains('\t')
            && before.chars().all(|character| matches!(character, ' ' | '\t' | '-'))
    }

    /// Whether a key without `?` goes over more than one line.
    fn is_broken_key(&self, span: Span) -> bool {
        span.start.line() != span.end.line() && !self.before(span).trim_end().ends_with('?')
    }

    fn alias(&mut self, id: usize, mark: Mark) -> Result<Node, YamlError> {
        // The parser refuses unknown names, so an anchor that does not exist is still being read.
        let mut node =
            self.anchors.get(&id).cloned().ok_or_else(|| mark.error(YamlErrorKind::RecursiveAlias))?;
        self.expanded += node.weight;
        if self.expanded > MAX_EXPANSION {
            return Err(mark.error(YamlErrorKind::TooManyAliases));
        }
        node.positions.mark = mark;
        Ok(node)
    }

    fn sequence(&mut self, mark: Mark, depth: usize) -> Result<Node, YamlError> {
        let (mut array, mut parts, mut weight) = (Vec::new(), Vec::new(), 32);
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            if self.has_tab && self.follows_tab(span) {
                return Err(self.mark(span).error(YamlErrorKind::TabInIndentation));
            }
            let index = array.len().to_string();
            self.path.push(index.clone());
            let item = self.node(event, span, depth + 1)?;
            self.path.pop();
            weight += item.weight;
            parts.push((index, item.positions));
            array.push(item.value);
        }
        Ok(Node { value: Value::Array(array), positions: Positions { mark, parts }, weight })
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
                // Of several sources the first one wins, in kubectl and in YAML's specification.
                for source in sources.into_iter().rev() {
                    object.merge(source).map_err(|error| at.error(error))?;
                }
                continue;
            }
            let key = self.key(event, span, key_mark)?;
            self.path.push(key.clone());
            let Some((event, span)) = self.next()? else { break };
            let mut value = self.node(event, span, depth + 1)?;
            self.path.pop();
            value.positions.mark = key_mark;
            object.insert(key, value).map_err(|error| key_mark.error(error))?;
        }
        Ok(object.into_node(mark))
    }

    fn key(&mut self, event: Event<'a>, span: Span, mark: Mark) -> Result<String, YamlError> {
        if matches!(event, Event::Scalar(..)) && self.is_broken_key(span) {
            return Err(mark.error(YamlErrorKind::KeyOfSeveralLines));
        }
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
            return Err(mark.error(YamlErrorKind::KeyIsNoScalar));
        }
        scalar::key(&text, &value).ok_or_else(|| mark.error(YamlErrorKind::KeyIsNull))
    }

    /// Reads the objects that a `<<` names, and their position.
    fn merge_sources(&mut self, depth: usize) -> Result<(Vec<Node>, Mark), YamlError> {
        let Some((event, span)) = self.next()? else { return Ok((Vec::new(), Mark::START)) };
        let at = self.mark(span);
        let node = self.node(event, span, depth + 1)?;
        let wanted = || at.error(YamlErrorKind::MergeOfNoObject);
        let sources = match node.value {
            Value::Object(_) => vec![node],
            Value::Array(items) => items
                .into_iter()
                .zip(node.positions.parts)
                .map(|(value, (_, positions))| {
                    value.is_object().then_some(Node { value, positions, weight: 0 }).ok_or_else(wanted)
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
        let pointer = self.path.iter().fold(JsonPointer::ROOT, |pointer, part| pointer.child(part));
        self.ambiguous.push(Ambiguous { mark, pointer, text: text.to_owned(), is_key });
    }
}

/// An object while it is read.
#[derive(Default)]
struct Object {
    map: Map<String, Value>,
    parts: HashMap<String, Part>,
    order: Vec<String>,
    weight: usize,
}

/// The position of an entry, and whether a merge key brought it.
struct Part {
    positions: Positions,
    is_merged: bool,
}

impl Object {
    /// Adds an entry. It overrides a merged one.
    fn insert(&mut self, key: String, node: Node) -> Result<(), YamlErrorKind> {
        match self.parts.get(&key) {
            Some(Part { positions, is_merged: false }) => {
                let first_line = Some(positions.mark.line);
                return Err(YamlErrorKind::DuplicateKey { key, first_line });
            }
            Some(Part { is_merged: true, .. }) => {}
            None => self.order.push(key.clone()),
        }
        self.weight += 48 + key.len() + node.weight;
        self.parts.insert(key.clone(), Part { positions: node.positions, is_merged: false });
        self.map.insert(key, node.value);
        Ok(())
    }

    /// Adds the entries of a merged object.
    fn merge(&mut self, source: Node) -> Result<(), YamlErrorKind> {
        let Value::Object(entries) = source.value else { return Ok(()) };
        let mut positions_of: HashMap<String, Positions> = source.positions.parts.into_iter().collect();
        for (key, value) in entries {
            match self.parts.get(&key) {
                Some(Part { is_merged: false, .. }) => return Err(YamlErrorKind::MergeOverrides(key)),
                Some(Part { is_merged: true, .. }) => {}
                None => self.order.push(key.clone()),
            }
            let mut positions = positions_of.remove(&key).unwrap_or_default();
            positions.mark = source.positions.mark;
            self.weight += 48 + key.len();
            self.parts.insert(key.clone(), Part { positions, is_merged: true });
            self.map.insert(key, value);
        }
        self.weight += source.weight;
        Ok(())
    }

    fn into_node(mut self, mark: Mark) -> Node {
        let parts = self
            .order
            .into_iter()
            .filter_map(|key| self.parts.remove(&key).map(|part| (key, part.positions)))
            .collect();
        let positions = Positions { mark, parts };
        Node { value: Value::Object(self.map), positions, weight: self.weight + 32 }
    }
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

/// Returns the value of a scalar with its style and tag. Tags other than YAML's own leave the text as it is, as go-yaml
/// does.
fn tagged(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, ScalarError> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => scalar::resolve(text),
            _ => Ok(Value::from(text)),
        };
    };
    match core(tag) {
        Some("binary") => {
            let compact: String = text.split_ascii_whitespace().collect();
            base64::engine::general_purpose::STANDARD
                .decode(compact)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map(Value::String)
                .ok_or(ScalarError::NotBinary)
        }
        Some(kind @ ("int" | "float" | "bool" | "null")) => {
            let value = scalar::resolve(text)?;
            let fits = match kind {
                "int" => value.is_i64(),
                "float" => value.is_number(),
                "bool" => value.is_boolean(),
                _ => value.is_null(),
            };
            if fits { Ok(value) } else { Err(ScalarError::NotOfTag(kind.to_owned())) }
        }
        _ => Ok(Value::from(text)),
    }
}
