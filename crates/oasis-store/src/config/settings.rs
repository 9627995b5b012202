//! Makes the settings of the driver and of TLS from the parts of a database URL.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation};

use super::error::UrlError;
use super::parameter::Parameter;
use super::parts::Parts;
use crate::tls::{Identity, Protocols, TlsSettings, Verify};

/// The settings that all servers of the URL share, except for TLS.
pub(super) fn base(parts: &Parts) -> Result<Config, UrlError> {
    let mut config = Config::new();
    parts.text(Parameter::User)?.map(|user| config.user(user));
    // As in libpq, the database has the name of the user unless the URL names a database.
    parts.text(Parameter::Dbname)?.map(|dbname| config.dbname(dbname));
    parts.text(Parameter::Options)?.map(|options| config.options(options));
    parts.text(Parameter::ApplicationName)?.map(|name| config.application_name(name));
    if let Some(binding) = parts.text(Parameter::ChannelBinding)? {
        config.channel_binding(match binding {
            "disable" => ChannelBinding::Disable,
            "prefer" => ChannelBinding::Prefer,
            "require" => ChannelBinding::Require,
            _ => return Err(UrlError::parameter("channel_binding", "expected disable, prefer or require")),
        });
    }
    let seconds = |parameter| Ok(number(parts, parameter)?.map(u64::from).map(Duration::from_secs));
    // libpq waits at least 2 s.
    seconds(Parameter::ConnectTimeout)?
        .map(|limit| config.connect_timeout(limit.max(Duration::from_secs(2))));
    config.keepalives(parts.text(Parameter::Keepalives)?.is_none_or(|on| on.trim() != "0"));
    // A connection that is lost silently, for example because a NAT entry timed out, must not delay appends
    // or the tail for long.
    config.keepalives_idle(seconds(Parameter::KeepalivesIdle)?.unwrap_or(Duration::from_secs(30)));
    seconds(Parameter::KeepalivesInterval)?.map(|interval| config.keepalives_interval(interval));
    number(parts, Parameter::KeepalivesCount)?.map(|count| config.keepalives_retries(count));
    let milliseconds = number(parts, Parameter::TcpUserTimeout)?.map(u64::from).map(Duration::from_millis);
    config.tcp_user_timeout(milliseconds.unwrap_or(Duration::from_secs(20)));
    if is_direct(parts)? {
        config.ssl_negotiation(SslNegotiation::Direct);
    }
    Ok(config)
}

/// Whether TLS is used, and how.
pub(super) fn tls(parts: &Parts) -> Result<(SslMode, TlsSettings), UrlError> {
    let path = |parameter| Ok(parts.text(parameter)?.map(PathBuf::from));
    let roots: Option<PathBuf> = path(Parameter::Sslrootcert)?;
    let system = roots.as_deref().is_some_and(|path| path.as_os_str() == "system");
    let sslmode = parts.text(Parameter::Sslmode)?;
    let (mode, verify) = match sslmode {
        Some("verify-full") => (SslMode::Require, Verify::AuthorityAndName),
        // As in libpq, `sslrootcert=system` needs `verify-full`, and makes `verify-full` the default.
        None if system => (SslMode::Require, Verify::AuthorityAndName),
        Some("disable" | "allow" | "prefer" | "require" | "verify-ca") if system => {
            return Err(UrlError::parameter("sslrootcert", "system needs sslmode=verify-full"));
        }
        Some("disable") => (SslMode::Disable, Verify::Nothing),
        // As in libpq, a root certificate makes these modes verify the server's certificate.
        None | Some("allow" | "prefer") if roots.is_none() => (SslMode::Prefer, Verify::Nothing),
        Some("require") if roots.is_none() => (SslMode::Require, Verify::Nothing),
        None | Some("allow" | "prefer") => (SslMode::Prefer, Verify::Authority),
        // With the system's authorities, `verify-ca` would accept a certificate for any name. So an attacker
        // on the network could impersonate the server.
        Some("verify-ca") if roots.is_none() => {
            let why = "verify-ca needs sslrootcert=PATH; to trust the system's certificates, use verify-full";
            return Err(UrlError::parameter("sslmode", why));
        }
        Some("require" | "verify-ca") => (SslMode::Require, Verify::Authority),
        Some(_) => {
            let expected = "expected disable, allow, prefer, require, verify-ca or verify-full";
            return Err(UrlError::parameter("sslmode", expected));
        }
    };
    let direct = is_direct(parts)?;
    if direct && mode != SslMode::Require {
        return Err(UrlError::parameter("sslnegotiation", "direct needs sslmode=require or stronger"));
    }
    let certificate = path(Parameter::Sslcert)?;
    let identity = match (certificate, path(Parameter::Sslkey)?, parts.text(Parameter::Sslcertmode)?) {
        (.., Some("require")) => {
            return Err(UrlError::parameter(
                "sslcertmode",
                "this program can't find out whether the server asks for a certificate: use allow",
            ));
        }
        (_, _, Some("disable")) | (None, None, None | Some("allow")) => None,
        (Some(certificate), Some(key), None | Some("allow")) => Some(Identity { certificate, key }),
        (Some(_), None, _) => {
            return Err(UrlError::parameter("sslcert", "name the file with the key too: sslkey=PATH"));
        }
        (None, Some(_), _) => {
            return Err(UrlError::parameter(
                "sslkey",
                "name the file with the certificate too: sslcert=PATH",
            ));
        }
        (.., Some(_)) => {
            return Err(UrlError::parameter("sslcertmode", "expected disable, allow or require"));
        }
    };
    let settings = TlsSettings {
        verify,
        roots: roots.filter(|_| !system),
        identity,
        protocols: protocols(parts)?,
        sends_name: parts.text(Parameter::Sslsni)?.is_none_or(|on| on != "0"),
        direct,
    };
    Ok((mode, settings))
}

/// Whether TLS begins at once, without a request for TLS in PostgreSQL's protocol.
fn is_direct(parts: &Parts) -> Result<bool, UrlError> {
    match parts.text(Parameter::Sslnegotiation)? {
        None | Some("postgres") => Ok(false),
        Some("direct") => Ok(true),
        Some(_) => Err(UrlError::parameter("sslnegotiation", "expected postgres or direct")),
    }
}

/// The versions of TLS that the URL allows. Versions below 1.2 are never used.
fn protocols(parts: &Parts) -> Result<Protocols, UrlError> {
    let version = |parameter: Parameter| match parts.text(parameter)?.map(str::to_ascii_lowercase).as_deref()
    {
        None => Ok(None),
        Some("tlsv1" | "tlsv1.1") => Ok(Some(1)),
        Some("tlsv1.2") => Ok(Some(2)),
        Some("tlsv1.3") => Ok(Some(3)),
        Some(_) => Err(UrlError::parameter(parameter.name(), "expected TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3")),
    };
    let least = version(Parameter::SslMinProtocolVersion)?.unwrap_or(2);
    match version(Parameter::SslMaxProtocolVersion)?.unwrap_or(3) {
        most if most < least => {
            Err(UrlError::parameter("ssl_max_protocol_version", "the range of TLS versions is empty"))
        }
        1 => Err(UrlError::parameter("ssl_max_protocol_version", "this program needs TLSv1.2 or TLSv1.3")),
        2 => Ok(Protocols::Tls12),
        _ if least == 3 => Ok(Protocols::Tls13),
        _ => Ok(Protocols::Both),
    }
}

/// The value of a parameter that is a whole number. As in libpq, 0 and negative numbers select the default.
/// But this program has other defaults than libpq.
fn number(parts: &Parts, parameter: Parameter) -> Result<Option<u32>, UrlError> {
    let Some(text) = parts.text(parameter)? else { return Ok(None) };
    let number: i32 =
        text.trim().parse().map_err(|_| UrlError::parameter(parameter.name(), "expected a whole number"))?;
    Ok(u32::try_from(number).ok().filter(|number| *number > 0))
}
