//! `oasis token revoke`: makes all gateways refuse a token, or all keys and tokens of a user.

use std::process::ExitCode;

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_store::{DatabaseArgs, Revocation};

use crate::database;
use crate::keys::parse_id;
use crate::output::{Usage, line};

const EXAMPLES: &str = "\
Examples:
  export DATABASE_URL=\"$(cat .oasis/database-url)\"
  oasis token revoke --sub alice
  oasis token revoke --jti 0f8e… --until 2027-01-01T00:00:00Z

Running gateways end the streams of these tokens within a second, or within 3 s
if they poll. --sub also revokes the API keys of the user. Keys and tokens that
the user gets later are valid.";

/// Flags of `oasis token revoke`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    database: Box<DatabaseArgs>,
    #[command(flatten)]
    what: What,
    /// Time at which the revoked tokens have expired (RFC 3339); without this flag, the revocation never ends
    #[arg(long, value_name = "TIME")]
    until: Option<Ts>,
}

/// What to revoke.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// Revoke all keys and tokens that this user has now
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    sub: Option<String>,
    /// Revoke the token with this id (its claim `jti`)
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    jti: Option<String>,
}

/// Appends the revocation.
///
/// # Errors
/// `--until` is in the past, the database cannot be reached or refuses the row, or standard output cannot be
/// written.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let until = args.until;
    if until.is_some_and(|until| until.instant() < Timestamp::now()) {
        return Err(Usage(
            "--until is in the past, so the revocation would have no effect: pass the time at which the \
             revoked tokens have expired, or leave it out"
                .into(),
        )
        .into());
    }
    let store = database::open(*args.database, "oasis token").await?;
    if let Some(jti) = args.what.jti {
        store.revoke(&Revocation::Token { jti: jti.clone(), until }).await?;
        line(format_args!("the token {jti} is revoked"))?;
    }
    if let Some(sub) = args.what.sub {
        // The clock of this machine may be behind the clock with which the keys were made.
        let before = Ts::clamped(store.server_facts().await?.clock);
        let keys = store.revoke(&Revocation::User { sub: sub.clone(), before, until }).await?;
        line(format_args!("all tokens of {sub} from before {before} are revoked, and {keys} API keys"))?;
    }
    Ok(ExitCode::SUCCESS)
}
