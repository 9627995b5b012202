//! [`JwksUrl`]: the address of a JWK set.

use std::fmt;
use std::str::FromStr;

use oasis_service::client::Base;
use url::{Position, Url};

/// The address of a JWK set. The address must be https, so that no one on the network can replace the keys.
/// Plain http is allowed only for a server on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksUrl {
    /// The scheme, the host and the port.
    pub(super) server: Base,
    /// The path and the query.
    pub(super) path: String,
}

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadJwksUrl {
    /// The text is not the address of a server.
    #[error("{0}; {EXPECTED}")]
    Malformed(String),
    /// The address is plain http, and the server is not on this machine.
    #[error("the address must begin with https://: otherwise, anyone on the network could replace the keys")]
    Plain,
    /// The address has no path, or has a fragment.
    #[error("the address has no path, or has a #; {EXPECTED}")]
    Path,
}

const EXPECTED: &str =
    "expected the address of a JWK set, such as https://issuer.example/.well-known/jwks.json";

impl FromStr for JwksUrl {
    type Err = BadJwksUrl;

    fn from_str(text: &str) -> Result<Self, BadJwksUrl> {
        let malformed = |why: &dyn fmt::Display| BadJwksUrl::Malformed(why.to_string());
        let url = Url::parse(text.trim()).map_err(|why| malformed(&why))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(malformed(&"the address does not begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed(&"the address has a user name or a password"));
        }
        let server: Base = url[..Position::BeforePath].parse().map_err(|why: String| malformed(&why))?;
        if url.scheme() == "http" && !server.is_loopback() {
            return Err(BadJwksUrl::Plain);
        }
        let path = &url[Position::BeforePath..];
        if path == "/" || url.fragment().is_some() {
            return Err(BadJwksUrl::Path);
        }
        Ok(Self { path: path.to_owned(), server })
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.server, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_on_this_machine() {
        for good in [
            "https://issuer.example/.well-known/jwks.json",
            "https://issuer.example:8443/keys/?p=policy&x=1",
            "http://localhost:8080/realms/oasis/protocol/openid-connect/certs",
            "http://127.0.0.1:1/x",
            "http://[::1]:1/x",
        ] {
            assert_eq!(good.parse::<JwksUrl>().unwrap().to_string(), good);
        }
        let parse = |text: &str| text.parse::<JwksUrl>().unwrap_err();
        for plain in ["http://issuer.example/x", "http://10.0.0.1/x", "http://localhost.example/x"] {
            assert_eq!(parse(plain), BadJwksUrl::Plain, "{plain}");
        }
        for path in ["https://issuer.example", "https://issuer.example/", "https://issuer.example/x#y"] {
            assert_eq!(parse(path), BadJwksUrl::Path, "{path}");
        }
        for malformed in
            ["issuer.example/x", "ftp://h/x", "file:///x", "https://u:p@h/x", "https:///", "", "x"]
        {
            let error = parse(malformed);
            assert!(matches!(error, BadJwksUrl::Malformed(_)), "{malformed}: {error}");
            assert!(error.to_string().contains("jwks.json"), "{error}");
        }
    }
}
