//! Logs: coloured lines for a person at a terminal, JSON lines in Cloud Logging's field names otherwise.
//!
//! Both go to stderr, so that stdout stays clean for the output of commands. A stderr that is closed
//! or full loses lines and nothing else.

mod escape;
mod fields;
mod json;

use std::io::{self, IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

pub use json::{DETAILS, JsonLines};

use crate::{meters, panics};

/// Sets up logs, metrics and the panic hook of the process. `name` is the `service` of lines that name
/// no other; `filter` is `--log`, such as `info` or `warn,access=off`.
///
/// Later calls in the same process change nothing.
///
/// # Errors
/// [`BadFilter`] when `filter` cannot be read.
pub fn init(name: &'static str, filter: &str) -> Result<(), BadFilter> {
    let filter = targets(filter)?;
    meters::install();
    let layer = if io::stderr().is_terminal() {
        // The layer would report a failed write with eprintln!, which panics on a broken stderr.
        fmt::layer().with_writer(Stderr).with_ansi(true).with_target(false).log_internal_errors(false).boxed()
    } else {
        JsonLines::new(name, Stderr).boxed()
    };
    // Fails only when a subscriber is set already, which then is the one to keep.
    if tracing_subscriber::registry().with(layer).with(filter).try_init().is_ok() {
        panics::install_hook();
    }
    Ok(())
}

/// What `filter` lets through: errors, unless it gives a level by itself. A span costs nothing to enter, as
/// it would with a filter that may follow what spans say.
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

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{part}` is not a log filter: pass --log a level (off, error, warn, info, debug, trace), \
     or target=level pairs with commas"
)]
pub struct BadFilter {
    part: String,
}

/// stderr as a log sees it: writing always succeeds.
#[derive(Clone, Copy, Debug)]
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
    fn a_filter_is_a_level_and_targets() {
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
    fn a_typing_error_is_told_instead_of_silencing_the_log() {
        for (filter, part) in [("inof", "inof"), ("info,access=of", "access=of"), ("a[b=c]", "a[b=c]")] {
            let error = targets(filter).unwrap_err().to_string();
            assert!(error.contains(&format!("`{part}` is not a log filter")), "{error}");
        }
    }
}
