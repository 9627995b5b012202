//! The fields of a log line, kept as the JSON that they become.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::ops::Range;

use oasis_core::chain;
use tracing::field::{Field, Visit};

use super::escape::{Escaped, put};

/// Names that a line carries in any case; a field of the same name gets a `_` behind it.
const RESERVED: [&str; 4] = ["severity", "timestamp", "message", "target"];

/// The fields of a span or an event.
#[derive(Default)]
pub(super) struct Fields {
    /// Without its quotes.
    pub(super) message: Vec<u8>,
    /// `,"name":value`, one behind the other.
    pub(super) json: Vec<u8>,
    /// Where each of them is in `json`.
    each: Vec<(&'static str, Range<usize>)>,
}

impl Fields {
    /// With room for those of a span: most have one field and get a few more.
    pub(super) fn for_span() -> Self {
        Self { json: Vec::with_capacity(256), each: Vec::with_capacity(8), ..Self::default() }
    }

    pub(super) fn clear(&mut self) {
        self.message.clear();
        self.json.clear();
        self.each.clear();
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.each.iter().any(|(present, _)| *present == name)
    }

    fn set(&mut self, field: &Field, value: impl FnOnce(&mut Vec<u8>)) {
        let name = field.name();
        if let Some(at) = self.each.iter().position(|(present, _)| *present == name) {
            let (_, old) = self.each.remove(at);
            for (_, range) in &mut self.each[at..] {
                *range = range.start - old.len()..range.end - old.len();
            }
            self.json.drain(old);
        }
        let start = self.json.len();
        let behind = if RESERVED.contains(&name) { "_" } else { "" };
        for part in [",\"", name, behind, "\":"] {
            self.json.extend_from_slice(part.as_bytes());
        }
        value(&mut self.json);
        self.each.push((name, start..self.json.len()));
    }

    fn set_text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        // What is escaped goes to a Vec, so only a Debug of the field's own can fail; what it wrote is kept.
        if field.name() == "message" {
            self.message.clear();
            let _ = Escaped(&mut self.message).write_fmt(text);
        } else {
            self.set(field, |json| {
                json.push(b'"');
                let _ = Escaped(json).write_fmt(text);
                json.push(b'"');
            });
        }
    }

    /// Adds those of a span farther out, unless a nearer one has the name.
    pub(super) fn add(&mut self, outer: &Fields) {
        for (name, range) in &outer.each {
            if !self.has(name) {
                let start = self.json.len();
                self.json.extend_from_slice(&outer.json[range.clone()]);
                self.each.push((*name, start..self.json.len()));
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set_text(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, |json| put(json, format_args!("{value}")));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, |json| put(json, format_args!("{value}")));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, |json| put(json, format_args!("{value}")));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows neither NaN nor infinity.
        self.set(field, |json| {
            if value.is_finite() {
                put(json, format_args!("{:?}", rounded(value)));
            } else {
                json.extend_from_slice(b"null");
            }
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set_text(field, format_args!("{value:?}"));
    }
}

/// To the microsecond, when milliseconds or seconds are what is logged.
fn rounded(value: f64) -> f64 {
    let scaled = (value * 1e6).round() / 1e6;
    if scaled.is_finite() { scaled } else { value }
}
