//! Logs: coloured lines on a terminal, otherwise JSON lines with the field names of Cloud Logging.
//!
//! Logs go to stderr, because stdout is for the output of commands. If stderr is closed or full, lines are
//! lost and the process continues.

mod escape;
mod fields;
mod json;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

pub use json::{DETAILS, JsonLines};

use crate::{meters, panics};

/// Sets up logs, metrics and the panic hook of the process. `name` is the value of the field `service` in log
/// lines that name no other service. `filter` is the value of `--log`, such as `info` or `warn,access=off`.
///
/// Later calls in the same process change nothing.
///
/// # Errors
/// [`BadFilter`] when `filter` is not valid.
pub fn init(name: &'static str, filter: &str) -> Result<(), BadFilter> {
    let filter = targets(filter)?;
    meters::install();
    let layer = if io::stderr().is_terminal() {
        // Without `log_internal_errors(false)`, the layer would report a failed write with eprintln!, which
        // panics on a broken stderr.
        fmt::layer()
            .with_writer(Stderr { is_terminal: true })
            .with_ansi(true)
            .with_target(false)
            .log_internal_errors(false)
            .boxed()
    } else {
        JsonLines::new(name, Stderr { is_terminal: false }).boxed()
    };
    // This fails only if a subscriber is already set. That subscriber stays in use.
    if tracing_subscriber::registry().with(layer).with(filter).try_init().is_ok() {
        panics::install_hook();
    }
    Ok(())
}

/// Parses a filter. If `filter` names no default level, the default level is `error`. With [`Targets`],
/// entering a span costs nothing. With a filter that can match the fields of spans, entering a span has a
/// cost.
fn targets(filter: &str) -> Result<Targets, BadFilter> {
    let bad = |part: &str| BadFilter { part: part.to_owned() };
    let parts = filter.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.into_iter().try_fold(Targets::new().with_default(LevelFilter::ERROR), |targets, part| {
        let (target, level) = part.rsplit_once('=').unwrap_or(("", part));
        let level: LevelFilter = level.parse().map_err(|_| bad(part))?;
        Ok(match target {
            "" => targets.with_default(level),
            target => targets.with_target(target, level),
        })
    })
}

/// A log filter that is not valid.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{part}` is not a log filter: pass --log a level (off, error, warn, info, debug, trace), \
     or target=level pairs separated by commas"
)]
pub struct BadFilter {
    part: String,
}

/// The standard error stream, for the log. A write reports success even if it fails.
#[derive(Clone, Copy, Debug)]
struct Stderr {
    is_terminal: bool,
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        let _ = match str::from_utf8(bytes) {
            Ok(line) if self.is_terminal => stderr.write_all(for_terminal(line).as_bytes()),
            _ => stderr.write_all(bytes),
        };
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Escapes what the layer leaves of the characters that mislead. Escape sequences of the layer stay.
fn for_terminal(line: &str) -> Cow<'_, str> {
    if !line.contains(escape::is_misleading) {
        return Cow::Borrowed(line);
    }
    let escaped = |c: char| if escape::is_misleading(c) { c.escape_unicode().to_string() } else { c.into() };
    Cow::Owned(line.chars().map(escaped).collect())
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_filter_has_a_default_level_and_levels_for_targets() {
        let asked =
            |filter: &str, target: &str, level: Level| targets(filter).unwrap().would_enable(target, &level);
        assert!(asked("info", "access", Level::INFO) && !asked("info", "access", Level::DEBUG));
        assert!(asked("warn, gateway_feed=debug", "gateway_feed::hub", Level::DEBUG));
        assert!(!asked("warn,gateway_feed=debug", "access", Level::INFO));
        assert!(!asked("info,access=off", "access", Level::ERROR));
        for few in ["", ",", "gateway_feed=debug"] {
            assert!(asked(few, "access", Level::ERROR) && !asked(few, "access", Level::WARN), "{few:?}");
        }
    }

    #[test]
    fn a_line_on_a_terminal_keeps_its_colours_and_cannot_mislead() {
        let line = "\u{1b}[32mINFO\u{1b}[0m GET /\u{202e}é\u{9b}2J";
        assert_eq!(for_terminal(line), "\u{1b}[32mINFO\u{1b}[0m GET /\\u{202e}é\\u{9b}2J");
    }

    #[test]
    fn a_typo_in_a_filter_is_an_error() {
        for (filter, part) in [("inof", "inof"), ("info,access=of", "access=of"), ("a[b=c]", "a[b=c]")] {
            let error = targets(filter).unwrap_err().to_string();
            assert!(error.contains(&format!("`{part}` is not a log filter")), "{error}");
        }
    }
}
