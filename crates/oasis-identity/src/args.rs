//! [`IdentityArgs`]: the flags that decide which tokens and sessions are valid.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use oasis_service::auth;

use crate::claims::Rules;
use crate::jwks::JwksUrl;
use crate::keys::{BadKeys, KeySource, Keys};
use crate::secrets::Secrets;
use crate::sessions::{CookieName, Sessions};

/// The flags that decide which JSON Web Tokens are valid. A service adds them to its own flags.
#[derive(Args, Debug, Clone)]
pub struct IdentityArgs {
    /// Comma-separated secrets that verify JSON Web Tokens of users (HS256); each needs at least 32 bytes.
    /// `oasis token mint` signs with the first secret
    #[arg(
        long,
        env = "JWT_SECRET",
        hide_env_values = true,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    pub jwt_secret: Secrets,

    /// Comma-separated PEM files, each with one public key that verifies JSON Web Tokens of users (RS256,
    /// ES256, EdDSA)
    #[arg(
        long,
        env = "JWT_PUBLIC_KEYS",
        value_name = "FILES",
        default_value = "",
        hide_default_value = true
    )]
    pub jwt_public_keys: List,

    /// Address of the JWK set of an issuer, such as `https://issuer.example/.well-known/jwks.json`; the
    /// public keys in the set verify JSON Web Tokens of users (RS256, ES256, EdDSA). Needs --jwt-issuer and
    /// --jwt-audience
    #[arg(long, env = "JWKS_URL", value_name = "URL")]
    pub jwks_url: Option<JwksUrl>,

    /// Comma-separated issuers; the `iss` of a JSON Web Token must be one of them. Without this setting,
    /// `iss` is not checked
    #[arg(
        long,
        env = "JWT_ISSUER",
        hide_env_values = true,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    pub jwt_issuer: List,

    /// Comma-separated audiences; the `aud` of a JSON Web Token must contain one of them. Without this
    /// setting, `aud` is not checked
    #[arg(
        long,
        env = "JWT_AUDIENCE",
        hide_env_values = true,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    pub jwt_audience: List,

    /// Comma-separated secrets of Auth.js (next-auth 5), which open the session cookies of its users; each
    /// needs at least 32 bytes. If this is not set, AUTH_SECRET is used
    #[arg(
        long,
        env = "AUTHJS_SECRET",
        hide_env_values = true,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    pub authjs_secret: Secrets,

    /// The name that Auth.js itself uses for the secrets.
    #[arg(long, env = "AUTH_SECRET", hide = true, hide_env_values = true, default_value = "")]
    pub auth_secret: Secrets,

    /// Name of the session cookie, if Auth.js is configured with another name than
    /// __Secure-authjs.session-token or authjs.session-token
    #[arg(long, env = "AUTHJS_COOKIE", value_name = "NAME")]
    pub authjs_cookie: Option<CookieName>,
}

impl IdentityArgs {
    /// Reads the key files, and makes the keys. With JWKS_URL, this function needs a tokio runtime, and
    /// starts a task that reads the set. It is not an error if the task cannot read the set.
    ///
    /// # Errors
    /// See [`BadKeys`].
    pub fn keys(&self) -> Result<Keys, BadKeys> {
        let files = self.jwt_public_keys.0.iter().map(PathBuf::from).collect();
        let mut sources = vec![KeySource::Secrets(self.jwt_secret.clone()), KeySource::Files(files)];
        sources.extend(self.jwks_url.clone().map(KeySource::Jwks));
        let rules = Rules { issuers: self.jwt_issuer.0.clone(), audiences: self.jwt_audience.0.clone() };
        Keys::new(&sources, rules)
    }

    /// The keys that open sessions of Auth.js.
    pub fn sessions(&self) -> Sessions {
        let secrets = if self.authjs_secret.is_empty() { &self.auth_secret } else { &self.authjs_secret };
        Sessions::new(secrets, self.authjs_cookie.as_ref())
    }
}

/// The items of a comma-separated list, without empty items and without white space around the items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(Vec<String>);

/// The list is not empty, but has no items, such as `,` or a blank. Such a list would turn a check off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list has no item: give it one, or leave it empty")]
pub struct NoItems;

impl FromStr for List {
    type Err = NoItems;

    fn from_str(list: &str) -> Result<Self, NoItems> {
        let items: Vec<String> = auth::items(list).map(str::to_owned).collect();
        if items.is_empty() && !list.is_empty() { Err(NoItems) } else { Ok(Self(items)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_empty_items_is_refused() {
        assert_eq!(" a ,,b".parse(), Ok(List(vec!["a".into(), "b".into()])));
        assert_eq!("".parse(), Ok(List::default()));
        for blank in [" ", ",", " , "] {
            assert_eq!(blank.parse::<List>(), Err(NoItems), "{blank:?}");
        }
    }
}
