//! Parses flags and environment variables. Treats empty variables as unset, and hides secrets.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Parser};

use super::boolean::parse_boolean;

/// Like `T::parse()`, with these differences:
///
/// - A variable that is empty or blank counts as unset, because docker compose passes such variables. A
///   blank secret does not: somebody meant to set it, and without it the service could be open to everyone.
/// - A boolean may be written as `1`, `yes` or `on` (see [`parse_boolean`]).
/// - `--help` never shows the value of a variable, because the value may be a secret.
/// - `--help` has at most 80 columns, even if the output is not a terminal.
/// - An error about a flag also names the flag's variable. If the flag is declared with `hide_env_values`,
///   the error hides the value.
///
/// If flags are invalid, this function shows the usage and exits, as clap does.
pub fn parse<T: Parser>() -> T {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Like [`parse`], but takes the arguments from the caller and returns the error. The first argument is the
/// program's name.
///
/// # Errors
/// When flags or variables are invalid, and for `--help`.
pub fn parse_from<T: Parser>(
    argv: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, clap::Error> {
    let matches = prepare(T::command()).try_get_matches_from(argv);
    matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| {
        let mut command = T::command();
        command.build();
        add_variables(error, &command)
    })
}

/// Adds the matching variable to each flag that the error names, because the user may have set the variable
/// and not the flag.
fn add_variables(mut error: clap::Error, command: &Command) -> clap::Error {
    let with_variable = |flag: &String| {
        let variable = shown_as(command, flag).first()?.get_env()?;
        Some(format!("{flag} [env: {}]", variable.to_string_lossy()))
    };
    let name = |flag: &String| with_variable(flag).unwrap_or_else(|| flag.clone());
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

/// The arguments that clap shows as `flag`, in the command and its subcommands. An error does not say which
/// subcommand the flag belongs to.
fn shown_as<'a>(command: &'a Command, flag: &str) -> Vec<&'a Arg> {
    let own = command.get_arguments().filter(|arg| arg.to_string() == flag);
    let below = command.get_subcommands().flat_map(|below| shown_as(below, flag));
    own.chain(below).collect()
}

/// The maximum width of the help.
const MAX_COLUMNS: usize = 80;

/// Prepares a command for [`parse`]: ignores empty variables, hides values, accepts all ways to write a
/// boolean, and limits the width of the help.
fn prepare(command: Command) -> Command {
    command
        .max_term_width(MAX_COLUMNS)
        .mut_args(|arg| {
            let is_unset: fn(&OsStr) -> bool =
                if arg.is_hide_env_values_set() { OsStr::is_empty } else { is_blank };
            let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| is_unset(&value));
            let is_boolean = arg.get_value_parser().type_id() == TypeId::of::<bool>();
            let arg = arg.hide_env_values(true);
            let arg = if is_boolean { arg.value_parser(parse_boolean) } else { arg };
            if is_empty { arg.env(Resettable::Reset) } else { arg }
        })
        .mut_subcommands(prepare)
}

fn is_blank(value: &OsStr) -> bool {
    value.as_encoded_bytes().iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[arg(long, default_value = "8081")]
        port: u16,
        /// cargo sets this variable for every test, so the test needs no unsafe `set_var`.
        #[arg(long, env = "CARGO_PKG_NAME")]
        name: Option<String>,
        /// cargo sets this variable to the empty string, because the package has no homepage.
        #[arg(long, env = "CARGO_PKG_HOMEPAGE")]
        homepage: Option<u16>,
        /// The text of this flag is longer than a line, so that the help has to break the text into two lines
        #[arg(long)]
        long: bool,
    }

    /// A command whose variables are not set.
    #[derive(Debug, Parser)]
    struct Strict {
        #[arg(long, env = "OASIS_NEVER_SET", hide_env_values = true)]
        secret: u16,
        #[arg(long, env = "OASIS_NEVER_SET_EITHER")]
        plain: u16,
    }

    /// Booleans whose variables cargo sets: the version of this package is 0.1.0.
    #[derive(Debug, Parser)]
    struct Switches {
        #[arg(long, env = "CARGO_PKG_VERSION_MINOR")]
        one: bool,
        #[arg(long, env = "CARGO_PKG_VERSION_MAJOR")]
        zero: bool,
        #[arg(long, env = "CARGO_PKG_HOMEPAGE")]
        empty: bool,
        #[arg(long, default_value_t = false, num_args = 0..=1, default_missing_value = "true",
              action = clap::ArgAction::Set)]
        with_value: bool,
    }

    #[test]
    fn every_boolean_is_accepted_as_people_write_it() {
        let variables = ["CARGO_PKG_VERSION_MINOR", "CARGO_PKG_VERSION_MAJOR", "CARGO_PKG_HOMEPAGE"];
        let values = variables.map(|name| std::env::var(name).unwrap());
        assert_eq!(values, ["1", "0", ""], "this test needs other variables");
        let switches: Switches = parse_from(["test"]).unwrap();
        assert!(switches.one && !switches.zero && !switches.empty && !switches.with_value);
        let with_value = |flags: &[&str]| {
            let argv = std::iter::once("test").chain(flags.iter().copied());
            parse_from::<Switches>(argv)
                .map(|switches| switches.with_value)
                .map_err(|error| error.to_string())
        };
        for yes in [&["--with-value"][..], &["--with-value", "Yes"], &["--with-value=on"]] {
            assert_eq!(with_value(yes), Ok(true), "{yes:?}");
        }
        assert_eq!(with_value(&["--with-value=no"]), Ok(false));
        assert!(with_value(&["--with-value=maybe"]).unwrap_err().contains("expected yes or no"));
        assert!(is_blank(OsStr::new(" \t")) && !is_blank(OsStr::new(" 1")));
    }

    /// The words of the help, without line breaks.
    fn words(help: &str) -> String {
        help.split_whitespace().collect::<Vec<_>>().join(" ")
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
    fn flags_override_defaults_and_help_shows_the_default_port() {
        assert_eq!(parsed(&[]).port, 8081);
        assert_eq!(parsed(&["--port", "1"]).port, 1);
        let help = prepare(<Cli as clap::CommandFactory>::command()).render_help().to_string();
        assert!(help.contains("[default: 8081]"), "{help}");
    }

    #[test]
    fn help_has_at_most_80_columns() {
        let help = prepare(<Cli as clap::CommandFactory>::command()).render_help().to_string();
        assert!(words(&help).contains("so that the help has to break"), "{help}");
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
        assert_eq!(long, [""; 0]);
    }

    #[test]
    fn an_empty_variable_counts_as_unset_and_help_hides_values() {
        assert_eq!(std::env::var("CARGO_PKG_HOMEPAGE").as_deref(), Ok(""));
        let cli = parsed(&[]);
        assert_eq!(cli.homepage, None);
        assert_eq!(cli.name.as_deref(), Some("oasis-service"));
        let help = prepare(<Cli as clap::CommandFactory>::command()).render_help().to_string();
        assert!(words(&help).contains("[env: CARGO_PKG_NAME]"), "{help}");
    }
}
