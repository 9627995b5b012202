//! [`Listeners`]: the sockets of a service, and the names of the service that they accept.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::{HOST, HeaderMap};
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
    /// Whether a request names this machine.
    pub(crate) fn accept(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let header = || headers.get(HOST)?.to_str().ok()?.parse::<hyper::http::uri::Authority>().ok();
        // Over HTTP/2, the name is in the target of the request.
        match uri.authority().cloned().or_else(header) {
            Some(name) => self.accepts(name.host()),
            None => false,
        }
    }

    fn accepts(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
        host == "localhost"
            || host.ends_with(".localhost")
            || address.parse::<IpAddr>().is_ok()
            || self.more.iter().any(|name| name.eq_ignore_ascii_case(&host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_accepted() {
        let hosts = LocalHosts { more: vec!["Devbox.example".into()] };
        for (host, is_local) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("localhost.:80", true),
            ("oasis.localhost:80", true),
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("192.168.1.7", true),
            ("devbox.example:8080", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("evillocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("a b", false),
        ] {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            assert_eq!(hosts.accept(&Uri::from_static("/"), &headers), is_local, "{host}");
        }
        let target = Uri::from_static("http://evil.example/");
        assert!(!hosts.accept(&target, &HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())])));
        assert!(!hosts.accept(&Uri::from_static("/"), &HeaderMap::new()));
    }
}
