//! `oasis check`: checks a database as `/ready` of a gateway does, and rebuilds the states of rooms and
//! casts.

use std::process::ExitCode;

use oasis_core::cast::CASTS;
use oasis_store::{DatabaseArgs, Need, Store};

use crate::database;
use crate::output::{line, notice};

const EXAMPLES: &str = "\
Examples:
  DATABASE_URL=\"$(cat .oasis/database-url)\" oasis check
  DATABASE_URL=\"$(cat .oasis/database-url)\" oasis check --rebuild

The exit code is 1 if there is a problem. --rebuild computes the state of each
room and cast from its rows, for example after a restore. It deletes nothing,
and no user gets more access. If the state and the rows of a room disagree,
only users who have access according to both can read or change the room. If
those of a cast disagree about its owner, no user can read the cast.";

/// Flags of `oasis check`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Compute the states of all rooms and casts from their rows
    #[arg(long)]
    rebuild: bool,
}

/// Checks the database. With `--rebuild`, first rebuilds the states of rooms and casts. The exit code is 1
/// if there is a problem.
///
/// # Errors
/// The states cannot be rebuilt, or standard output cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let store = if args.rebuild {
        let store = database::open(args.database, "oasis check").await?;
        rebuild(&store).await?;
        store
    } else {
        Store::new(args.database, "oasis check")?
    };
    let reasons = store.check(Need::ReadWrite).await;
    for reason in &reasons {
        line(reason)?;
    }
    if reasons.is_empty() {
        line("the database is ready")?;
    }
    Ok(ExitCode::from(u8::from(!reasons.is_empty())))
}

async fn rebuild(store: &Store) -> anyhow::Result<()> {
    let rebuilt = store.rebuild_channels().await?;
    line(format_args!(
        "read the rows of {} rooms and casts: added the states of {}, and corrected {}",
        rebuilt.channels,
        rebuilt.added.len(),
        rebuilt.corrected.len()
    ))?;
    for channel in &rebuilt.narrowed {
        let id = channel.id().unwrap_or_default();
        if channel.family() == CASTS {
            notice(format_args!(
                "the state and the rows of cast {id} disagree about its owner, so no user can read it"
            ));
        } else {
            notice(format_args!(
                "the state and the rows of room {id} disagree, so access to it is limited: set its owner \
                 and its readers again"
            ));
        }
    }
    Ok(())
}
