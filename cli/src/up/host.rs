//! Functions for the host that the services of `oasis up` listen on.

/// The host name under which this machine reaches the services.
pub(super) fn reachable(host: &str) -> &str {
    match host {
        "127.0.0.1" | "0.0.0.0" | "::" | "::1" => "localhost",
        other => other,
    }
}

/// The address of a service on this machine.
pub(super) fn address(host: &str, port: u16) -> String {
    let host = reachable(host);
    if host.contains(':') { format!("http://[{host}]:{port}") } else { format!("http://{host}:{port}") }
}

/// Whether only this machine can reach `host`.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
