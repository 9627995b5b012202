//! Opens the listening socket. An error says what to do next.

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::sockopt::{ipv6_v6only, set_ipv6_v6only};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// The number of connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Parses the value of HOST: an address, with or without brackets, or a name. `*` stands for `::`.
///
/// # Errors
/// When the text has more than a host. The message is for the person who typed the text.
pub fn parse_host(text: &str) -> Result<String, String> {
    let host = bare(text);
    let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if is_address(&host) || (is_name && !host.is_empty()) {
        return Ok(host.into_owned());
    }
    Err("expected an address or a name without a port, such as ::, 127.0.0.1, [::1] or localhost".to_owned())
}

/// The host without blanks and brackets.
fn bare(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text == "*" {
        return "::".into();
    }
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    inner.filter(|inner| is_address(inner)).unwrap_or(text).into()
}

/// Whether the text is an IP address. An IPv6 address may have a zone, as in `fe80::1%eth0`.
fn is_address(text: &str) -> bool {
    text.split('%').next().is_some_and(|address| match address.parse() {
        Ok(IpAddr::V4(_)) => !text.contains('%'),
        Ok(IpAddr::V6(_)) => true,
        Err(_) => false,
    })
}

/// Listens on `host` and `port`. Port 0 selects a free port. If the host is `::`, the socket listens on all
/// interfaces, for IPv6 and IPv4.
///
/// # Errors
/// [`BindError`]. The message says what to do.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener, BindError> {
    let host = bare(host);
    let opened = async {
        let mut addresses: Vec<SocketAddr> = lookup_host((&*host, port)).await?.collect();
        // More clients try only the IPv4 address of a name than try only the IPv6 address.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let mut outcome = Err(io::Error::other("the name has no address"));
        for address in addresses {
            outcome = listen(address);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    };
    opened.await.map_err(|source| {
        let host = host.into_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { host, port },
            io::ErrorKind::PermissionDenied => BindError::Denied { host, port },
            _ => BindError::Other { host, port, source },
        }
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match listen_on(address) {
        // Some machines have no IPv6, or not all of it. There, `::` means all interfaces with IPv4.
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && !concerns_the_port(&error) => {
            listen_on((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // After a restart, the port can be used while old connections are still ending.
    socket.set_reuseaddr(true)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // The default depends on the system.
        set_ipv6_v6only(&socket, false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn concerns_the_port(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// The URLs under which this machine reaches a service that listens.
pub(crate) fn urls(listener: &TcpListener) -> io::Result<Vec<String>> {
    let address = listener.local_addr()?;
    let hosts: Vec<IpAddr> = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) if ipv6_v6only(listener)? => vec![Ipv6Addr::LOCALHOST.into()],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        one => vec![one],
    };
    let url = |host: IpAddr| format!("http://{}", SocketAddr::new(host, address.port()));
    Ok(hosts.into_iter().map(url).collect())
}

/// The hosts under which this machine may reach a service that listens on `host`.
pub(crate) fn reachable(host: &str) -> Vec<String> {
    match &*bare(host) {
        "0.0.0.0" => vec!["127.0.0.1".into()],
        // Without IPv6, the service listens only on the IPv4 address.
        "::" => vec!["127.0.0.1".into(), "::1".into()],
        host => vec![host.into()],
    }
}

/// The reason why a service could not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process uses the port.
    #[error("port {port} on {host} is already in use: stop the other process or pass --port")]
    InUse {
        /// The requested host.
        host: String,
        /// The requested port.
        port: u16,
    },
    /// The port is reserved for privileged processes.
    #[error("port {port} on {host} needs privileges that this process lacks: pass a --port above 1023")]
    Denied {
        /// The requested host.
        host: String,
        /// The requested port.
        port: u16,
    },
    /// This machine does not have the address, or the system refuses the address for another reason.
    #[error("cannot listen on {host} port {port}: check --host and --port")]
    Other {
        /// The requested host.
        host: String,
        /// The requested port.
        port: u16,
        /// The error from the system.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn the_error_for_a_taken_port_says_what_to_do() {
        let taken = bind("127.0.0.1", 0).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        // All interfaces include the taken one.
        for host in ["127.0.0.1", "::"] {
            let error = bind(host, port).await.unwrap_err();
            let why =
                format!("port {port} on {host} is already in use: stop the other process or pass --port");
            assert_eq!(error.to_string(), why);
        }
    }

    #[test]
    fn a_host_is_accepted_as_people_write_it() {
        for (text, host) in [
            ("::", "::"),
            ("[::]", "::"),
            (" [::1] ", "::1"),
            ("*", "::"),
            ("0.0.0.0", "0.0.0.0"),
            ("localhost", "localhost"),
            ("my-host.internal", "my-host.internal"),
            ("fe80::1%eth0", "fe80::1%eth0"),
        ] {
            assert_eq!(parse_host(text).as_deref(), Ok(host), "{text}");
        }
        for text in
            ["localhost:8080", "[::1]:8080", "http://localhost", "", "[localhost]", "a b", "1.2.3.4%x"]
        {
            assert!(parse_host(text).unwrap_err().contains("without a port"), "{text}");
        }
    }

    /// The addresses of one family on which a listener accepts a connection.
    async fn open(listener: &TcpListener) -> Vec<&'static str> {
        let port = listener.local_addr().unwrap().port();
        let mut open = Vec::new();
        for host in ["127.0.0.1", "::1"] {
            if TcpStream::connect((host, port)).await.is_ok() {
                open.push(host);
            }
        }
        open
    }

    /// Without IPv6, only the IPv4 address is open. No other test depends on this machine's network.
    #[tokio::test]
    async fn all_interfaces_means_ipv6_and_ipv4() {
        let has_ipv6 = TcpListener::bind("[::1]:0").await.is_ok();
        let both = if has_ipv6 { vec!["127.0.0.1", "::1"] } else { vec!["127.0.0.1"] };
        for host in ["::", "[::]"] {
            let listener = bind(host, 0).await.unwrap();
            assert_eq!(open(&listener).await, both, "{host}");
            let port = listener.local_addr().unwrap().port();
            let shown = [format!("http://127.0.0.1:{port}"), format!("http://[::1]:{port}")];
            assert_eq!(urls(&listener).unwrap(), shown[..both.len()], "{host}");
        }
        for host in ["0.0.0.0", "127.0.0.1", "localhost"] {
            let listener = bind(host, 0).await.unwrap();
            assert_eq!(open(&listener).await, ["127.0.0.1"], "{host}");
            let port = listener.local_addr().unwrap().port();
            assert_eq!(urls(&listener).unwrap(), [format!("http://127.0.0.1:{port}")], "{host}");
        }
        for host in ["::1", "[::1]"] {
            let listener = bind(host, 0).await;
            assert_eq!(listener.is_ok(), has_ipv6, "{host}");
            if let Ok(listener) = listener {
                assert_eq!(open(&listener).await, ["::1"], "{host}");
            }
        }
    }
}
