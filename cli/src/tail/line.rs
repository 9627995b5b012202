//! Prints one event as one line.

use std::io;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use oasis_core::Status;
use serde_json::Value;

use crate::output::{self, Paint, printable};

/// Prints events, as aligned columns or as JSON.
pub(super) struct Printer {
    json: bool,
    zone: TimeZone,
    paint: Paint,
}

impl Printer {
    /// Makes a printer that prints to standard output.
    pub(super) fn new(json: bool, utc: bool) -> Self {
        let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
        Self { json, zone, paint: Paint::for_stream(&io::stdout()) }
    }

    /// Prints the event whose text is `data` and whose parsed JSON is `value`.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn event(&self, data: &str, value: &Value) -> anyhow::Result<()> {
        if self.json {
            // JSON has line breaks only between its tokens, where a space means the same.
            output::line(data.replace(['\r', '\n'], " "))
        } else {
            output::line(self.columns(value, self.paint))
        }
    }

    /// Prints a simulated event with a mark. With `--json`, prints nothing.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn simulated(&self, value: &Value) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { output::line(self.simulated_columns(value)) }
    }

    fn simulated_columns(&self, value: &Value) -> String {
        self.paint.dim(&format!("(simulated)  {}", self.columns(value, Paint::NONE)))
    }

    fn columns(&self, value: &Value, paint: Paint) -> String {
        let field = |name: &str| {
            let text = value.get(name).and_then(Value::as_str).unwrap_or("-");
            printable(text).replace('\n', " ")
        };
        let ts = field("ts");
        let time = match ts.parse::<Timestamp>() {
            Ok(instant) => instant.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            Err(_) => ts,
        };
        let status = field("status");
        // A newer gateway may send statuses that this version does not know.
        let colour = status.parse().map_or(37, colour);
        // The status is padded before it is coloured, because escape sequences would count as width.
        let status = paint.with(colour, &format!("{status:<11}"));
        let link =
            if value.get("link").is_some_and(Value::is_string) { field("link") } else { String::new() };
        let line = format!(
            "{}  {status}  {:<16}  {:<32}  {:<14}  {}",
            paint.dim(&time),
            field("vtid"),
            field("title"),
            field("module"),
            paint.dim(&link)
        );
        line.trim_end().to_owned()
    }
}

/// The terminal's colour for a status.
fn colour(status: Status) -> u8 {
    match status {
        Status::Queued => 33,
        Status::InProgress => 36,
        Status::Success => 32,
        Status::Failure => 31,
        Status::Cancelled => 35,
        Status::Info => 37,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printer(colours: bool) -> Printer {
        Printer { json: false, zone: TimeZone::UTC, paint: Paint::fixed(colours) }
    }

    fn columns(colours: bool, value: &Value) -> String {
        let printer = printer(colours);
        printer.columns(value, printer.paint)
    }

    #[test]
    fn columns_are_aligned_and_only_a_terminal_gets_colours() {
        let event = json!({
            "ts": "2026-01-02T03:04:05.678Z", "vtid": "DEV-CICDL-0031", "status": "failure",
            "title": "CICDL-CORE-WORKFLOW-RUN", "module": "CORE", "link": "https://h/1"
        });
        assert_eq!(
            columns(false, &event),
            "2026-01-02 03:04:05  failure      DEV-CICDL-0031    CICDL-CORE-WORKFLOW-RUN           \
             CORE            https://h/1"
        );
        assert!(columns(true, &event).contains("\x1b[31mfailure    \x1b[0m  DEV-CICDL-0031 "));
    }

    #[test]
    fn the_whole_line_of_a_simulated_event_is_dimmed() {
        let event = json!({"ts": "t", "status": "failure"});
        assert_eq!(
            printer(false).simulated_columns(&event),
            format!("(simulated)  {}", columns(false, &event))
        );
        let dimmed = printer(true).simulated_columns(&event);
        assert!(dimmed.starts_with("\x1b[2m(simulated)  t  failure "), "{dimmed:?}");
        assert_eq!(dimmed.matches('\x1b').count(), 2, "{dimmed:?}");
    }

    #[test]
    fn an_event_with_missing_or_hostile_fields_is_printed_as_one_line() {
        assert_eq!(columns(false, &json!({"link": null})).split_whitespace().collect::<String>(), "-----");
        let hostile = columns(false, &json!({"title": "a\x1b[2J\n\u{202e}b", "link": "\x07\n\u{2028}"}));
        assert!(!hostile.contains(|c: char| c.is_control() || "\u{202e}\u{2028}".contains(c)), "{hostile:?}");
    }
}
