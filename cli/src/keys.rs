//! `oasis keys`: makes, lists and revokes the API keys of users. The database has only the SHA-256 of a key.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;
use oasis_core::{Ts, is_name};
use oasis_identity::generate_api_key;
use oasis_service::args::parse_duration;
use oasis_store::{ApiKey, DatabaseArgs, NewApiKey};
use serde_json::{Value, json};

use crate::columns;
use crate::database;
use crate::output::{Paint, Usage, line, notice, printable};
use crate::random;

const EXAMPLES: &str = "\
Examples:
  export DATABASE_URL=\"$(cat .oasis/database-url)\"
  oasis keys create --user alice --name laptop --for 90d
  oasis keys list --user alice
  oasis keys list --json | jq -r '.[].id'
  oasis keys revoke 5c1f9a04-8f5e-4b44-9d0a-6f0d6a1c2b3e

A key is printed only once. A program sends it as `Authorization: Bearer KEY` or
as `X-Api-Key: KEY`, never in a URL.";

/// The number of characters at the end of a key that `oasis keys list` shows.
const HINT: usize = 4;
const HEADERS: [&str; 7] = ["ID", "USER", "KEY", "NAME", "CREATED", "EXPIRES", "STATE"];

/// Flags of `oasis keys`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a key for a user, and print it
    Create(CreateArgs),
    /// List the keys
    List(ListArgs),
    /// Revoke a key
    Revoke(RevokeArgs),
}

/// Flags of `oasis keys create`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct CreateArgs {
    #[command(flatten)]
    database: Box<DatabaseArgs>,
    /// The user's id, as in the claim `sub` of tokens
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    user: String,
    /// What the key is for
    #[arg(long, value_name = "TEXT", value_parser = parse_id)]
    name: Option<String>,
    /// How long the key is valid, such as `90d`; without this flag, the key does not expire
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    valid_for: Option<Duration>,
}

/// Flags of `oasis keys list`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct ListArgs {
    #[command(flatten)]
    database: Box<DatabaseArgs>,
    /// Show only the keys of this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Flags of `oasis keys revoke`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct RevokeArgs {
    #[command(flatten)]
    database: Box<DatabaseArgs>,
    /// The id of the key, as `oasis keys list` shows it
    id: String,
}

/// Runs a subcommand.
///
/// # Errors
/// The database cannot be reached, there is no such key, or standard output cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        KeysCommand::Create(args) => create(args).await,
        KeysCommand::List(args) => list(args).await,
        KeysCommand::Revoke(args) => revoke(args).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let expires_at = match args.valid_for {
        None => None,
        Some(valid_for) => {
            let end = Timestamp::now().checked_add(valid_for).ok().and_then(|end| Ts::new(end).ok());
            Some(end.ok_or_else(|| Usage("--for is too long: without it, a key never expires".into()))?)
        }
    };
    let store = database::open(*args.database, "oasis keys").await?;
    let (key, hash) = generate_api_key()?;
    let new = NewApiKey {
        id: random::guid(),
        user_id: args.user,
        name: args.name.unwrap_or_default(),
        hint: key[key.len() - HINT..].to_owned(),
        hash,
        expires_at,
    };
    let made = store.create_api_key(&new).await?;
    line(key)?;
    notice(format_args!(
        "keep this key: it is not shown again. Its id is {}. It {}",
        made.id,
        made.expires_at.map_or_else(|| "does not expire".to_owned(), |end| format!("expires at {end}")),
    ));
    Ok(())
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let store = database::open(*args.database, "oasis keys").await?;
    let keys = store.list_api_keys(args.user.as_deref()).await?;
    let now = Timestamp::now();
    match (args.json, keys.is_empty()) {
        (true, _) => {
            line(serde_json::to_string_pretty(&keys.iter().map(|key| as_json(key, now)).collect::<Vec<_>>())?)
        }
        (false, true) => {
            notice("no keys: `oasis keys create` makes one");
            Ok(())
        }
        (false, false) => line(table(&keys, now, Paint::for_stream(&io::stdout())).join("\n")),
    }
}

async fn revoke(args: RevokeArgs) -> anyhow::Result<()> {
    let store = database::open(*args.database, "oasis keys").await?;
    let Some(key) = store.revoke_api_key(&args.id).await? else {
        bail!("there is no key with the id {}: `oasis keys list` shows the ids", args.id);
    };
    line(format_args!("the key {} of {} is revoked", key.id, printable(&key.user_id)))
}

/// Whether the key is valid, and if not, why.
fn state(key: &ApiKey, now: Timestamp) -> &'static str {
    match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end.instant() <= now => "expired",
        (None, Some(_) | None) => "valid",
    }
}

fn as_json(key: &ApiKey, now: Timestamp) -> Value {
    json!({
        "id": key.id,
        "user": key.user_id,
        "name": key.name,
        "hint": key.hint,
        "state": state(key, now),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    })
}

fn table(keys: &[ApiKey], now: Timestamp, paint: Paint) -> Vec<String> {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { printable(&text) };
    let day = |ts: Ts| ts.to_string().chars().take(10).collect::<String>();
    let rows = keys.iter().map(|key| {
        [
            key.id.clone(),
            or_dash(key.user_id.clone()),
            format!("…{}", key.hint),
            or_dash(key.name.clone()),
            day(key.created_at),
            or_dash(key.expires_at.map(day).unwrap_or_default()),
            state(key, now).to_owned(),
        ]
    });
    let rows: Vec<_> = std::iter::once(HEADERS.map(str::to_owned)).chain(rows).collect();
    let mut lines: Vec<String> = columns::padded(&rows).iter().map(|row| columns::joined(row)).collect();
    lines[0] = paint.dim(&lines[0]);
    lines
}

/// Parses the id of a user or of a token, or a name: 1 to 256 bytes, without control characters and invisible
/// characters. Gateways have the same rule for the claims `sub` and `jti`.
///
/// # Errors
/// The text breaks this rule.
pub(crate) fn parse_id(text: &str) -> Result<String, String> {
    if is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 256 bytes without control characters and invisible characters".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, expires_at: Option<&str>, revoked_at: Option<&str>) -> ApiKey {
        let ts = |text: &str| text.parse().unwrap();
        ApiKey {
            id: id.into(),
            user_id: "ann".into(),
            name: String::new(),
            hint: "wxyz".into(),
            hash: [0; 32],
            created_at: ts("2026-01-02T03:04:05Z"),
            expires_at: expires_at.map(ts),
            revoked_at: revoked_at.map(ts),
        }
    }

    #[test]
    fn a_key_is_listed_with_its_state() {
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let keys = [
            key("k1", None, None),
            key("k2", Some("2026-06-01T00:00:00Z"), None),
            key("k3", Some("2027-01-01T00:00:00Z"), Some("2026-03-01T00:00:00Z")),
        ];
        let lines = table(&keys, now, Paint::NONE);
        assert_eq!(
            lines,
            [
                "ID  USER  KEY    NAME  CREATED     EXPIRES     STATE",
                "k1  ann   …wxyz  -     2026-01-02  -           valid",
                "k2  ann   …wxyz  -     2026-01-02  2026-06-01  expired",
                "k3  ann   …wxyz  -     2026-01-02  2027-01-01  revoked",
            ]
        );
        assert_eq!(as_json(&keys[0], now)["expires_at"], Value::Null);
        assert_eq!(as_json(&keys[1], now)["state"], "expired");
    }

    #[test]
    fn an_id_has_at_most_256_plain_bytes() {
        assert!(parse_id("auth0|alice").is_ok() && parse_id(&"x".repeat(256)).is_ok());
        for bad in ["", "a\nb", "a\u{202e}b", &"x".repeat(257)] {
            assert!(parse_id(bad).is_err(), "{bad:?}");
        }
    }
}
