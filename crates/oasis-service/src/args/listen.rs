//! Opens the listening socket. An error says what to do next.

use std::io;

use tokio::net::TcpListener;

/// Listens on `host` and `port`. Port 0 selects a free port.
///
/// # Errors
/// [`BindError`]. The message says what to do.
pub async fn bind(host: &str, port: u16) -> Result<TcpListener, BindError> {
    TcpListener::bind((host, port)).await.map_err(|source| {
        let host = host.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { host, port },
            io::ErrorKind::PermissionDenied => BindError::Denied { host, port },
            _ => BindError::Other { host, port, source },
        }
    })
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
    use super::*;

    #[tokio::test]
    async fn the_error_for_a_taken_port_says_what_to_do() {
        let taken = bind("127.0.0.1", 0).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind("127.0.0.1", port).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("port {port} on 127.0.0.1 is already in use: stop the other process or pass --port")
        );
    }
}
