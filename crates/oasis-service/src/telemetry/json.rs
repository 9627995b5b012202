//! Writes each log entry as a JSON object on one line, with the field names that Cloud Logging reads from a
//! container's output.

use std::cell::Cell;
use std::io::Write as _;

use jiff::Timestamp;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::escape::{escape, put};
use super::fields::Fields;

/// The target of an event that adds fields to the later lines of its span, especially to the request's line
/// in the access log. In the JSON log, such an event has no separate line. So if a filter drops the access
/// log, the fields are lost too.
pub const DETAILS: &str = "details";

/// A layer that writes events as JSON lines. Each line has the fields of its spans at the top level. An event
/// with the target [`DETAILS`] within a span gets no line, but adds its fields to the fields of the span.
#[derive(Debug)]
pub struct JsonLines<W> {
    service: &'static str,
    writer: W,
}

impl<W> JsonLines<W> {
    /// Makes the layer. `service` is the name of the service in the lines of events that name no service.
    /// Each line is written to `writer` with one `write_all`. Errors of `writer` are ignored.
    pub fn new(service: &'static str, writer: W) -> Self {
        Self { service, writer }
    }
}

/// The maximum capacity of the buffers that a thread keeps for its next line, in bytes.
const MAX_KEPT: usize = 16 << 10;

/// The buffers in which a line is built.
#[derive(Default)]
struct Scratch {
    fields: Fields,
    line: Vec<u8>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::for_span();
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
        if event.metadata().target() == DETAILS
            && let Some(span) = context.event_span(event)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            event.record(fields);
            return;
        }
        // The buffers are taken and not borrowed, because the `Debug` implementation of a field may log too.
        // If the thread is ending, its buffers are already gone, and new buffers are used.
        let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
        let Scratch { fields, line } = &mut scratch;
        event.record(fields);
        // The inner spans come first, so that the field of an inner span replaces the field of an outer span
        // with the same name.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.add(outer);
            }
        }
        self.put_line(line, event, fields);
        let _ = self.writer.make_writer_for(event.metadata()).write_all(line);
        if line.capacity().max(fields.json.capacity()) <= MAX_KEPT {
            line.clear();
            fields.clear();
            let _ = SCRATCH.try_with(|kept| kept.set(scratch));
        }
    }
}

impl<W> JsonLines<W> {
    fn put_line(&self, line: &mut Vec<u8>, event: &Event<'_>, fields: &Fields) {
        let metadata = event.metadata();
        put(
            line,
            format_args!(
                r#"{{"severity":"{}","timestamp":"{:.6}","message":""#,
                severity(*metadata.level()),
                Timestamp::now()
            ),
        );
        if fields.message.is_empty() {
            escape(line, metadata.name());
        } else {
            line.extend_from_slice(&fields.message);
        }
        if !fields.has("service") {
            line.extend_from_slice(br#"","service":""#);
            escape(line, self.service);
        }
        line.extend_from_slice(br#"","target":""#);
        escape(line, metadata.target());
        line.push(b'"');
        line.extend_from_slice(&fields.json);
        if *metadata.level() <= Level::WARN
            && let (Some(file), Some(number)) = (metadata.file(), metadata.line())
        {
            line.extend_from_slice(br#","logging.googleapis.com/sourceLocation":{"file":""#);
            escape(line, file);
            // Cloud Logging expects the number as a string.
            put(line, format_args!(r#"","line":"{number}"}}"#));
        }
        line.extend_from_slice(b"}\n");
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

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = JsonLines::new("tests", move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn any_text_can_be_read_back_from_the_json() {
        let text: String = (0..0x250).filter_map(char::from_u32).chain("\u{fffd}\u{1f980}".chars()).collect();
        let lines = logged(|| {
            tracing::info!(text, debug = ?"a\tb", "{text}");
            tracing::info!("");
        });
        assert_eq!((&lines[0]["message"], &lines[0]["text"]), (&text.clone().into(), &text.clone().into()));
        assert_eq!(lines[0]["debug"], "\"a\\tb\"");
        assert_eq!((&lines[1]["service"], &lines[1]["severity"]), (&"tests".into(), &"INFO".into()));
    }

    #[test]
    fn inner_fields_replace_outer_fields_and_later_values_replace_earlier_values() {
        let lines = logged(|| {
            let outer = tracing::info_span!("outer", a = 1, b = 2, c = tracing::field::Empty).entered();
            let inner = tracing::info_span!("inner", b = "x", d = 1.5).entered();
            outer.record("a", 10_u64);
            outer.record("c", f64::NAN);
            inner.record("b", true);
            tracing::warn!(d = -1, service = "mine", target = "t", "two");
        });
        let line = &lines[0];
        assert_eq!(
            (&line["a"], &line["b"], &line["c"], &line["d"]),
            (&10.into(), &true.into(), &Value::Null, &(-1).into())
        );
        assert_eq!((&line["service"], &line["target_"]), (&"mine".into(), &"t".into()));
        assert!(line["logging.googleapis.com/sourceLocation"]["line"].is_string());
        assert_eq!(line.as_object().unwrap().len(), 11);
    }

    #[test]
    fn details_are_added_to_the_next_line_of_their_span() {
        let lines = logged(|| {
            tracing::info!(target: DETAILS, a = 1, "without a span");
            let _span = tracing::info_span!("request", id = 7).entered();
            tracing::info!(target: DETAILS, a = 2, b = "x", "more");
            tracing::info!("done");
        });
        assert_eq!((&lines[0]["message"], &lines[0]["a"]), (&"without a span".into(), &1.into()));
        let line = &lines[1];
        assert_eq!((&line["message"], &line["id"]), (&"done".into(), &7.into()));
        assert_eq!((&line["a"], &line["b"], lines.len()), (&2.into(), &"x".into(), 2));
    }

    #[test]
    fn a_debug_implementation_that_logs_does_not_mix_lines() {
        struct LogsInDebug;

        impl fmt::Debug for LogsInDebug {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                tracing::info!(b = 2, "inner");
                f.write_str("value")
            }
        }

        // tracing may drop the inner event.
        let lines = logged(|| tracing::info!(a = 1, c = ?LogsInDebug, "outer"));
        let outer = lines.last().unwrap();
        assert_eq!((&outer["message"], &outer["b"]), (&"outer".into(), &Value::Null));
        assert_eq!((&outer["a"], &outer["c"]), (&1.into(), &"value".into()));
    }
}
