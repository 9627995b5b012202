//! One JSON object a line, in the field names that Cloud Logging reads from a container's output.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::Write as _;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Names that a line carries in any case; a field of the same name gets a `_` behind it.
const RESERVED: [&str; 4] = ["severity", "timestamp", "message", "target"];

/// A layer that writes events as JSON lines, with the fields of the spans around them at top level.
#[derive(Debug)]
pub struct JsonLines<W> {
    service: &'static str,
    writer: W,
}

impl<W> JsonLines<W> {
    /// `service` is named in lines whose event names none; each line is one `write_all` to `writer`,
    /// whose errors are passed over.
    pub fn new(service: &'static str, writer: W) -> Self {
        Self { service, writer }
    }
}

/// The fields of a span or an event, each value already JSON.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    rest: Vec<(&'static str, String)>,
}

impl Fields {
    fn set(&mut self, field: &Field, json: String) {
        self.rest.retain(|(name, _)| *name != field.name());
        self.rest.push((field.name(), json));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = Some(value.to_owned());
        } else {
            self.set(field, quoted(value));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.to_string());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows neither NaN nor infinity.
        let json = if value.is_finite() { format!("{:?}", rounded(value)) } else { "null".to_owned() };
        self.set(field, json);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_str(field, &crate::error::chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // From the inside out, so that the nearer span wins over a farther one of the same field.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                for (name, json) in &outer.rest {
                    if !fields.rest.iter().any(|(present, _)| present == name) {
                        fields.rest.push((name, json.clone()));
                    }
                }
            }
        }
        let line = self.line(event, &fields);
        let _ = self.writer.make_writer_for(event.metadata()).write_all(line.as_bytes());
    }
}

impl<W> JsonLines<W> {
    fn line(&self, event: &Event<'_>, fields: &Fields) -> String {
        let metadata = event.metadata();
        let mut line = String::with_capacity(256);
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            r#"{{"severity":"{}","timestamp":"{:.6}","message":{}"#,
            severity(*metadata.level()),
            Timestamp::now(),
            quoted(fields.message.as_deref().unwrap_or(metadata.name()))
        );
        if !fields.rest.iter().any(|(name, _)| *name == "service") {
            let _ = write!(line, r#","service":{}"#, quoted(self.service));
        }
        let _ = write!(line, r#","target":{}"#, quoted(metadata.target()));
        for (name, json) in &fields.rest {
            let behind = if RESERVED.contains(name) { "_" } else { "" };
            let _ = write!(line, r#","{name}{behind}":{json}"#);
        }
        if *metadata.level() <= Level::WARN
            && let (Some(file), Some(number)) = (metadata.file(), metadata.line())
        {
            let file = quoted(file);
            // Cloud Logging takes the number as a string.
            let _ = write!(
                line,
                r#","logging.googleapis.com/sourceLocation":{{"file":{file},"line":"{number}"}}"#
            );
        }
        line.push_str("}\n");
        line
    }
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

/// To the microsecond, when milliseconds or seconds are what is logged.
fn rounded(value: f64) -> f64 {
    let scaled = (value * 1e6).round() / 1e6;
    if scaled.is_finite() { scaled } else { value }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
