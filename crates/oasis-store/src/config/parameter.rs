//! The parameters of a database URL: each parameter that libpq has, and what this program does with it.

use super::error::UrlError;

/// A parameter that this program uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Parameter {
    Host,
    Hostaddr,
    Port,
    Dbname,
    User,
    Password,
    Passfile,
    ApplicationName,
    Options,
    ConnectTimeout,
    Keepalives,
    KeepalivesIdle,
    KeepalivesInterval,
    KeepalivesCount,
    TcpUserTimeout,
    ChannelBinding,
    TargetSessionAttrs,
    LoadBalanceHosts,
    Sslmode,
    Sslnegotiation,
    Sslrootcert,
    Sslcert,
    Sslkey,
    Sslcertmode,
    Sslsni,
    SslMinProtocolVersion,
    SslMaxProtocolVersion,
}

/// What this program does with a parameter.
enum Decision {
    /// The parameter means the same as for libpq.
    Use(Parameter),
    /// The parameter has no effect here, because it does not change how the program connects.
    Ignore,
    /// These values have no effect here. Any other value is refused, for this reason.
    Only(&'static [&'static str], &'static str),
    /// This program can't obey the parameter. If it ignored the parameter, the connection would not be what
    /// the URL demands.
    Refuse(&'static str),
}

use Decision::{Ignore, Only, Refuse, Use};

const NO_OAUTH: &str = "this program can't log in with OAuth: use a password or a client certificate";
const NO_SERVICE: &str = "this program reads no service file: write the settings of the service into the URL";
const NO_CRL: &str = "this program reads no revocation list: remove the parameter if you accept that";
const NO_KEYS: &str = "this program needs the password itself: write it into the URL or into a passfile";

/// All parameters of libpq 18, and parameters of other clients that may share the URL with this program.
const PARAMETERS: &[(&str, Decision)] = &[
    // The server, the login and the session.
    ("host", Use(Parameter::Host)),
    ("hostaddr", Use(Parameter::Hostaddr)),
    ("port", Use(Parameter::Port)),
    ("dbname", Use(Parameter::Dbname)),
    ("user", Use(Parameter::User)),
    ("password", Use(Parameter::Password)),
    ("passfile", Use(Parameter::Passfile)),
    ("service", Refuse(NO_SERVICE)),
    ("servicefile", Refuse(NO_SERVICE)),
    ("application_name", Use(Parameter::ApplicationName)),
    // The programs of OASIS DevHub have their own fallback names.
    ("fallback_application_name", Ignore),
    ("options", Use(Parameter::Options)),
    // This program always uses UTF-8. The encoding of its connections affects no other program.
    ("client_encoding", Ignore),
    ("replication", Only(&["0", "false", "no", "off"], "this program needs an ordinary connection")),
    ("target_session_attrs", Use(Parameter::TargetSessionAttrs)),
    ("load_balance_hosts", Use(Parameter::LoadBalanceHosts)),
    // Time limits.
    ("connect_timeout", Use(Parameter::ConnectTimeout)),
    ("keepalives", Use(Parameter::Keepalives)),
    ("keepalives_idle", Use(Parameter::KeepalivesIdle)),
    ("keepalives_interval", Use(Parameter::KeepalivesInterval)),
    ("keepalives_count", Use(Parameter::KeepalivesCount)),
    ("tcp_user_timeout", Use(Parameter::TcpUserTimeout)),
    // The protocol is 3.0, so an upper bound has no effect.
    ("min_protocol_version", Only(&["3.0"], "this program uses version 3.0 of the protocol")),
    ("max_protocol_version", Ignore),
    // TLS.
    ("sslmode", Use(Parameter::Sslmode)),
    ("sslnegotiation", Use(Parameter::Sslnegotiation)),
    ("sslrootcert", Use(Parameter::Sslrootcert)),
    ("sslcert", Use(Parameter::Sslcert)),
    ("sslkey", Use(Parameter::Sslkey)),
    ("sslcertmode", Use(Parameter::Sslcertmode)),
    ("sslpassword", Refuse("this program can't read an encrypted key: decrypt the key file")),
    ("sslcrl", Refuse(NO_CRL)),
    ("sslcrldir", Refuse(NO_CRL)),
    ("sslsni", Use(Parameter::Sslsni)),
    ("ssl_min_protocol_version", Use(Parameter::SslMinProtocolVersion)),
    ("ssl_max_protocol_version", Use(Parameter::SslMaxProtocolVersion)),
    // Like libpq, this program does not compress TLS, whatever the value is.
    ("sslcompression", Ignore),
    ("sslkeylogfile", Ignore),
    ("ssl", Refuse("write sslmode=require or sslmode=disable")),
    // Methods of authentication.
    ("channel_binding", Use(Parameter::ChannelBinding)),
    ("require_auth", Refuse("this program can't choose the method of authentication: remove the parameter")),
    ("requirepeer", Refuse("this program can't check the server's user: remove the parameter")),
    ("scram_client_key", Refuse(NO_KEYS)),
    ("scram_server_key", Refuse(NO_KEYS)),
    ("gssencmode", Only(&["disable", "prefer"], "this program has no GSSAPI: use TLS (sslmode=verify-full)")),
    // These matter only for a login with GSSAPI, which fails here.
    ("krbsrvname", Ignore),
    ("gsslib", Ignore),
    ("gssdelegation", Ignore),
    ("oauth_issuer", Refuse(NO_OAUTH)),
    ("oauth_client_id", Refuse(NO_OAUTH)),
    ("oauth_client_secret", Refuse(NO_OAUTH)),
    ("oauth_scope", Refuse(NO_OAUTH)),
    ("oauth_ca_file", Refuse(NO_OAUTH)),
    // libpq 13 and older versions accept these two parameters and ignore them.
    ("authtype", Ignore),
    ("tty", Ignore),
    // The Rust driver's name for keepalives_count.
    ("keepalives_retries", Use(Parameter::KeepalivesCount)),
    // Other clients: Prisma, Supabase, node-postgres, sqlx.
    ("pgbouncer", Ignore),
    ("connection_limit", Ignore),
    ("pool_timeout", Ignore),
    ("socket_timeout", Ignore),
    ("schema", Ignore),
    ("supa", Ignore),
    ("uselibpqcompat", Ignore),
    ("statement_cache_size", Ignore),
    ("statement_cache_capacity", Ignore),
];

impl Parameter {
    /// The parameter of this name and value. `None` if the parameter has no effect here.
    ///
    /// # Errors
    /// When no client knows the parameter, or this program can't obey it.
    pub(super) fn find(name: &str, value: &[u8]) -> Result<Option<Self>, UrlError> {
        let Some((known, decision)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
            // Any other text may be a part of a password.
            let shown = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            return Err(if shown && !name.is_empty() {
                UrlError::Unknown(name.to_owned())
            } else {
                UrlError::Malformed("the URL has a parameter that Postgres does not know")
            });
        };
        match decision {
            Use(parameter) => Ok(Some(*parameter)),
            Ignore => Ok(None),
            // As for libpq, an empty value counts as no value.
            Only(..) | Refuse(_) if value.is_empty() => Ok(None),
            Only(values, _) if values.iter().any(|harmless| harmless.as_bytes() == value) => Ok(None),
            Only(_, why) | Refuse(why) => Err(UrlError::parameter(known, *why)),
        }
    }

    /// The name of the parameter.
    pub(super) fn name(self) -> &'static str {
        let named = PARAMETERS.iter().find(|(_, decision)| matches!(decision, Use(used) if *used == self));
        named.map_or("parameter", |(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parameters in the documentation of libpq, from version 12 to version 18.
    const LIBPQ: &str = "application_name channel_binding client_encoding connect_timeout dbname \
        fallback_application_name gssdelegation gssencmode gsslib host hostaddr keepalives keepalives_count \
        keepalives_idle keepalives_interval krbsrvname load_balance_hosts max_protocol_version \
        min_protocol_version oauth_client_id oauth_client_secret oauth_issuer oauth_scope options passfile \
        password port replication require_auth requirepeer scram_client_key scram_server_key service \
        servicefile ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression \
        sslcrl sslcrldir sslkey sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert sslsni \
        target_session_attrs tcp_user_timeout user";

    #[test]
    fn every_parameter_of_libpq_has_one_decision() {
        for name in LIBPQ.split_whitespace() {
            assert_eq!(PARAMETERS.iter().filter(|(known, _)| *known == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn a_parameter_that_cannot_be_obeyed_is_refused_by_name() {
        for (name, value) in [
            ("service", "oasis"),
            ("sslcrl", "/crl.pem"),
            ("sslpassword", "x"),
            ("require_auth", "scram-sha-256"),
            ("requirepeer", "postgres"),
            ("gssencmode", "require"),
            ("replication", "database"),
            ("min_protocol_version", "3.2"),
            ("oauth_issuer", "https://issuer.example"),
        ] {
            let error = Parameter::find(name, value.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
            assert_eq!(Parameter::find(name, b"").unwrap(), None, "an empty {name} counts as unset");
        }
        for (name, value) in
            [("gssencmode", "disable"), ("replication", "off"), ("client_encoding", "LATIN1")]
        {
            assert_eq!(Parameter::find(name, value.as_bytes()).unwrap(), None, "{name}={value}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_named_unless_it_may_be_a_part_of_a_password() {
        assert!(Parameter::find("nonsense", b"1").unwrap_err().to_string().contains("`nonsense`"));
        for name in ["", "Hunter2", "hunter 2"] {
            let error = Parameter::find(name, b"1").unwrap_err().to_string();
            assert!(!error.to_lowercase().contains("hunter") && error.contains("%3F"), "{error}");
        }
    }
}
