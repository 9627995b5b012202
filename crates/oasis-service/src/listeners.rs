//! [`Listeners`]: the sockets of a service, and the names of the service that they accept.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::{HOST, HeaderMap};
use hyper::http::uri::Authority;
use tokio::net::TcpListener;

/// The sockets on which a service listens.
#[derive(Debug)]
pub struct Listeners {
    /// For requests.
    pub requests: TcpListener,
    /// For the metrics, if they have a port of their own.
    pub metrics: Option<TcpListener>,
    /// The names that a request may have in its header `Host`; `None` if all are accepted.
    pub hosts: Option<LocalHosts>,
}

impl From<TcpListener> for Listeners {
    fn from(requests: TcpListener) -> Self {
        Self { requests, metrics: None, hosts: None }
    }
}

/// The names under which a client may reach this machine. A web page of any origin can make its own name
/// point to 127.0.0.1, and then read what a service on this machine answers ("DNS rebinding"). But the
/// requests of such a page have the name of the page in the header `Host`. So a service that only listens on
/// a loopback address can refuse them.
#[derive(Debug, Clone, Default)]
pub struct LocalHosts {
    /// Names that are accepted besides `localhost`, the names below it, and all IP addresses.
    pub more: Vec<String>,
}

impl LocalHosts {
    /// Whether a request names this machine. No web page can make an IP address point to another machine, so
    /// all IP addresses are accepted.
    pub(crate) fn accept(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        host(uri, headers).is_some_and(|host| {
            is_localhost(&host)
                || address(&host).is_some()
                || self.more.iter().any(|name| name.eq_ignore_ascii_case(&host))
        })
    }
}

/// Whether a request names `localhost`, a name below it, or a loopback address.
pub(crate) fn names_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    host(uri, headers).is_some_and(|host| {
        is_localhost(&host) || address(&host).is_some_and(|address| address.to_canonical().is_loopback())
    })
}

/// The host that a request names, in lower case.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let header = || headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    // Over HTTP/2, the name is in the target of the request.
    let named = uri.authority().cloned().or_else(header)?;
    let host = named.host();
    Some(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase())
}

fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

fn address(host: &str) -> Option<IpAddr> {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_accepted() {
        let hosts = LocalHosts { more: vec!["Devbox.example".into()] };
        for (host, is_local, is_loopback) in [
            ("localhost", true, true),
            ("LOCALHOST:8080", true, true),
            ("localhost.:80", true, true),
            ("oasis.localhost:80", true, true),
            ("127.0.0.1:8080", true, true),
            ("[::1]:8080", true, true),
            ("[::ffff:127.0.0.1]", true, true),
            ("192.168.1.7", true, false),
            ("0.0.0.0", true, false),
            ("[2001:db8::1]:80", true, false),
            ("devbox.example:8080", true, false),
            ("evil.example:8080", false, false),
            ("localhost.evil.example", false, false),
            ("evillocalhost", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("a b", false, false),
        ] {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            assert_eq!(hosts.accept(&Uri::from_static("/"), &headers), is_local, "{host}");
            assert_eq!(names_loopback(&Uri::from_static("/"), &headers), is_loopback, "{host}");
        }
        let target = Uri::from_static("http://evil.example/");
        assert!(!hosts.accept(&target, &HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())])));
        assert!(!hosts.accept(&Uri::from_static("/"), &HeaderMap::new()));
    }
}
