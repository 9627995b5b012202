//! Prints the text that `oasis up` shows when everything is up: addresses, and commands to paste.

use std::path::Path;

use super::args::Args;
use super::files::{DATABASE_URL_FILE, SECRET_FILE};
use super::host::reachable;
use crate::output::line;
use crate::running::{FOLDER, JWT_SECRET_FILE, SERVICE_TOKEN_FILE};

/// Prints the text. If `reading_is_guarded` is set, the addresses contain a placeholder for the token. The
/// token itself is never shown.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn show(args: &Args, secret: &str, reading_is_guarded: bool) -> anyhow::Result<()> {
    let host = reachable(&args.host);
    let (port, next, last) = (args.port, args.port + 1, args.port + 2);
    // Without the placeholder, a client that uses the printed addresses would get the status 401.
    let (query, header, page_note, curl_note) = if reading_is_guarded {
        (
            "?token=TOKEN",
            "-H 'Authorization: Bearer TOKEN' ",
            "   (TOKEN is one of READ_TOKENS)",
            " (TOKEN is one of READ_TOKENS)",
        )
    } else {
        ("", "", "", "")
    };
    let data = match &args.database_url {
        Some(_) => "your database".to_owned(),
        None => args.data.display().to_string(),
    };
    line(format_args!("OASIS DevHub is up. Ctrl-C stops it; the data stays in {data}."))?;
    line("")?;
    line(format_args!("  page       http://{host}:{port}/{query}{page_note}"))?;
    line(format_args!("  feed       http://{host}:{port}/api/v1/devhub/feed{query}"))?;
    line(format_args!("  query API  http://{host}:{port}/api/v1/oasis/events{query}"))?;
    line(format_args!("  ingest     http://{host}:{port}/events/ingest      (no token needed here)"))?;
    // A secret from a flag or a variable is not printed, because the output may be kept in a log.
    let secret = if args.github_webhook_secret.is_some() { "as given" } else { secret };
    line(format_args!("  webhooks   http://{host}:{next}/webhooks/github   (secret {secret})"))?;
    let watched = if args.demo { Some("a made-up project") } else { args.gcp_project.as_deref() };
    if let Some(watched) = watched {
        line(format_args!("  deploys    http://{host}:{last}/poll              (of {watched})"))?;
    }
    match &args.database_url {
        Some(url) => {
            line(format_args!("  database   {} (from DATABASE_URL), schema {}", url.place(), args.schema))?
        }
        None => {
            let file = args.data.join(DATABASE_URL_FILE);
            line(format_args!("  database   psql \"$(cat {})\"", quoted(&file.to_string_lossy())))?;
        }
    }
    let service_token = args.data.join(SERVICE_TOKEN_FILE);
    line(format_args!(
        "  rooms      {}oasis emit-log build-1 hello --create   (token in {})",
        room_settings_of(args, &service_token),
        service_token.display()
    ))?;
    line(format_args!("  tokens     {}oasis token mint --sub alice --for 1h", jwt_secret_of(args)))?;
    line("")?;
    line(format_args!("Follow the feed{curl_note}:"))?;
    line(format_args!("  curl -N {header}http://{host}:{port}/api/v1/devhub/feed"))?;
    line("Send an event:")?;
    line(format_args!(
        "  curl http://{host}:{port}/events/ingest -H 'Content-Type: application/json' \\\n       \
         -d '{{\"vtid\":\"DEV-CICDL-0031\",\"source\":\"oasis.events\",\
         \"kind\":\"task.init\",\"status\":\"info\"}}'"
    ))?;
    line("Connect a repository (docs/github.md has two more ways):")?;
    line("  gh webhook forward --repo=OWNER/REPO --events='*' \\")?;
    line(format_args!("       --url=http://{host}:{next}/webhooks/github --secret=\"{}\"", secret_of(args)))?;
    Ok(())
}

/// The text with which a shell gets the webhook secret.
fn secret_of(args: &Args) -> String {
    match args.github_webhook_secret {
        Some(_) => "$GITHUB_WEBHOOK_SECRET".to_owned(),
        None => format!("$(cat {})", quoted(&args.data.join(SECRET_FILE).to_string_lossy())),
    }
}

/// The variable with which a shell passes the secret of tokens, if the command does not find the secret.
fn jwt_secret_of(args: &Args) -> String {
    if args.own_jwt_secret().is_some() || args.data == Path::new(FOLDER) {
        return String::new();
    }
    let file = args.data.join(JWT_SECRET_FILE);
    format!("JWT_SECRET=\"$(cat {})\" ", quoted(&file.to_string_lossy()))
}

/// The variables with which a shell passes the address and the service token, if the command does not find
/// them.
fn room_settings_of(args: &Args, service_token: &Path) -> String {
    if args.data == Path::new(FOLDER) {
        return String::new();
    }
    let token = quoted(&service_token.to_string_lossy());
    format!("OASIS_URL={}:{} INGEST_TOKEN=\"$(cat {token})\" ", reachable(&args.host), args.port)
}

/// Quotes `text` as one word for a shell.
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
    fn a_path_is_quoted_as_one_word_for_the_shell() {
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
