//! Opens the listening socket, and explains why that failed.

use std::io;

use tokio::net::TcpListener;

/// Listens on `host` and `port`; port 0 picks a free one.
///
/// # Errors
/// [`BindError`], whose message says what to do about it.
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

/// Why a service could not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error("port {port} on {host} is already in use: stop the other process or pass --port")]
    InUse {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// The port is reserved for privileged processes.
    #[error("port {port} on {host} needs privileges that this process lacks: pass a --port above 1023")]
    Denied {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
    },
    /// The address does not exist here, or the system refuses it for another reason.
    #[error("cannot listen on {host} port {port}: check --host and --port")]
    Other {
        /// The host asked for.
        host: String,
        /// The port asked for.
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
