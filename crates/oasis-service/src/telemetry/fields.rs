//! The fields of a log line, stored as JSON text that is ready to be written.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::ops::Range;

use oasis_core::chain;
use tracing::field::{Field, Visit};

use super::escape::{Escaped, put};

/// The names of the members that every log line has. A field with one of these names gets a trailing `_`.
const RESERVED: [&str; 4] = ["severity", "timestamp", "message", "target"];

/// The fields of a span or an event.
#[derive(Default)]
pub(super) struct Fields {
    /// The escaped message, without quotes.
    pub(super) message: Vec<u8>,
    /// The fields, each in the form `,"name":value`.
    pub(super) json: Vec<u8>,
    /// The name of each field, and its range in `json`.
    ranges: Vec<(&'static str, Range<usize>)>,
}

impl Fields {
    /// Makes an empty value with capacity for the fields of a span. Most spans start with one field, and a
    /// few more fields are added later.
    pub(super) fn for_span() -> Self {
        Self { json: Vec::with_capacity(256), ranges: Vec::with_capacity(8), ..Self::default() }
    }

    pub(super) fn clear(&mut self) {
        self.message.clear();
        self.json.clear();
        self.ranges.clear();
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.ranges.iter().any(|(present, _)| *present == name)
    }

    fn set(&mut self, field: &Field, value: impl FnOnce(&mut Vec<u8>)) {
        let name = field.name();
        if let Some(at) = self.ranges.iter().position(|(present, _)| *present == name) {
            let (_, old) = self.ranges.remove(at);
            for (_, range) in &mut self.ranges[at..] {
                *range = range.start - old.len()..range.end - old.len();
            }
            self.json.drain(old);
        }
        let start = self.json.len();
        let suffix = if RESERVED.contains(&name) { "_" } else { "" };
        for part in [",\"", name, suffix, "\":"] {
            self.json.extend_from_slice(part.as_bytes());
        }
        value(&mut self.json);
        self.ranges.push((name, start..self.json.len()));
    }

    fn set_text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail, but the `Debug` implementation of the field can. The text that was
        // written before the failure is kept.
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

    /// Adds the fields of an outer span, except those whose names are already present.
    pub(super) fn add(&mut self, outer: &Fields) {
        for (name, range) in &outer.ranges {
            if !self.has(name) {
                let start = self.json.len();
                self.json.extend_from_slice(&outer.json[range.clone()]);
                self.ranges.push((*name, start..self.json.len()));
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
        // JSON has neither NaN nor infinity.
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

/// Rounds to six decimals, which keeps the microseconds of a value in seconds.
fn rounded(value: f64) -> f64 {
    let scaled = (value * 1e6).round() / 1e6;
    if scaled.is_finite() { scaled } else { value }
}
