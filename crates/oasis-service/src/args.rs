//! Flags that every service takes, and how they meet the environment.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Args, Command, Parser};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use tokio::net::TcpListener;

/// Where to listen and what to log; `#[command(flatten)] service: ServiceArgs<8080>`, the number being
/// the service's default port.
#[derive(Args, Clone, Debug)]
pub struct ServiceArgs<const PORT: u16> {
    /// Address to listen on
    #[arg(long, env = "HOST", default_value = "0.0.0.0")]
    pub host: String,

    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value = text_of(PORT))]
    pub port: u16,

    /// What to log, such as `info` or `warn,gateway_feed=debug`
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log: String,

    /// Ask the service that listens here whether it is ready, say why not, and end: for images without a shell
    #[arg(long)]
    pub healthcheck: bool,
}

/// How long a health check waits for its answer; a readiness check has 5 s.
const HEALTHCHECK: Duration = Duration::from_secs(6);

impl<const PORT: u16> ServiceArgs<PORT> {
    /// Asks the service that listens on the host and port given for `/ready`.
    ///
    /// # Errors
    /// When it does not answer 200; the message has what it answered.
    pub fn healthcheck(&self) -> io::Result<()> {
        // Where it listens on every address, it is reached on this machine's own.
        let host = match self.host.as_str() {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            host => host,
        };
        let mut stream = TcpStream::connect((host, self.port))?;
        stream.set_read_timeout(Some(HEALTHCHECK))?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(64 << 10).read_to_string(&mut answer)?;
        match answer.starts_with("HTTP/1.1 200 ") {
            true => Ok(()),
            false => Err(io::Error::other(answer.rsplit("\r\n").next().unwrap_or_default().to_owned())),
        }
    }

    /// Listens on the host and port given.
    ///
    /// # Errors
    /// [`BindError`], which says what to do about it.
    pub async fn bind(&self) -> Result<TcpListener, BindError> {
        bind(&self.host, self.port).await
    }
}

/// Listens on `host` and `port`; 0 takes a free port.
///
/// # Errors
/// [`BindError`], which says what to do about it.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener, BindError> {
    TcpListener::bind((host, port)).await.map_err(|source| {
        let host = host.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { host, port },
            io::ErrorKind::PermissionDenied => BindError::Denied { host, port },
            _ => BindError::Other { host, port, source },
        }
    })
}

/// Why a service could not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error("port {port} on {host} is already in use: stop what uses it or pass --port")]
    InUse {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// The port is reserved for privileged processes.
    #[error(
        "port {port} on {host} needs privileges that this process lacks: pass --port with one above 1023"
    )]
    Denied {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// The address does not exist here, or the system refuses.
    #[error("cannot listen on {host} port {port}: check --host and --port")]
    Other {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

/// `T::parse()` for processes whose environment others write: a variable that is set to the empty
/// string counts as unset (docker compose passes those), `--help` never shows a variable's value,
/// which may be a secret, and an error names the variable beside the flag but shows no value of one
/// that is declared `hide_env_values`. Exits with usage on bad flags, as clap does.
pub fn parse<T: Parser>() -> T {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// [`parse`] for callers that have flags of their own; the first is the program's name.
///
/// # Errors
/// Bad flags or variables, and `--help`.
pub fn parse_from<T: Parser>(
    argv: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, clap::Error> {
    let matches = tame(T::command()).try_get_matches_from(argv);
    matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| {
        let mut command = T::command();
        command.build();
        explained(error, &command)
    })
}

/// Names the variable of each flag that is at fault: whoever sets variables never typed the flag.
fn explained(mut error: clap::Error, command: &Command) -> clap::Error {
    let named = |flag: &String| {
        let variable = shown_as(command, flag).first()?.get_env()?;
        Some(format!("{flag} [env: {}]", variable.to_string_lossy()))
    };
    let name = |flag: &String| named(flag).unwrap_or_else(|| flag.clone());
    let at_fault = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => {
            let secret = shown_as(command, flag).into_iter().any(Arg::is_hide_env_values_set);
            (ContextValue::String(name(flag)), secret)
        }
        Some(ContextValue::Strings(flags)) => {
            (ContextValue::Strings(flags.iter().map(name).collect()), false)
        }
        _ => return error,
    };
    error.insert(ContextKind::InvalidArg, at_fault.0);
    if at_fault.1 && error.get(ContextKind::InvalidValue).is_some() {
        error.insert(ContextKind::InvalidValue, ContextValue::String("[redacted]".into()));
    }
    error
}

/// The arguments that clap shows as `flag`, of the command and of those below it: which of them ran is not told.
fn shown_as<'a>(command: &'a Command, flag: &str) -> Vec<&'a Arg> {
    let own = command.get_arguments().filter(|arg| arg.to_string() == flag);
    let below = command.get_subcommands().flat_map(|below| shown_as(below, flag));
    own.chain(below).collect()
}

/// What [`parse`] does to a command before parsing.
fn tame(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
            let arg = arg.hide_env_values(true);
            if is_empty { arg.env(Resettable::Reset) } else { arg }
        })
        .mut_subcommands(tame)
}

/// Reads a duration above zero, such as `40s` or `1m 30s`, for clap's `value_parser`.
///
/// # Errors
/// When it is none; the message is for whoever typed it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    span(text)
        .and_then(|span| Duration::try_from(span).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("{text:?} is not a duration above zero: expected one such as 40s or 2m"))
}

/// A length of time that is not negative, with days of 24 hours.
pub fn span(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().filter(|duration| !duration.is_negative())
}

/// Leaks a few bytes once per command built, because clap wants defaults that live forever.
fn text_of(port: u16) -> &'static str {
    Box::leak(port.to_string().into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        service: ServiceArgs<8081>,
        /// Set by cargo for every test, so the test needs no unsafe `set_var`.
        #[arg(long, env = "CARGO_PKG_NAME")]
        name: Option<String>,
        /// Cargo sets this one to the empty string, because the package has no homepage.
        #[arg(long, env = "CARGO_PKG_HOMEPAGE")]
        homepage: Option<u16>,
    }

    /// One whose variables are not set.
    #[derive(Debug, Parser)]
    struct Strict {
        #[arg(long, env = "OASIS_NEVER_SET", hide_env_values = true)]
        secret: u16,
        #[arg(long, env = "OASIS_NEVER_SET_EITHER")]
        plain: u16,
    }

    fn parsed(flags: &[&str]) -> Cli {
        parse_from(std::iter::once("test").chain(flags.iter().copied())).unwrap()
    }

    #[test]
    fn errors_name_the_variable_and_show_no_secret() {
        let error = |flags: &[&str]| {
            let argv = std::iter::once("test").chain(flags.iter().copied());
            parse_from::<Strict>(argv).unwrap_err().to_string()
        };
        let missing = error(&[]);
        assert!(missing.contains("--secret <SECRET> [env: OASIS_NEVER_SET]\n"), "{missing}");
        assert!(missing.contains("--plain <PLAIN> [env: OASIS_NEVER_SET_EITHER]\n"), "{missing}");
        let bad = error(&["--secret", "hunter2", "--plain", "1"]);
        assert!(bad.contains("[env: OASIS_NEVER_SET]") && !bad.contains("hunter2"), "{bad}");
        let bad = error(&["--secret", "1", "--plain", "word"]);
        assert!(bad.contains("'word'") && bad.contains("[env: OASIS_NEVER_SET_EITHER]"), "{bad}");
    }

    #[test]
    fn flags_beat_defaults_and_help_has_the_port() {
        assert_eq!(parsed(&[]).service.port, 8081);
        assert_eq!(parsed(&["--port", "1"]).service.port, 1);
        let help = tame(<Cli as clap::CommandFactory>::command()).render_help().to_string();
        assert!(help.contains("[default: 8081]"), "{help}");
    }

    #[test]
    fn an_empty_variable_is_unset_and_values_are_hidden() {
        assert_eq!(std::env::var("CARGO_PKG_HOMEPAGE").as_deref(), Ok(""));
        let cli = parsed(&[]);
        assert_eq!(cli.homepage, None);
        assert_eq!(cli.name.as_deref(), Some("oasis-service"));
        let help = tame(<Cli as clap::CommandFactory>::command()).render_help().to_string();
        assert!(help.contains("[env: CARGO_PKG_NAME]"), "{help}");
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "0s", "-1s", "40", "soon"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_says_what_to_do() {
        let taken = bind("127.0.0.1", 0).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind("127.0.0.1", port).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("port {port} on 127.0.0.1 is already in use: stop what uses it or pass --port")
        );
    }
}
