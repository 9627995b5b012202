//! Functions for the host that the services of `oasis up` listen on.

/// The host by which this machine reaches the services, as a part of a URL.
pub(super) fn reachable(host: &str) -> String {
    match host {
        "127.0.0.1" | "0.0.0.0" | "::" | "::1" => "localhost".to_owned(),
        address if address.contains(':') => format!("[{address}]"),
        other => other.to_owned(),
    }
}

/// The address of a service on this machine.
pub(super) fn address(host: &str, port: u16) -> String {
    format!("http://{}:{port}", reachable(host))
}

/// Whether only this machine can reach `host`.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
