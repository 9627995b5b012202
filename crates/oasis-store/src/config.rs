//! The settings of the database connections. `sslmode` and `sslrootcert` work as in libpq, with one
//! exception: without `sslrootcert`, `verify-ca` and `verify-full` trust the system's certificates.

use std::borrow::Cow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use oasis_core::chain;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::{Url, form_urlencoded};

use crate::schema::Schema;
use crate::tls::{self, Verify};

/// The settings of the database connections.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    /// Postgres URL; sslmode and sslrootcert work as in libpq
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: DatabaseUrl,
    /// Postgres URL for a direct connection that uses LISTEN; needed if DATABASE_URL points to a transaction
    /// pooler
    #[arg(long, env = "LISTEN_DATABASE_URL", hide_env_values = true, value_name = "URL",
          value_parser = optional)]
    pub listen_database_url: Option<Optional>,
    /// Maximum number of database connections for reads. Appending events and following new events need one
    /// more connection each
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value_t = 8, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=500))]
    pub database_pool_size: u16,
    /// Schema of the tables, if an application has its own table oasis_events in the schema public
    #[arg(long = "oasis-schema", env = "OASIS_SCHEMA", default_value_t, value_name = "NAME")]
    pub schema: Schema,
}

impl DatabaseArgs {
    /// Makes the settings for one URL, with the default values of all other settings.
    pub fn new(database_url: DatabaseUrl) -> Self {
        let schema = Schema::default();
        Self { database_url, listen_database_url: None, database_pool_size: 8, schema }
    }

    /// Whether LISTEN uses a separate URL.
    pub(crate) fn has_listen_url(&self) -> bool {
        self.listen_database_url.as_ref().is_some_and(|url| url.0.is_some())
    }

    /// The URL of the connection that uses LISTEN.
    pub fn listen_url(&self) -> &DatabaseUrl {
        self.listen_database_url.as_ref().and_then(|url| url.0.as_ref()).unwrap_or(&self.database_url)
    }
}

/// An optional URL. An empty text counts as no URL, because Docker Compose passes unset variables as empty
/// texts.
#[derive(Debug, Clone)]
pub struct Optional(Option<DatabaseUrl>);

fn optional(text: &str) -> Result<Optional, UrlError> {
    if text.is_empty() { Ok(Optional(None)) } else { text.parse().map(|url| Optional(Some(url))) }
}

/// A parsed Postgres URL. It may contain a password, so its text is never printed.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(crate) config: tokio_postgres::Config,
    verify: Verify,
    roots: Option<PathBuf>,
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The reason why a database URL can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The text is not a Postgres URL.
    #[error("expected a URL such as postgres://user:password@host:5432/database?sslmode=verify-full")]
    NotPostgres,
    /// An option is unknown, or the value of an option is not accepted.
    #[error("{0}")]
    Option(String),
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let mut url = Url::parse(&host_in_authority(text.trim())).map_err(|_| UrlError::NotPostgres)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(UrlError::NotPostgres);
        }
        let (mut sslmode, mut roots) = (None, None);
        let mut rest: Vec<(String, String)> = Vec::new();
        for (key, value) in url.query_pairs().into_owned() {
            match key.as_str() {
                "sslmode" => sslmode = Some(value),
                "sslrootcert" => roots = Some(PathBuf::from(value)),
                // Other clients use these options, and may share the URL with this program.
                "pgbouncer" | "connection_limit" | "pool_timeout" | "schema" => {}
                _ => rest.push((key, value)),
            }
        }
        if rest.iter().any(|(key, _)| !key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')) {
            // The name of the option may be part of a password, so the error does not contain the name.
            return Err(UrlError::Option(
                "the URL has an option that Postgres does not know. If the password contains `?`, `#` or \
                 `/`, write %3F, %23 or %2F instead"
                    .into(),
            ));
        }
        url.set_query(None);
        if !rest.is_empty() {
            url.query_pairs_mut().extend_pairs(&rest);
        }
        let system = roots.as_deref().is_some_and(|path| path.as_os_str() == "system");
        let (mode, verify) = match sslmode.as_deref() {
            Some("disable") => (SslMode::Disable, Verify::Nothing),
            None | Some("allow" | "prefer") => (SslMode::Prefer, Verify::Nothing),
            // With a root certificate, libpq's `require` verifies the server's certificate.
            Some("require") if roots.is_none() => (SslMode::Require, Verify::Nothing),
            Some("require" | "verify-ca") if !system => (SslMode::Require, Verify::Authority),
            Some("verify-full") => (SslMode::Require, Verify::AuthorityAndName),
            Some("require" | "verify-ca") => {
                return Err(UrlError::Option("sslrootcert=system needs sslmode=verify-full".into()));
            }
            Some(other) => {
                return Err(UrlError::Option(format!(
                    "sslmode={other} is unknown: \
                     expected disable, allow, prefer, require, verify-ca or verify-full"
                )));
            }
        };
        let mut config = tokio_postgres::Config::from_str(url.as_str())
            .map_err(|error| UrlError::Option(chain(&error)))?;
        let sockets = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        // As in libpq, a connection through a socket never uses TLS, even if `sslmode` requires TLS.
        config.ssl_mode(if sockets { SslMode::Disable } else { mode });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        // A connection that is lost silently, for example because a NAT entry timed out, must not delay
        // appends or the tail for long.
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(20));
        Ok(Self { config, verify, roots: roots.filter(|_| !system) })
    }
}

/// Moves the host from the query of a URL into the authority. `postgres://user@/database?host=/path` is the
/// usual way to name a socket, but the URL parser requires the host in the authority.
fn host_in_authority(text: &str) -> Cow<'_, str> {
    let named = text.split_once("://").and_then(|(scheme, rest)| {
        let (authority, path) = rest.split_once('/')?;
        let (path, query) = path.split_once('?')?;
        let (hosts, others): (Vec<_>, Vec<_>) =
            form_urlencoded::parse(query.as_bytes()).partition(|(key, _)| key == "host");
        let [(_, host)] = &hosts[..] else { return None };
        let bare = authority.is_empty() || authority.ends_with('@');
        let host: String = form_urlencoded::byte_serialize(host.as_bytes()).collect();
        let others = form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish();
        bare.then(|| format!("{scheme}://{authority}{host}/{path}?{others}"))
    });
    named.map_or(Cow::Borrowed(text), Cow::Owned)
}

impl DatabaseUrl {
    /// The settings of the driver. The application name is `name`, unless the URL sets another name.
    pub(crate) fn named(&self, name: &str) -> tokio_postgres::Config {
        let mut config = self.config.clone();
        if config.get_application_name().is_none() {
            config.application_name(name);
        }
        config
    }

    pub(crate) fn tls(&self) -> Result<MakeRustlsConnect, tls::Error> {
        tls::connector(self.verify, self.roots.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_in_the_host_or_in_a_parameter_is_used_without_tls() {
        for url in [
            "postgres://u:p%40@%2Fcloudsql%2Facme%3Aeu%3Adb/d?sslmode=require",
            "postgres://u:p%40@/d?host=/cloudsql/acme:eu:db&sslmode=prefer",
            "postgres:///d?sslmode=prefer&host=%2Fcloudsql%2Facme%3Aeu%3Adb&user=u&password=p%40",
        ] {
            let config = url.parse::<DatabaseUrl>().unwrap().config;
            assert_eq!(config.get_hosts(), [Host::Unix("/cloudsql/acme:eu:db".into())], "{url}");
            assert_eq!((config.get_dbname(), config.get_user()), (Some("d"), Some("u")), "{url}");
            assert_eq!(config.get_password(), Some(&b"p@"[..]), "{url}");
            assert_eq!(config.get_ssl_mode(), SslMode::Disable, "{url}");
        }
    }

    #[test]
    fn sslmode_works_as_in_libpq_and_errors_show_no_password() {
        let parse = |query: &str| format!("postgres://u:secret@h/d{query}").parse::<DatabaseUrl>();
        for (query, mode, verify) in [
            ("", SslMode::Prefer, Verify::Nothing),
            ("?sslmode=disable", SslMode::Disable, Verify::Nothing),
            ("?sslmode=require", SslMode::Require, Verify::Nothing),
            ("?sslmode=require&sslrootcert=/ca.pem", SslMode::Require, Verify::Authority),
            ("?sslmode=verify-ca&sslrootcert=/ca.pem", SslMode::Require, Verify::Authority),
            ("?sslmode=verify-full&sslrootcert=system", SslMode::Require, Verify::AuthorityAndName),
            ("?pgbouncer=true&application_name=x", SslMode::Prefer, Verify::Nothing),
        ] {
            let url = parse(query).unwrap();
            assert_eq!((url.config.get_ssl_mode(), url.verify), (mode, verify), "{query}");
            assert!(!format!("{url:?}").contains("secret"));
        }
        for bad in ["?sslmode=maybe", "?sslmode=require&sslrootcert=system", "?nonsense=1"] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        for bad in
            ["postgres://app:12?secret@db/app", "postgres://app:?secret@db/app", "postgres://u:p#secret@h/d"]
        {
            let error = bad.parse::<DatabaseUrl>().map_or_else(|error| error.to_string(), |_| String::new());
            assert!(!error.contains("secret"), "{error}");
        }
        for bad in ["", "h:5432", "mysql://h/d"] {
            assert!(bad.parse::<DatabaseUrl>().is_err(), "{bad}");
        }
    }
}
