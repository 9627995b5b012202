//! The flags and environment variables that every service accepts.

mod boolean;
mod duration;
pub(crate) mod listen;
mod parse;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::num::NonZero;
use std::time::Duration;

use clap::Args;

use crate::{Limits, Listeners};

pub use boolean::parse_boolean;
pub use duration::{parse_duration, span};
pub use listen::{BindError, bind, parse_host};
pub use parse::{parse, parse_from};

/// The address to listen on and the log filter. A service adds these arguments to its own arguments with
/// `#[command(flatten)] service: ServiceArgs<8080>`. The number is the service's default port.
#[derive(Args, Clone, Debug)]
pub struct ServiceArgs<const PORT: u16> {
    /// Address or name to listen on; `::` means all interfaces, with IPv6 and IPv4
    #[arg(long, env = "HOST", default_value = "::", value_parser = parse_host)]
    pub host: String,

    /// Port to listen on; 0 selects a free port
    #[arg(long, env = "PORT", default_value = text_of(PORT))]
    pub port: u16,

    /// Port for the metrics. Without this setting, `/metrics` is on --port
    #[arg(long, env = "METRICS_PORT", value_name = "PORT")]
    pub metrics_port: Option<u16>,

    /// What to log, such as `info` or `warn,gateway_feed=debug`
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log: String,

    /// The maximum number of connections of one address, or of one network with 64 bits of IPv6. Behind a
    /// proxy, all clients have the address of the proxy. Without this setting, the number is not limited
    #[arg(long, env = "MAX_CONNECTIONS_PER_CLIENT", value_name = "N")]
    pub max_connections_per_client: Option<NonZero<usize>>,

    /// How long a connection without traffic stays open. Must be longer than a load balancer keeps its
    /// connections; Google's keeps them for 600 s
    #[arg(long, env = "KEEP_ALIVE", value_name = "DURATION", default_value = "75s",
          value_parser = keep_alive)]
    pub keep_alive: Duration,

    /// Check whether the service that listens on --host and --port is ready, and exit. If the service is not
    /// ready, print the reasons and exit with code 1. Useful in container images without a shell
    #[arg(long)]
    pub healthcheck: bool,
}

/// The time limit for the answer to a health check. This limit is longer than the time limit of a readiness
/// check, which is 5 s.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(6);

impl<const PORT: u16> ServiceArgs<PORT> {
    /// Requests `/ready` from the service that listens on this host and port.
    ///
    /// # Errors
    /// When the service cannot be reached, or does not answer with 200. In the second case, the message is
    /// the body of the answer.
    pub fn healthcheck(&self) -> io::Result<()> {
        let mut connected = Err(io::Error::other("no address to connect to"));
        for host in listen::reachable(&self.host) {
            connected = TcpStream::connect((host.as_str(), self.port));
            if connected.is_ok() {
                break;
            }
        }
        let mut stream = connected?;
        stream.set_read_timeout(Some(HEALTHCHECK_TIMEOUT))?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(64 << 10).read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200 ") {
            Ok(())
        } else {
            Err(io::Error::other(answer.rsplit("\r\n").next().unwrap_or_default().to_owned()))
        }
    }

    /// The default limits, with those of the flags.
    pub fn limits(&self) -> Limits {
        Limits {
            max_connections_per_client: self.max_connections_per_client,
            idle_timeout: self.keep_alive,
            ..Limits::default()
        }
    }

    /// Listens on this host, on the port for requests and on the port for the metrics.
    ///
    /// # Errors
    /// [`BindError`]. The message says what to do.
    pub async fn bind(&self) -> Result<Listeners, BindError> {
        let requests = bind(&self.host, self.port).await?;
        let metrics = match self.metrics_port {
            Some(port) => Some(bind(&self.host, port).await?),
            None => None,
        };
        Ok(Listeners { metrics, ..Listeners::from(requests) })
    }
}

/// The shortest time for --keep-alive. A stream may be silent for 15 s, and a handler may need some seconds.
const MIN_KEEP_ALIVE: Duration = Duration::from_secs(30);

fn keep_alive(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time < MIN_KEEP_ALIVE { Err("expected at least 30s".to_owned()) } else { Ok(time) }
}

/// The port as text. clap requires `'static` defaults, so the construction of a command leaks a few bytes.
fn text_of(port: u16) -> &'static str {
    Box::leak(port.to_string().into_boxed_str())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        service: ServiceArgs<8081>,
    }

    fn parsed(flags: &[&str]) -> Cli {
        parse_from(std::iter::once("test").chain(flags.iter().copied())).unwrap()
    }

    #[test]
    fn each_service_has_its_own_default_port() {
        assert_eq!(parsed(&[]).service.port, 8081);
        assert_eq!(parsed(&["--port", "1"]).service.port, 1);
        let help = Cli::command().render_help().to_string();
        assert!(help.contains("[default: 8081]"), "{help}");
    }

    #[test]
    fn a_keep_alive_is_longer_than_the_pauses_of_a_stream() {
        assert_eq!(parsed(&[]).service.limits().idle_timeout, Duration::from_secs(75));
        assert_eq!(parsed(&["--keep-alive", "620s"]).service.limits().idle_timeout, Duration::from_secs(620));
        let refused = parse_from::<Cli>(["test", "--keep-alive", "20s"]).err().unwrap().to_string();
        assert!(refused.contains("expected at least 30s"), "{refused}");
    }
}
