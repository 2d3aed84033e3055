//! Composes a JSON value from YAML events: aliases, merge keys, tags and limits.

mod node;
mod refused;
mod tabs;

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::api::JsonPointer;

use super::{
    core_schema,
    diagnosis::{self, Lines},
    document::{Ambiguous, Document, MAX_DEPTH, Positions, YamlError, YamlErrorKind},
    long_lines::LongLines,
    mark::Mark,
    rules::Rules,
    scalar::{self, ScalarError},
    syntax::{Open, SyntaxMistake},
};

use node::{Node, Object};
use tabs::PermittedTabs;

/// How much aliases may add to a document, in bytes, approximately. go-yaml's limit has the same purpose.
const MAX_EXPANSION: usize = 8 << 20;

/// After how many events of the parser it is checked whether reading is given up: they take less than a millisecond.
const EVENTS_BETWEEN_CHECKS: usize = 256;

/// Reads the documents of one stream.
pub(super) struct Composer<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// The lines of the text.
    lines: Vec<&'a str>,
    long_lines: LongLines,
    /// Whether the text has a tab anywhere.
    has_tab: bool,
    /// Whether the text has an escaped slash anywhere.
    has_escaped_slash: bool,
    rules: Rules,
    lines_before: usize,
    /// By how many columns the content of a line was moved to the right.
    moved: &'a BTreeMap<usize, usize>,
    /// The brackets of lists and objects that have begun and not ended.
    open: Vec<Open>,
    /// The columns at which the lists and objects begin that are written in lines and have not ended, from 0.
    blocks: Vec<usize>,
    /// Where tabs may begin lines.
    tabs: PermittedTabs,
    /// The last line of what was read.
    last_line: usize,
    /// Where the parser stopped in this text.
    stopped_at: Option<Mark>,
    anchors: HashMap<usize, Node>,
    expanded: usize,
    path: Vec<String>,
    ambiguous: Vec<Ambiguous>,
    stop: Option<&'a CancellationToken>,
    events: usize,
}

impl<'a> Composer<'a> {
    /// `lines_before`: how many lines of the file come before this text. `moved`: by how many columns lines of the text are
    /// further right than in the file.
    pub(super) fn new(
        text: &'a str,
        rules: Rules,
        lines_before: usize,
        moved: &'a BTreeMap<usize, usize>,
    ) -> Self {
        // Where these stand, only kubectl refuses them.
        let is_refused = |part: &str| rules == Rules::Kubectl && text.contains(part);
        let lines: Vec<_> = text.split('\n').collect();
        Self {
            parser: Parser::new_from_str(text),
            long_lines: LongLines::of(&lines),
            lines,
            has_tab: is_refused("\t"),
            has_escaped_slash: is_refused(r"\/"),
            rules,
            lines_before,
            moved,
            open: Vec::new(),
            blocks: Vec::new(),
            tabs: PermittedTabs::default(),
            last_line: 0,
            stopped_at: None,
            anchors: HashMap::new(),
            expanded: 0,
            path: Vec::new(),
            ambiguous: Vec::new(),
            stop: None,
            events: 0,
        }
    }

    /// Reads no further once `stop` is cancelled.
    pub(super) fn until(self, stop: Option<&'a CancellationToken>) -> Self {
        Self { stop, ..self }
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
        let node = match (node, self.refused_tab()) {
            (Ok(_), Some(line)) => Err(self.tab_at(line)),
            (node, _) => node,
        };
        Some(node.map(|node| Document {
            value: node.value,
            positions: node.positions,
            ambiguous: std::mem::take(&mut self.ambiguous),
        }))
    }

    /// Returns where the parser stopped, in the text as it was given; `None`: it did not.
    pub(super) fn stopped_at(&self) -> Option<Mark> {
        self.stopped_at
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        self.events += 1;
        if self.events.is_multiple_of(EVENTS_BETWEEN_CHECKS)
            && self.stop.is_some_and(CancellationToken::is_cancelled)
        {
            return Err(Mark::START.error(YamlErrorKind::Interrupted));
        }
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                self.last_line = span.end.line();
                Ok(Some((event, span)))
            }
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    fn mark(&self, span: Span) -> Mark {
        self.in_file(local(span))
    }

    /// Returns the position in the file of a position in this text.
    fn in_file(&self, at: Mark) -> Mark {
        let moved = self.moved.get(&at.line).copied().unwrap_or_default();
        Mark { line: self.lines_before + at.line, column: at.column.saturating_sub(moved).max(1) }
    }

    fn syntax(&mut self, error: &ScanError) -> YamlError {
        let at = local(Span::empty(*error.marker()));
        // The scanner has a limit of its own, and reads ahead.
        if error.info().contains("recursion limit") {
            return self.in_file(at).error(YamlErrorKind::TooDeep);
        }
        let (kind, at) = diagnosis::mistake(error.info(), self.lines(), at, self.open.last().copied());
        self.stopped_at = Some(at);
        self.in_file(at).error(kind)
    }

    fn lines(&self) -> Lines<'_, 'a> {
        Lines(&self.lines, &self.long_lines)
    }

    /// Returns the bracket that a list or an object begins with, unless it is written in lines.
    fn bracket(&self, span: Span) -> Option<Open> {
        let mark = self.mark(span);
        self.lines().bracket(local(span)).map(|bracket| Open { bracket, mark })
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, YamlError> {
        let mark = self.mark(span);
        if depth >= MAX_DEPTH {
            return Err(mark.error(YamlErrorKind::TooDeep));
        }
        let is_kubectl = self.rules == Rules::Kubectl;
        if is_kubectl && self.has_wrong_name(&event, span) {
            return Err(mark.error(SyntaxMistake::Name));
        }
        if is_kubectl && self.has_wrong_tag(&event, span) {
            return Err(mark.error(SyntaxMistake::Tag));
        }
        if self.begins_behind_tab(&event, span) {
            return Err(self.tab_at(span.start.line()));
        }
        let (anchor, node) = match event {
            Event::Alias(id) => return self.alias(id, mark),
            Event::Scalar(text, style, anchor, tag) => {
                if is_kubectl && style == ScalarStyle::Plain && tag.is_none() && scalar::is_ambiguous(&text) {
                    self.note_ambiguous(&text, mark, false);
                }
                if style == ScalarStyle::DoubleQuoted && self.has_escaped_slash && self.escapes_slash(span) {
                    return Err(mark.error(YamlErrorKind::EscapedSlash));
                }
                if matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) {
                    self.tabs.permit(span.start.line() + 1..=span.end.line(), 0);
                }
                if self.has_tab && !(style == ScalarStyle::Plain && text.is_empty()) {
                    self.permit_tabs(style, span);
                }
                if is_kubectl && style == ScalarStyle::Plain && !self.open.is_empty() {
                    self.check_in_brackets(&text, span).map_err(|mistake| mark.error(mistake))?;
                }
                if self.has_tab
                    && style == ScalarStyle::Plain
                    && !text.is_empty()
                    && !self.open.is_empty()
                    && let Some(line) = self.tab_behind(span)
                {
                    return Err(self.tab_at(line));
                }
                if self.has_tab
                    && matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
                    && let Some(line) = self.lines().tab_in_block(local(span))
                {
                    return Err(self.tab_at(line));
                }
                let weight = 16 + text.len();
                let value =
                    tagged(&text, style, tag.as_deref(), self.rules).map_err(|error| mark.error(error))?;
                (anchor, Node { value, positions: mark.into(), weight })
            }
            Event::SequenceStart(anchor, _) => {
                let column = self.dash_column(span);
                (anchor, self.enclosed(span, column, |composer| composer.sequence(mark, depth))?)
            }
            Event::MappingStart(anchor, _) => {
                let column = span.start.col();
                (anchor, self.enclosed(span, column, |composer| composer.mapping(mark, depth))?)
            }
            _ => return Err(mark.error(SyntaxMistake::NoValue)),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Reads a list or an object, and remembers its bracket while it lasts, or the column at which it begins in its lines.
    fn enclosed(
        &mut self,
        span: Span,
        column: usize,
        read: impl FnOnce(&mut Self) -> Result<Node, YamlError>,
    ) -> Result<Node, YamlError> {
        let Some(open) = self.bracket(span) else {
            self.blocks.push(column);
            let node = read(self);
            self.blocks.pop();
            return node;
        };
        self.open.push(open);
        let node = read(self)?;
        self.open.pop();
        self.tabs.permit(span.start.line() + 1..=self.last_line, 0);
        Ok(node)
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
                    object.merge(source, self.rules).map_err(|error| at.error(error))?;
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
        let is_kubectl = self.rules == Rules::Kubectl;
        if is_kubectl && matches!(event, Event::Scalar(..)) && self.is_broken_key(span) {
            return Err(mark.error(YamlErrorKind::KeyOfSeveralLines));
        }
        let text = match &event {
            Event::Scalar(text, ScalarStyle::Plain, _, None) => {
                if is_kubectl && scalar::is_ambiguous(text) {
                    self.note_ambiguous(text, mark, true);
                }
                text.to_string()
            }
            _ => String::new(),
        };
        let value = self.node(event, span, 0)?.value;
        if value.is_object() && self.before(span).ends_with('{') {
            return Err(mark.error(YamlErrorKind::Template));
        }
        if value.is_array() || value.is_object() {
            return Err(mark.error(YamlErrorKind::KeyIsNoScalar));
        }
        if !is_kubectl {
            return Ok(core_schema::key(&text, &value));
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

/// Returns the position of a value in the text that the parser was given.
fn local(span: Span) -> Mark {
    Mark { line: span.start.line(), column: span.start.col() + 1 }
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
fn tagged(text: &str, style: ScalarStyle, tag: Option<&Tag>, rules: Rules) -> Result<Value, ScalarError> {
    let resolve = match rules {
        Rules::Kubectl => scalar::resolve,
        Rules::Standard => core_schema::resolve,
    };
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => resolve(text),
            _ => Ok(Value::from(text)),
        };
    };
    match core(tag) {
        Some("binary") if rules == Rules::Kubectl => {
            let compact: String = text.split_ascii_whitespace().collect();
            base64::engine::general_purpose::STANDARD
                .decode(compact)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map(Value::String)
                .ok_or(ScalarError::NotBinary)
        }
        Some(kind @ ("int" | "float" | "bool" | "null")) => {
            let value = resolve(text)?;
            let fits = match kind {
                "int" => value.is_i64() || value.is_u64(),
                "float" => value.is_number(),
                "bool" => value.is_boolean(),
                _ => value.is_null(),
            };
            if fits { Ok(value) } else { Err(ScalarError::NotOfTag(kind.to_owned())) }
        }
        _ => Ok(Value::from(text)),
    }
}
