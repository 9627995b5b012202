//! Logs: coloured lines for a person at a terminal, JSON lines in Cloud Logging's field names otherwise.
//!
//! Both go to stderr, so that stdout stays clean for the output of commands. A stderr that is closed
//! or full loses lines and nothing else.

mod json;

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

pub use json::JsonLines;

use crate::{meters, panics};

/// The target of an event that says more about the request that it belongs to: as JSON it stands in the request's own
/// line, the access log's, instead of a second one. Where a filter leaves the access log out, it is left out, too.
pub const DETAILS: &str = "details";

/// Sets up logs, metrics and the panic hook of the process. `name` is the `service` of lines that name
/// no other; `filter` is `--log`, such as `info` or `warn,access=off`.
///
/// Later calls in the same process change nothing.
///
/// # Errors
/// [`BadFilter`] when `filter` cannot be read.
pub fn init(name: &'static str, filter: &str) -> Result<(), BadFilter> {
    let filter =
        EnvFilter::try_new(filter).map_err(|source| BadFilter { filter: filter.to_owned(), source })?;
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

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the log filter `{filter}`: pass --log a level, or target=level pairs with commas")]
pub struct BadFilter {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
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
