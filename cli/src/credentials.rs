//! The credentials of the running `oasis up`. The commands of rooms and of resource events use them if the
//! user gives no token. No other gateway gets them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_identity::{KeySource, Keys, NewToken, Rules, Secrets};
use oasis_service::Secret;
use rustix::process::geteuid;
use serde_json::Map;

use crate::address::{Address, GatewayUrl};
use crate::output::Usage;
use crate::random;
use crate::running::is_private;

/// How long a token of [`ReadToken::Minted`] is valid. Each request gets a new token, but a stream must read
/// with one token for as long as it lasts.
const VALID_FOR: Duration = Duration::from_secs(3_600);

/// The flags for a gateway and for the token with which a command writes to rooms.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct RoomService {
    #[command(flatten)]
    url: GatewayUrl,
    /// Token for writing: one of the server's INGEST_TOKENS, or the token of the room's owner; by default,
    /// the service token of the running `oasis up`
    #[arg(long, env = "INGEST_TOKEN", hide_env_values = true)]
    token: Option<Secret>,
}

impl RoomService {
    /// Finds the address and the token.
    ///
    /// # Errors
    /// The current folder is unknown, or the service token of the running `oasis up` cannot be used.
    pub(crate) async fn find(&self) -> anyhow::Result<(Address, Option<Secret>)> {
        service_token(&self.url, self.token.clone()).await
    }
}

/// Finds the address of a gateway, and the token for a service there. Without `token`, it is the service
/// token of the running `oasis up`, if that is the gateway.
///
/// # Errors
/// The current folder is unknown, or the service token of the running `oasis up` cannot be used.
pub(crate) async fn service_token(
    url: &GatewayUrl,
    token: Option<Secret>,
) -> anyhow::Result<(Address, Option<Secret>)> {
    if token.is_some() {
        return Ok((url.find().await?, token));
    }
    let (address, up) = url.find_with_up().await?;
    let file = up.and_then(|up| up.service_token);
    let token = file.map(|file| read_private(&file, "INGEST_TOKEN")).transpose()?;
    Ok((address, token.map(Secret::from)))
}

/// The token with which a command reads.
#[derive(Debug, Clone)]
pub(crate) enum ReadToken {
    /// The token that the user gave, if any.
    Given(Option<Secret>),
    /// Each request gets a new token.
    Minted {
        /// The user of the token.
        user: String,
        /// The file with the secrets of the running `oasis up`.
        file: PathBuf,
    },
}

impl ReadToken {
    /// Finds the address of a gateway, and the token with which `user` reads rooms there. Without `user`, the
    /// user who runs this command reads.
    ///
    /// # Errors
    /// The current folder is unknown. With `user`, it is also an error if the gateway is not the running
    /// `oasis up`, or has other secrets than its own.
    pub(crate) async fn of_user(url: &GatewayUrl, user: Option<&str>) -> anyhow::Result<(Address, Self)> {
        let (address, up) = url.find_with_up().await?;
        let file = up.and_then(|up| up.jwt_secret);
        let token = match (file, user) {
            (Some(file), user) => Self::Minted { user: user.map_or_else(login_name, str::to_owned), file },
            (None, None) => Self::Given(None),
            (None, Some(_)) => {
                let why = format!(
                    "--as needs the secret of the running `oasis up`, but this secret is not known for {}: \
                     set READ_TOKEN",
                    address.base
                );
                return Err(Usage(why).into());
            }
        };
        Ok((address, token))
    }

    /// The token of the next request.
    ///
    /// # Errors
    /// The secret cannot be used.
    pub(crate) fn next(&self) -> anyhow::Result<Option<Secret>> {
        match self {
            Self::Given(token) => Ok(token.clone()),
            Self::Minted { user, file } => {
                let minted = mint(user, file);
                minted.with_context(|| format!("cannot make a token for the user {user}")).map(Some)
            }
        }
    }

    /// Whether a request after the end of the last token gets another token.
    pub(crate) fn is_renewed(&self) -> bool {
        match self {
            Self::Given(_) => false,
            Self::Minted { .. } => true,
        }
    }
}

fn mint(user: &str, file: &Path) -> anyhow::Result<Secret> {
    let now = Ts::clamped(Timestamp::now());
    let exp = Ts::new(now.instant().checked_add(VALID_FOR)?)?;
    let secrets = parse_secrets(&read_private(file, "READ_TOKEN")?, file)?;
    let sub = user.to_owned();
    let token = NewToken { sub, jti: random::guid(), now, exp, is_admin: false, claims: Map::new() };
    Ok(Keys::new(&[KeySource::Secrets(secrets)], Rules::default())?.mint(&token)?.into())
}

/// Parses the secrets of a file.
///
/// # Errors
/// A secret cannot be used.
pub(crate) fn parse_secrets(text: &str, file: &Path) -> anyhow::Result<Secrets> {
    text.trim().parse().with_context(|| format!("bad secret in {}", file.display()))
}

/// Reads a file of `oasis up`. `oasis up` keeps such a file private, so any other file is not its file.
/// `variable` sets a token that makes the file unnecessary.
fn read_private(file: &Path, variable: &str) -> anyhow::Result<String> {
    anyhow::ensure!(
        is_private(file),
        "{} is missing, is a link, belongs to another user or can be read by others: restart `oasis up` to \
         replace it, or set {variable}",
        file.display()
    );
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// The name of the user who runs this command.
fn login_name() -> String {
    let names = ["USER", "LOGNAME"].into_iter().filter_map(|name| env::var(name).ok());
    let mut names = names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    names.next().unwrap_or_else(|| format!("uid-{}", geteuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn each_minted_token_is_valid_for_an_hour_and_only_a_private_file_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwt-secret");
        let secret = "only-for-tests-only-for-tests-only-for-tests";
        fs::write(&file, format!("{secret}\n")).unwrap();
        let token = ReadToken::Minted { user: "ann".into(), file: file.clone() };
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = format!("{:#}", token.next().unwrap_err());
        assert!(error.contains("can be read by others") && !error.contains(secret), "{error}");

        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let keys = Keys::new(&[KeySource::Secrets(secret.parse().unwrap())], Rules::default()).unwrap();
        let now = Timestamp::now();
        let valid = |token: &Secret, after: i64| {
            let then = Ts::new(now + jiff::SignedDuration::from_secs(after)).unwrap();
            keys.verify(token.expose(), then).is_ok()
        };
        let (one, other) = (token.next().unwrap().unwrap(), token.next().unwrap().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert!(valid(&one, 3_590) && !valid(&one, 3_800));
        assert!(token.is_renewed() && !ReadToken::Given(None).is_renewed());
    }
}
