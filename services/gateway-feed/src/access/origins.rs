//! [`Origins`]: which pages may use the cookies of a request.

use std::str::FromStr;

use hyper::Method;
use hyper::header::{COOKIE, HOST, HeaderMap, HeaderValue, ORIGIN};
use oasis_service::{Request, auth};

/// The origins of CORS_ORIGINS, such as `https://app.example`. The gateway trusts pages of these origins as
/// it trusts its own pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

/// An item of CORS_ORIGINS is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin: expected a scheme and a host, such as https://app.example, without a path")]
pub struct NotAnOrigin(String);

impl FromStr for Origins {
    type Err = NotAnOrigin;

    fn from_str(list: &str) -> Result<Self, NotAnOrigin> {
        let origin = |item: &str| {
            let is_host = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']);
            let fits = item.split_once("://").is_some_and(|(scheme, host)| {
                matches!(scheme, "http" | "https") && host.is_ascii() && is_host(host)
            });
            if fits { Ok(item.to_ascii_lowercase()) } else { Err(NotAnOrigin(item.to_owned())) }
        };
        auth::items(list).map(origin).collect::<Result<_, _>>().map(Self)
    }
}

impl Origins {
    /// Whether the list has this origin.
    pub(crate) fn list(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|listed| listed.as_bytes() == origin.as_bytes())
    }

    /// The cookies of a request, each with its name and its value; none if they do not count. A browser adds
    /// cookies to requests of any page, so a page of another site must not be able to use a session. The
    /// cookies count if a page of the gateway or of a listed origin has sent the request. They also count if
    /// the request only reads, unless the browser says that the request comes from another site.
    pub(super) fn cookies<'r>(&self, request: &'r Request) -> Vec<(&'r str, &'r str)> {
        let headers = request.headers();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let is_foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        if !(self.trusts(request) || (reads && !is_foreign)) {
            return Vec::new();
        }
        let lists = headers.get_all(COOKIE).iter().filter_map(|list| list.to_str().ok());
        let pairs = lists.flat_map(|list| list.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        pairs.map(|(name, value)| (name, value.trim_matches('"'))).collect()
    }

    /// Whether a page of the gateway or of a listed origin has sent the request. The scheme of the gateway is
    /// not compared, because a proxy may have ended TLS.
    fn trusts(&self, request: &Request) -> bool {
        let Some(origin) = request.headers().get(ORIGIN) else { return false };
        let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        self.list(origin) || (host.is_some() && host == own_host(request.headers(), request))
    }
}

/// The host and the port that the client calls.
fn own_host<'r>(headers: &'r HeaderMap, request: &'r Request) -> Option<&'r str> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    authority.or_else(|| headers.get(HOST)?.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_a_host_only() {
        let origins: Origins = "https://App.example , http://localhost:3000,".parse().unwrap();
        for listed in ["https://app.example", "http://localhost:3000"] {
            assert!(origins.list(&HeaderValue::from_static(listed)), "{listed}");
        }
        for other in ["https://app.example.evil", "http://app.example", "https://app.example:443", "null"] {
            assert!(!origins.list(&HeaderValue::from_static(other)), "{other}");
        }
        for bad in ["*", "app.example", "https://app.example/", "https://", "ftp://a", "https://*.a", "null"]
        {
            assert_eq!(bad.parse::<Origins>(), Err(NotAnOrigin(bad.to_owned())));
        }
    }
}
