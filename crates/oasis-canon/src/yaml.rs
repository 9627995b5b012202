//! YAML documents as trees whose nodes know their place in the text.
//!
//! An edit replaces the bytes of one node, so comments, anchors and the order of keys stay as they are. An
//! alias is a pointer to its anchor and is never copied. So a document whose aliases would expand to
//! gigabytes (a "YAML bomb") needs no more memory than its text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// The deepest nesting that is read. A workflow needs about ten levels.
const MAX_DEPTH: usize = 100;

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct YamlError {
    pub(crate) message: String,
    /// The line of the error, from 1.
    pub(crate) line: usize,
}

/// The documents of a text.
#[derive(Debug)]
pub(crate) struct Yaml<'t> {
    text: &'t str,
    nodes: Vec<Node<'t>>,
    roots: Vec<usize>,
}

#[derive(Debug)]
struct Node<'t> {
    value: Value<'t>,
    /// The bytes of the node. The parser's end of a scalar can lie after a comment, see
    /// [`Ref::literal`].
    span: Range<usize>,
    has_anchor: bool,
}

#[derive(Debug)]
enum Value<'t> {
    Scalar {
        text: Cow<'t, str>,
        style: ScalarStyle,
    },
    Sequence(Vec<usize>),
    Mapping(Vec<(usize, usize)>),
    /// A pointer to the node with the anchor, and the number of the anchor in the text.
    Alias {
        to: usize,
        anchor: usize,
    },
}

/// A node of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ref<'y> {
    yaml: &'y Yaml<'y>,
    id: usize,
}

/// A collection that is not complete yet.
struct Open {
    id: usize,
    /// The key whose value comes next.
    key: Option<usize>,
}

impl<'t> Yaml<'t> {
    /// Parses `text`.
    ///
    /// # Errors
    /// The text is not YAML, or it is nested more than 100 levels deep.
    pub(crate) fn parse(text: &'t str) -> Result<Self, YamlError> {
        let offsets = Offsets::new(text);
        let mut yaml = Self { text, nodes: Vec::new(), roots: Vec::new() };
        let mut anchors: HashMap<usize, usize> = HashMap::new();
        let mut open: Vec<Open> = Vec::new();
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| YamlError {
                message: error.info().to_owned(),
                line: error.marker().line(),
            })?;
            let at = offsets.range(&span);
            let line = span.start.line();
            let (value, anchor) = match event {
                Event::Scalar(text, style, anchor, _) => (Value::Scalar { text, style }, anchor),
                Event::SequenceStart(anchor, _) => (Value::Sequence(Vec::new()), anchor),
                Event::MappingStart(anchor, _) => (Value::Mapping(Vec::new()), anchor),
                Event::Alias(anchor) => {
                    let missing = || YamlError { message: "the alias has no anchor".to_owned(), line };
                    let to = *anchors.get(&anchor).ok_or_else(missing)?;
                    (Value::Alias { to, anchor }, 0)
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(closed) = open.pop() {
                        yaml.nodes[closed.id].span.end = at.end;
                    }
                    continue;
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => continue,
            };
            let is_collection = matches!(value, Value::Sequence(_) | Value::Mapping(_));
            let id = yaml.nodes.len();
            yaml.nodes.push(Node { value, span: at, has_anchor: anchor != 0 });
            if anchor != 0 {
                anchors.insert(anchor, id);
            }
            yaml.place(id, open.last_mut());
            if is_collection {
                if open.len() == MAX_DEPTH {
                    let message = format!("the document is nested more than {MAX_DEPTH} levels deep");
                    return Err(YamlError { message, line });
                }
                open.push(Open { id, key: None });
            }
        }
        Ok(yaml)
    }

    /// Adds a node to the innermost collection, or to the documents.
    fn place(&mut self, id: usize, parent: Option<&mut Open>) {
        let Some(parent) = parent else {
            self.roots.push(id);
            return;
        };
        match &mut self.nodes[parent.id].value {
            Value::Sequence(items) => items.push(id),
            Value::Mapping(entries) => match parent.key.take() {
                None => parent.key = Some(id),
                Some(key) => entries.push((key, id)),
            },
            Value::Scalar { .. } | Value::Alias { .. } => {}
        }
    }

    /// The documents of the text.
    pub(crate) fn roots(&self) -> impl Iterator<Item = Ref<'_>> {
        self.roots.iter().map(|&id| Ref { yaml: self, id })
    }

    /// Every scalar of the text once, keys too.
    pub(crate) fn scalars(&self) -> impl Iterator<Item = Ref<'_>> {
        let is_scalar = |id: &usize| matches!(self.nodes[*id].value, Value::Scalar { .. });
        (0..self.nodes.len()).filter(is_scalar).map(|id| Ref { yaml: self, id })
    }
}

impl<'y> Ref<'y> {
    fn node(self) -> &'y Node<'y> {
        &self.yaml.nodes[self.id]
    }

    /// The node itself or, for an alias, the node with the anchor.
    pub(crate) fn target(self) -> Self {
        match self.node().value {
            Value::Alias { to, .. } => Self { yaml: self.yaml, id: to },
            Value::Scalar { .. } | Value::Sequence(_) | Value::Mapping(_) => self,
        }
    }

    /// A number that is unique to the node within its text.
    pub(crate) fn id(self) -> usize {
        self.id
    }

    /// Where the node starts in the text, in bytes.
    pub(crate) fn start(self) -> usize {
        self.node().span.start
    }

    /// The text of a scalar.
    pub(crate) fn text(self) -> Option<&'y str> {
        match &self.target().node().value {
            Value::Scalar { text, .. } => Some(text),
            Value::Sequence(_) | Value::Mapping(_) | Value::Alias { .. } => None,
        }
    }

    /// The items of a sequence.
    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        let items = match &self.target().node().value {
            Value::Sequence(items) => items.as_slice(),
            Value::Scalar { .. } | Value::Mapping(_) | Value::Alias { .. } => &[],
        };
        items.iter().map(move |&id| Self { yaml: self.yaml, id })
    }

    /// The entries of a mapping.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Self, Self)> {
        let entries = match &self.target().node().value {
            Value::Mapping(entries) => entries.as_slice(),
            Value::Scalar { .. } | Value::Sequence(_) | Value::Alias { .. } => &[],
        };
        entries.iter().map(move |&(key, value)| {
            (Self { yaml: self.yaml, id: key }, Self { yaml: self.yaml, id: value })
        })
    }

    /// The number of the anchor that an alias names.
    pub(crate) fn alias(self) -> Option<usize> {
        match self.node().value {
            Value::Alias { anchor, .. } => Some(anchor),
            Value::Scalar { .. } | Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// The bytes of the node. The end of a scalar may lie after a comment, see [`Self::literal`].
    pub(crate) fn span(self) -> Range<usize> {
        self.node().span.clone()
    }

    pub(crate) fn is_sequence(self) -> bool {
        matches!(self.target().node().value, Value::Sequence(_))
    }

    pub(crate) fn is_mapping(self) -> bool {
        matches!(self.target().node().value, Value::Mapping(_))
    }

    /// The value of the first entry with this key.
    pub(crate) fn get(self, key: &str) -> Option<Self> {
        self.entries().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The value at a path of keys.
    pub(crate) fn at(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Whether a collection is written in braces or brackets.
    pub(crate) fn is_flow(self) -> bool {
        self.yaml.text[self.node().span.clone()].starts_with(['{', '['])
    }

    /// Whether another place in the text may refer to this node.
    pub(crate) fn has_anchor(self) -> bool {
        self.node().has_anchor
    }

    /// Whether the scalar is a block: its text starts below `|` or `>`.
    pub(crate) fn is_block(self) -> bool {
        let value = &self.target().node().value;
        matches!(value, Value::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. })
    }

    /// The bytes that an edit of this scalar or alias replaces: without anchor, tag and comment. `None` for
    /// block scalars and for collections.
    pub(crate) fn literal(self) -> Option<Range<usize>> {
        let node = self.node();
        let start = node.span.start;
        let rest = &self.yaml.text[start..];
        match &node.value {
            Value::Alias { .. } => Some(start..start + rest.find(ends_name).unwrap_or(rest.len())),
            Value::Scalar { style, .. } => {
                let skipped = rest.len() - without_properties(rest).len();
                let (start, rest) = (start + skipped, &rest[skipped..]);
                let length = match style {
                    ScalarStyle::SingleQuoted => single_quoted_length(rest)?,
                    ScalarStyle::DoubleQuoted => double_quoted_length(rest)?,
                    ScalarStyle::Plain => node.span.end.checked_sub(start).filter(|length| *length > 0)?,
                    ScalarStyle::Literal | ScalarStyle::Folded => return None,
                };
                let text = &self.yaml.text[start..start + length];
                Some(start..start + text.trim_end().len())
            }
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }
}

/// Whether a character ends the name of an alias or an anchor.
fn ends_name(c: char) -> bool {
    c.is_whitespace() || ",[]{}".contains(c)
}

/// `text` without the anchor and the tag at its start.
fn without_properties(mut text: &str) -> &str {
    while text.starts_with(['&', '!']) {
        text = text[text.find(char::is_whitespace).unwrap_or(text.len())..].trim_start();
    }
    text
}

/// The length of `'…'`. A quote in the text is doubled.
fn single_quoted_length(text: &str) -> Option<usize> {
    let bytes = text.strip_prefix('\'')?.as_bytes();
    let mut at = 0;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'\'', Some(b'\'')) => at += 2,
            (b'\'', _) => return Some(at + 2),
            _ => at += 1,
        }
    }
}

/// The length of `"…"`. A backslash escapes the next character.
fn double_quoted_length(text: &str) -> Option<usize> {
    let bytes = text.strip_prefix('"')?.as_bytes();
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 2),
            _ => at += 1,
        }
    }
}

/// Converts the parser's positions, which count characters, to positions in bytes.
struct Offsets {
    /// The byte of each character. Empty if all characters are ASCII.
    bytes: Vec<usize>,
    length: usize,
}

impl Offsets {
    fn new(text: &str) -> Self {
        let bytes =
            if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
        Self { bytes, length: text.len() }
    }

    fn byte(&self, index: usize) -> usize {
        if self.bytes.is_empty() {
            return index.min(self.length);
        }
        self.bytes.get(index).copied().unwrap_or(self.length)
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }
}
