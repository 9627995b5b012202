//! [`UrlError`]: the reasons why a database URL can't be used.

/// The reason why a database URL can't be used. The text never contains a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The text is not a Postgres URL.
    #[error("expected a URL such as postgres://user:password@host:5432/database?sslmode=verify-full")]
    NotPostgres,
    /// A part of the URL is malformed. The part may belong to a password, so the text does not show it.
    #[error(
        "{0}. If the password contains `/`, `?`, `@`, `:` or `%`, write %2F, %3F, %40, %3A or %25 instead"
    )]
    Malformed(&'static str),
    /// The value of a parameter is not accepted.
    #[error("{name}: {why}")]
    Parameter {
        /// The name of the parameter.
        name: &'static str,
        /// What is wrong with the value, and what to do.
        why: String,
    },
    /// Neither libpq nor another known client has a parameter of this name.
    #[error("the URL has the parameter `{0}`, which Postgres does not know: remove it")]
    Unknown(String),
}

impl UrlError {
    pub(super) fn parameter(name: &'static str, why: impl Into<String>) -> Self {
        Self::Parameter { name, why: why.into() }
    }
}
