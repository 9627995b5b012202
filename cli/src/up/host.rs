//! Where the services of `oasis up` can be reached.

/// The host by which this machine reaches itself.
pub(super) fn reachable(host: &str) -> &str {
    match host {
        "127.0.0.1" | "0.0.0.0" | "::" | "::1" => "localhost",
        other => other,
    }
}

/// Whether only this machine reaches it.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
