//! Prints one event as one line.

use std::io;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use oasis_core::Status;

use crate::columns::{self, Part};
use crate::event::{Description, Event};
use crate::output::{self, Paint};

/// In a terminal that is narrower than this, the times of today have no date.
const WITH_DATE: usize = 100;

/// Prints events as lines that fit the terminal. If the output is not a terminal, lines are not cut.
pub(crate) struct Printer {
    zone: TimeZone,
    paint: Paint,
    /// Returns the current time, which decides whether a line needs a date or a year.
    now: fn() -> Timestamp,
}

impl Printer {
    /// Makes a printer that prints to standard output.
    pub(crate) fn new(utc: bool) -> Self {
        let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
        Self { zone, paint: Paint::for_stream(&io::stdout()), now: Timestamp::now }
    }

    /// Prints an event.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn event(&self, event: &Event) -> anyhow::Result<()> {
        output::line(self.format(event, columns::terminal(), self.paint))
    }

    /// Prints a simulated event with a mark.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn simulated(&self, event: &Event) -> anyhow::Result<()> {
        output::line(self.format_simulated(event, columns::terminal()))
    }

    fn format_simulated(&self, event: &Event, width: Option<usize>) -> String {
        const MARK: &str = "(simulated)  ";
        let width = width.map(|width| width.saturating_sub(MARK.len()));
        self.paint.dim(&format!("{MARK}{}", self.format(event, width, Paint::NONE)))
    }

    fn format(&self, event: &Event, width: Option<usize>, paint: Paint) -> String {
        let time = match event.at() {
            Some(at) => self.short_time(at, width),
            None => or_dash(&event.ts).to_owned(),
        };
        // The status is padded before it is coloured, because escape sequences would count as width.
        let status = format!("{:<11}", or_dash(&event.status));
        let vtid = format!("{:<14}", or_dash(&event.vtid));
        let Description { name, title, repository, branch } = Description::of(event);
        let link = event.link.as_str();
        let used = [&time, &status, &vtid].iter().map(|text| columns::width(text) + 2).sum::<usize>();
        let free = width.map_or(usize::MAX, |width| width.saturating_sub(used));
        let natural = |texts: &[&str]| texts.iter().map(|text| columns::width(text) + 2).sum::<usize>();
        let has_room = |texts: &[&str]| natural(texts) <= free.saturating_add(2);
        let link = if has_room(&[&name, &title, &repository, &branch, link]) { link } else { "" };
        let short = repository.rsplit('/').next().unwrap_or_default();
        let place =
            if has_room(&[&name, &title, &repository, &branch]) { repository.as_str() } else { short };
        let ranked = [(title.as_str(), 1), (place, 0), (branch.as_str(), 2)];
        let mut texts = columns::fit(&name, &ranked.map(|(text, rank)| Part { text, rank }), free);
        let colour = event.state().map_or(37, colour);
        texts[0] = paint.with(colour, &texts[0]);
        texts[2] = paint.dim(&texts[2]);
        texts[3] = paint.dim(&texts[3]);
        texts.push(paint.dim(link));
        let (time, status) = (paint.dim(&time), paint.with(colour, &status));
        let line = format!("{time}  {status}  {vtid}  {}", columns::join(&texts));
        line.trim_end().to_owned()
    }

    /// Formats a time for a line of this width. On a terminal, leaves out the current year. On a narrow
    /// terminal, also leaves out the date of today.
    fn short_time(&self, at: Timestamp, width: Option<usize>) -> String {
        let (at, now) = (at.to_zoned(self.zone.clone()), (self.now)().to_zoned(self.zone.clone()));
        let narrow = width.is_some_and(|width| width < WITH_DATE);
        let format = match (narrow, at.date() == now.date(), at.year() == now.year()) {
            (true, true, _) => "%H:%M:%S",
            (true, false, true) => "%m-%d %H:%M",
            (true, false, false) => "%Y-%m-%d",
            (false, _, true) if width.is_some() => "%m-%d %H:%M:%S",
            (false, _, _) => "%Y-%m-%d %H:%M:%S",
        };
        at.strftime(format).to_string()
    }

    /// Formats a time with its date. On a terminal, the date has no year.
    pub(crate) fn time(&self, at: Timestamp, width: Option<usize>) -> String {
        let format = if width.is_some() { "%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
        at.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    /// Colours a text by a status.
    pub(crate) fn painted(&self, status: Option<Status>, text: &str) -> String {
        self.paint.with(status.map_or(37, colour), text)
    }

    /// Dims a text.
    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint.dim(text)
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
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
    use serde_json::{Value, json};

    use super::*;

    fn printer(colours: bool) -> Printer {
        let now = || "2026-01-02T12:00:00Z".parse().unwrap();
        Printer { zone: TimeZone::UTC, paint: Paint::fixed(colours), now }
    }

    fn line(colours: bool, width: Option<usize>, value: &Value) -> String {
        let printer = printer(colours);
        printer.format(&Event::read(value), width, printer.paint)
    }

    fn failed_job() -> Value {
        json!({
            "ts": "2026-01-02T03:04:05.678Z", "vtid": "DEV-CICDL-0031", "status": "failure",
            "title": "CICDL-CORE-WORKFLOW-JOB", "module": "CORE", "link": "https://github.com/acme/gateway/1",
            "kind": "workflow_job", "source": "github.actions",
            "meta": {"name": "test", "workflow": "CI", "repository": "acme/gateway",
                     "branch": "vt/dev-cicdl-0031-add-rate-limits", "title": "Add rate limits to the gateway"}
        })
    }

    #[test]
    fn a_line_says_what_broke_and_fits_the_terminal() {
        let job = failed_job();
        assert_eq!(
            line(false, None, &job),
            "2026-01-02 03:04:05  failure      DEV-CICDL-0031  CI: test  Add rate limits to the gateway  \
             acme/gateway  vt/dev-cicdl-0031-add-rate-limits  https://github.com/acme/gateway/1"
        );
        assert_eq!(
            line(false, Some(80), &job),
            "03:04:05  failure      DEV-CICDL-0031  CI: test  Add rate limits to th…  gateway"
        );
        assert_eq!(
            line(false, Some(120), &job),
            "01-02 03:04:05  failure      DEV-CICDL-0031  CI: test  Add rate limits to the gat…  gateway  \
             vt/dev-cicdl-0031-add-rate…"
        );
        for width in 60..200 {
            let fitted = line(false, Some(width), &job);
            assert!(columns::width(&fitted) <= width, "{width}: {fitted}");
        }
        let painted = line(true, None, &job);
        assert!(painted.contains("\x1b[31mfailure    \x1b[0m  DEV-CICDL-0031  \x1b[31mCI: test\x1b[0m"));
    }

    #[test]
    fn times_of_other_days_have_a_date_in_every_terminal() {
        let of = |ts: &str, width: Option<usize>| printer(false).short_time(ts.parse().unwrap(), width);
        for (ts, narrow, wide) in [
            ("2026-01-02T03:04:05Z", "03:04:05", "01-02 03:04:05"),
            ("2026-01-01T03:04:05Z", "01-01 03:04", "01-01 03:04:05"),
            ("2020-10-05T03:04:05Z", "2020-10-05", "2020-10-05 03:04:05"),
        ] {
            assert_eq!((of(ts, Some(80)).as_str(), of(ts, Some(120)).as_str()), (narrow, wide));
        }
        assert_eq!(of("2026-01-02T03:04:05Z", None), "2026-01-02 03:04:05");
    }

    #[test]
    fn without_meta_the_strict_fields_are_shown() {
        let mut event = failed_job();
        event["meta"] = Value::Null;
        assert_eq!(
            line(false, Some(80), &event),
            "03:04:05  failure      DEV-CICDL-0031  CICDL-CORE-WORKFLOW-JOB  acme/gateway"
        );
        assert_eq!(line(false, None, &json!({"link": null})), "-  -            -               -");
    }

    #[test]
    fn the_whole_line_of_a_simulated_event_is_dimmed() {
        let event = Event::read(&json!({"ts": "t", "status": "failure"}));
        let plain = "(simulated)  t  failure      -               -";
        assert_eq!(printer(false).format_simulated(&event, None), plain);
        assert_eq!(printer(true).format_simulated(&event, None), format!("\x1b[2m{plain}\x1b[0m"));
    }

    #[test]
    fn an_event_with_hostile_fields_is_printed_as_one_line() {
        let event = json!({"title": "a\x1b[2J\n\u{202e}b", "link": "\x07\n\u{2028}", "vtid": "\n"});
        let hostile = line(false, None, &event);
        assert!(!hostile.contains(|c: char| c.is_control() || "\u{202e}\u{2028}".contains(c)), "{hostile:?}");
    }
}
