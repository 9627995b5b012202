//! The settings of the database connections. A URL means the same as for libpq, except for some rules of TLS,
//! which docs/database.md lists. The environment variables of libpq, such as `PGHOST`, and its files in the
//! home directory have no effect. `config/parameter.rs` lists all parameters.

mod error;
mod parameter;
mod parts;
mod password_file;
mod servers;
mod settings;
mod shares;

use std::str::FromStr;

use tokio_postgres::Client;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::StoreError;
use crate::schema::Schema;
use crate::tls::{self, TlsSettings};
pub use error::UrlError;
use parts::Parts;
pub(crate) use servers::{ServerConnection, Servers};

/// The settings of the database connections.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    /// PostgreSQL URL, with the parameters that psql accepts; the variable is safer, because other users can
    /// see flags in `ps`
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

/// An optional URL. An empty string counts as no URL, because Docker Compose passes unset variables as empty
/// strings.
#[derive(Debug, Clone)]
pub struct Optional(Option<DatabaseUrl>);

fn optional(text: &str) -> Result<Optional, UrlError> {
    if text.is_empty() { Ok(Optional(None)) } else { text.parse().map(|url| Optional(Some(url))) }
}

/// A parsed Postgres URL. It may contain a password, so its text is never printed.
#[derive(Clone)]
pub struct DatabaseUrl {
    servers: Servers,
    tls: TlsSettings,
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let parts = Parts::parse(text.trim())?;
        let (mode, tls) = settings::tls(&parts)?;
        let servers = Servers::new(&parts, &settings::base(&parts)?, mode)?;
        Ok(Self { servers, tls })
    }
}

impl DatabaseUrl {
    /// The servers and the database, such as `localhost:5432/oasis`, without any secret.
    pub fn place(&self) -> String {
        self.servers.place()
    }

    /// Connects for a command of a user. The application name is `name`, unless the URL sets another name.
    /// The error names the servers, which a service must not show to its clients.
    pub(crate) async fn connect(&self, name: &str) -> Result<(Client, ServerConnection), StoreError> {
        let connected = self.named(name).connect(self.tls()?).await;
        connected.map_err(|error| StoreError::Connect(format!("{}: {}", self.place(), tls::explain(&error))))
    }

    /// The servers of the URL. The application name is `name`, unless the URL sets another name.
    pub(crate) fn named(&self, name: &str) -> Servers {
        self.servers.clone().named(name)
    }

    pub(crate) fn tls(&self) -> Result<MakeRustlsConnect, tls::Error> {
        tls::connector(&self.tls)
    }
}

#[cfg(test)]
mod tests;
