//! Output to the terminal: lines, colours, and the error that ends a command.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use oasis_core::is_invisible;
use oasis_service::client::ClientError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The reader of standard output, such as `head`, has closed it. This error ends the command with exit
/// code 0.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub(crate) struct OutputClosed;

/// Wrong usage that clap does not detect. The exit code is 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Writes one line to standard output and flushes it.
///
/// # Errors
/// [`OutputClosed`] if the reader has closed standard output, or the error of the system.
pub(crate) fn line(line: impl fmt::Display) -> anyhow::Result<()> {
    let mut text = line.to_string();
    text.push('\n');
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        Err(error) => Err(anyhow::Error::new(error).context("standard output cannot be written")),
    }
}

/// Fails if the reader has closed standard output. With this check, a command ends even if it has nothing to
/// print.
///
/// # Errors
/// [`OutputClosed`].
pub(crate) fn expect_open_output() -> anyhow::Result<()> {
    let stdout = io::stdout();
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    let polled = poll(&mut watched, Some(&Timespec::default()));
    if polled.is_ok() && watched[0].revents().contains(PollFlags::ERR) {
        Err(OutputClosed.into())
    } else {
        Ok(())
    }
}

/// Writes one line to standard error, dimmed on a terminal.
pub(crate) fn notice(text: impl fmt::Display) {
    let paint = Paint::for_stream(&io::stderr());
    // If standard error is closed, there is nowhere to report the error.
    let _ = writeln!(io::stderr().lock(), "{}", paint.dim(&printable(&text.to_string())));
}

/// Prints to standard error why a command ended, and returns its exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if error.is::<OutputClosed>() {
        return ExitCode::SUCCESS;
    }
    if let Some(error) = error.downcast_ref::<clap::Error>() {
        // clap itself prints `error:` and the usage.
        let _ = error.print();
        return ExitCode::from(2);
    }
    let paint = Paint::for_stream(&io::stderr());
    let text = printable(&format!("{error:#}"));
    let _ = writeln!(io::stderr().lock(), "{}: {text}", paint.red("error"));
    let usage = error.is::<Usage>() || matches!(error.downcast_ref(), Some(ClientError::Token));
    ExitCode::from(if usage { 2 } else { 1 })
}

/// Replaces hostile characters in `text`: a terminal could take control characters for commands, and
/// invisible characters can reorder or hide the text next to them. Keeps line breaks.
pub(crate) fn printable(text: &str) -> String {
    let hostile = |c: char| (c.is_control() && c != '\n') || is_invisible(c);
    text.chars().map(|c| if hostile(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// When the output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always, even if the output is not a terminal
    Always,
    /// Never
    Never,
}

impl Colour {
    /// Whether text is coloured. `no_color` is the value of the variable `NO_COLOR`.
    fn colours(self, is_terminal: bool, no_color: Option<&OsStr>) -> bool {
        match self {
            Self::Auto => is_terminal && no_color.is_none_or(OsStr::is_empty),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The choice of the flag `--color`, which is the same for the whole process.
static COLOUR: OnceLock<Colour> = OnceLock::new();

/// Sets when the output is coloured. Only the first call has an effect.
pub(crate) fn set_colour(colour: Colour) {
    COLOUR.get_or_init(|| colour);
}

/// Whether text is coloured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Never adds colours.
    pub(crate) const NONE: Self = Self(false);

    /// Adds colours to `stream` as the flag `--color` says.
    pub(crate) fn for_stream(stream: &impl IsTerminal) -> Self {
        let colour = COLOUR.get().copied().unwrap_or(Colour::Auto);
        Self(colour.colours(stream.is_terminal(), std::env::var_os("NO_COLOR").as_deref()))
    }

    /// Whether this adds colours.
    pub(crate) const fn is_on(self) -> bool {
        self.0
    }

    /// Adds colours if `colours` is true.
    #[cfg(test)]
    pub(crate) const fn fixed(colours: bool) -> Self {
        Self(colours)
    }

    /// `text` in the colour of an SGR code.
    pub(crate) fn with(self, code: u8, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// `text` in red.
    pub(crate) fn red(self, text: &str) -> String {
        self.with(31, text)
    }

    /// `text` dimmed.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with(2, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_gets_colours_unless_the_flag_or_no_color_decides() {
        let of = |colour: Colour, is_terminal, no_color: Option<&str>| {
            colour.colours(is_terminal, no_color.map(OsStr::new))
        };
        assert!(of(Colour::Auto, true, None) && of(Colour::Auto, true, Some("")));
        assert!(!of(Colour::Auto, false, None) && !of(Colour::Auto, true, Some("1")));
        assert!(of(Colour::Always, false, Some("1")));
        assert!(!of(Colour::Never, true, None));
    }

    #[test]
    fn control_and_invisible_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\u{9b}c\r\nd"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}\nd");
        let directions = "\u{202a}\u{202e}\u{2066}\u{2069}\u{200f}\u{61c}";
        let unseen = "\u{200b}\u{2028}\u{2029}\u{feff}\u{ad}\u{180e}\u{fff9}\u{1d173}\u{e0041}";
        for c in directions.chars().chain(unseen.chars()) {
            assert_eq!(printable(&c.to_string()), "\u{fffd}", "{c:?}");
        }
        for plain in
            ["é 日本 😀 עברית العربية", "e\u{301}", "\u{200a}\u{2010}\u{2027}\u{202f}\u{205f}\u{2070}"]
        {
            assert_eq!(printable(plain), plain);
        }
        assert_eq!(Paint::fixed(false).red("x"), "x");
        assert_eq!(Paint::fixed(true).red("x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Paint::fixed(true).red(""), "");
    }
}
