//! What `oasis up` says once everything is up: where it is, and what to type next.

use super::args::Args;
use super::host::reachable;
use crate::output::line;

/// Prints it; with `reading_is_guarded` a token is needed to read, which is never shown.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn show(args: &Args, secret: &str, reading_is_guarded: bool) -> anyhow::Result<()> {
    let host = reachable(&args.host);
    let (port, next, last) = (args.port, args.port + 1, args.port + 2);
    // Otherwise what is printed here would be answered 401 as it stands.
    let (query, header, needed, with) = if reading_is_guarded {
        (
            "?token=TOKEN",
            "-H 'Authorization: Bearer TOKEN' ",
            "   (TOKEN is one of READ_TOKENS)",
            ", with one of READ_TOKENS for TOKEN",
        )
    } else {
        ("", "", "", "")
    };
    line(format_args!("OASIS DevHub is up. Ctrl-C stops it; the data stays in {}.", args.data.display()))?;
    line("")?;
    line(format_args!("  page       http://{host}:{port}/{query}{needed}"))?;
    line(format_args!("  feed       http://{host}:{port}/api/v1/devhub/feed{query}"))?;
    line(format_args!("  query API  http://{host}:{port}/api/v1/oasis/events{query}"))?;
    line(format_args!("  ingest     http://{host}:{port}/events/ingest      (no token needed here)"))?;
    line(format_args!("  webhooks   http://{host}:{next}/webhooks/github   (secret {secret})"))?;
    let watched = if args.demo { Some("a made-up project") } else { args.gcp_project.as_deref() };
    if let Some(watched) = watched {
        line(format_args!("  deploys    http://{host}:{last}/poll              (of {watched})"))?;
    }
    if args.database_url.is_none() {
        let file = args.data.join("database-url");
        line(format_args!("  database   psql \"$(cat {})\"", quoted(&file.to_string_lossy())))?;
    }
    line("")?;
    line(format_args!("Watch it{with}:"))?;
    line(format_args!("  curl -N {header}http://{host}:{port}/api/v1/devhub/feed"))?;
    line("Send an event:")?;
    line(format_args!(
        "  curl http://{host}:{port}/events/ingest -H 'Content-Type: application/json' \\\n       \
         -d '{{\"vtid\":\"DEV-CICDL-0031\",\"source\":\"oasis.events\",\
         \"kind\":\"task.init\",\"status\":\"info\"}}'"
    ))?;
    Ok(())
}

/// `text` as one word of a shell's command line.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_for_the_shell() {
        for (text, expected) in [
            (".oasis/database-url", ".oasis/database-url"),
            ("/home/zoë/a b/x", "'/home/zoë/a b/x'"),
            ("$HOME/`x`", "'$HOME/`x`'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
