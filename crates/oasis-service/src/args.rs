//! Flags that every service takes, and how they meet the environment.

mod duration;
mod listen;
mod parse;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

pub use duration::{parse_duration, span};
pub use listen::{BindError, bind};
pub use parse::{parse, parse_from};

/// Where to listen and what to log; `#[command(flatten)] service: ServiceArgs<8080>`, the number being
/// the service's default port.
#[derive(Args, Clone, Debug)]
pub struct ServiceArgs<const PORT: u16> {
    /// Address to listen on
    #[arg(long, env = "HOST", default_value = "0.0.0.0")]
    pub host: String,

    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value = text_of(PORT))]
    pub port: u16,

    /// What to log, such as `info` or `warn,gateway_feed=debug`
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log: String,

    /// Ask the service that listens here whether it is ready, say why not, and end: for images without a
    /// shell
    #[arg(long)]
    pub healthcheck: bool,
}

/// How long a health check waits for its answer; a readiness check has 5 s.
const HEALTHCHECK: Duration = Duration::from_secs(6);

impl<const PORT: u16> ServiceArgs<PORT> {
    /// Asks the service that listens on the host and port given for `/ready`.
    ///
    /// # Errors
    /// When it does not answer 200; the message has what it answered.
    pub fn healthcheck(&self) -> io::Result<()> {
        // Where it listens on every address, it is reached on this machine's own.
        let host = match self.host.as_str() {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            host => host,
        };
        let mut stream = TcpStream::connect((host, self.port))?;
        stream.set_read_timeout(Some(HEALTHCHECK))?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(64 << 10).read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200 ") {
            Ok(())
        } else {
            Err(io::Error::other(answer.rsplit("\r\n").next().unwrap_or_default().to_owned()))
        }
    }

    /// Listens on the host and port given.
    ///
    /// # Errors
    /// [`BindError`], which says what to do about it.
    pub async fn bind(&self) -> Result<TcpListener, BindError> {
        bind(&self.host, self.port).await
    }
}

/// Leaks a few bytes once per command built, because clap wants defaults that live forever.
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
    fn the_default_port_is_that_of_the_service() {
        assert_eq!(parsed(&[]).service.port, 8081);
        assert_eq!(parsed(&["--port", "1"]).service.port, 1);
        let help = Cli::command().render_help().to_string();
        assert!(help.contains("[default: 8081]"), "{help}");
    }
}
