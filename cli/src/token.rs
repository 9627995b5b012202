//! `oasis token`: makes and revokes the JSON Web Tokens of users.

mod revoke;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_identity::{KeySource, Keys, NewToken, Rules, Secrets};
use oasis_service::args::parse_duration;
use serde_json::{Map, Value};

use crate::credentials::parse_secrets;
use crate::output::{Usage, line};
use crate::random;
use crate::running::{self, FOLDER, JWT_SECRET_FILE, is_private};

const EXAMPLES: &str = "\
Examples:
  oasis token mint --sub alice --for 1h
  oasis token mint --sub ci --for 30d --admin
  oasis token mint --sub bob --for 8h --claim 'aud=[\"oasis\"]' \\
    --claim 'oasis.resources={\"project_id\":[\"p1\"]}'
  DATABASE_URL=\"$(cat .oasis/database-url)\" oasis token revoke --sub alice";

/// Flags of `oasis token`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Print a JSON Web Token for a user
    Mint(MintArgs),
    /// Revoke a token, or all keys and tokens of a user
    Revoke(revoke::Args),
}

/// Flags of `oasis token mint`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct MintArgs {
    /// The user's id
    #[arg(long, value_name = "ID")]
    sub: String,
    /// How long the token is valid, such as `1h` or `30d`
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    valid_for: Duration,
    /// Make the user an administrator
    #[arg(long)]
    admin: bool,
    /// Another claim; the value is JSON, so a string needs quotation marks, as in `'iss="me"'`; may be
    /// repeated
    #[arg(long = "claim", value_name = "NAME=JSON", value_parser = parse_claim)]
    claims: Vec<(String, Value)>,
    /// Secrets of the gateway; the first one signs the token; by default, the secret of `oasis up` in this
    /// folder or in a folder above it. The variable is safer, because other users can see flags in `ps`
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_name = "LIST")]
    jwt_secret: Option<Secrets>,
}

/// Runs a subcommand.
///
/// # Errors
/// There is no usable secret or no database, a gateway would refuse the token, or standard output cannot be
/// written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        TokenCommand::Mint(args) => mint(args).await,
        TokenCommand::Revoke(args) => revoke::run(args).await,
    }
}

async fn mint(args: MintArgs) -> anyhow::Result<ExitCode> {
    let mut claims = Map::new();
    for (name, value) in args.claims {
        if claims.contains_key(&name) {
            return Err(Usage(format!("the claim {name} is given twice")).into());
        }
        claims.insert(name, value);
    }
    let secrets = match args.jwt_secret.filter(|secrets| !secrets.is_empty()) {
        Some(secrets) => secrets,
        None => secret_of_up(&env::current_dir().context("the current folder is unknown")?).await?,
    };
    let now = Ts::clamped(Timestamp::now());
    let exp = now.instant().checked_add(args.valid_for).ok().and_then(|exp| Ts::new(exp).ok());
    let exp = exp.ok_or_else(|| Usage("--for is too long: a token must expire before year 10000".into()))?;
    let token = NewToken { sub: args.sub, jti: random::guid(), now, exp, is_admin: args.admin, claims };
    line(Keys::new(&[KeySource::Secrets(secrets)], Rules::default())?.mint(&token)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the secret of the `oasis up` that runs in `from` or in a folder above it. If none runs, reads the
/// nearest secret that an earlier `oasis up` stored in these folders.
async fn secret_of_up(from: &Path) -> anyhow::Result<Secrets> {
    let file = match running::search(from).await.found {
        Some(up) => up.jwt_secret.ok_or_else(|| {
            Usage("the running `oasis up` got its secret from JWT_SECRET: set JWT_SECRET here too".into())
        })?,
        None => last_file(from).ok_or_else(|| {
            Usage("there is no secret: set JWT_SECRET, or run `oasis up` in this folder first".into())
        })?,
    };
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    parse_secrets(&text, &file)
}

fn last_file(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join(FOLDER).join(JWT_SECRET_FILE)).find(|file| is_private(file))
}

/// Parses `NAME=JSON`.
fn parse_claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=JSON")?;
    match name {
        "" => return Err("the name is missing: expected NAME=JSON".to_owned()),
        "sub" => return Err("use --sub instead".to_owned()),
        "exp" => return Err("use --for instead".to_owned()),
        "oasis.admin" => return Err("use --admin instead".to_owned()),
        "iat" | "jti" => return Err(format!("{name} is set automatically")),
        _ => {}
    }
    match serde_json::from_str(value) {
        Ok(value) => Ok((name.to_owned(), value)),
        Err(_) => {
            Err(format!("the value is not JSON: a string needs quotation marks, as in '{name}=\"text\"'"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_a_name_and_json() {
        assert_eq!(parse_claim(r#"a="b=c""#), Ok(("a".to_owned(), json!("b=c"))));
        assert_eq!(parse_claim(r#"oasis.resources={"x":[1]}"#).unwrap().1, json!({"x": [1]}));
        for (bad, part) in [
            ("a", "NAME=JSON"),
            ("=1", "name is missing"),
            ("a=b", "quotation marks"),
            ("a=", "quotation marks"),
            ("sub=\"x\"", "--sub"),
            ("exp=1", "--for"),
            ("oasis.admin=true", "--admin"),
            ("jti=\"1\"", "set automatically"),
        ] {
            let message = parse_claim(bad).unwrap_err();
            assert!(message.contains(part), "{bad}: {message}");
        }
    }
}
