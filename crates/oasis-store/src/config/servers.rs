//! [`Servers`]: the servers that a database URL names, in the order in which they are tried.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::UrlError;
use super::parameter::Parameter;
use super::parts::Parts;
use super::password_file::{self, Login};
use super::shares::Shares;

/// The folders in which packages of PostgreSQL create the server's socket. libpq uses only the folder that
/// was chosen when libpq was built.
const DEFAULT_SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
const DEFAULT_PORT: u16 = 5432;
/// The time that the servers share if the URL has no `connect_timeout`.
const USUAL: Duration = Duration::from_secs(5);
/// As in libpq, a server gets at least this time, unless [`LONGEST`] is too short for all servers.
const SHORTEST: Duration = Duration::from_secs(2);
/// The time limit for all servers together. A read ends after 20 s (`Store::READ_WITHIN`). A longer attempt
/// would end before it reaches the last server, and the next attempt would begin with the first server again.
const LONGEST: Duration = Duration::from_secs(18);

/// The servers of a URL, and the kind of server that is wanted.
#[derive(Clone)]
pub(crate) struct Servers {
    /// The settings of each server, with one host and one port.
    servers: Vec<Config>,
    wanted: Wanted,
    /// Whether the servers are tried in random order (`load_balance_hosts=random`).
    shuffled: bool,
}

/// The kind of server that is wanted (`target_session_attrs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Any,
    /// `read-write` and `primary`: the session can write.
    ReadWrite,
    /// `read-only` and `standby`: the session can't write.
    ReadOnly,
    /// `prefer-standby`: if no server of the URL is read-only, any server will do.
    PreferReadOnly,
}

/// The connection to a server.
pub(crate) type ServerConnection = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

impl Servers {
    /// Makes the settings of each server. `ssl_mode` is the mode of a TCP connection; `base` has the settings
    /// that all servers share.
    pub(super) fn new(parts: &Parts, base: &Config, ssl_mode: SslMode) -> Result<Self, UrlError> {
        let hosts = list(parts, Parameter::Host)?;
        let addresses = list(parts, Parameter::Hostaddr)?;
        let ports = list(parts, Parameter::Port)?;
        let number = addresses.len().max(hosts.len()).max(1);
        if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
            return Err(UrlError::parameter("hostaddr", "give one address for each host"));
        }
        if ports.len() > 1 && ports.len() != number {
            return Err(UrlError::parameter("port", "give one port for all hosts, or one for each host"));
        }
        let passwords = Passwords::new(parts)?;
        let mut servers = Vec::with_capacity(number);
        for nth in 0..number {
            let port = port(ports.get(nth).or(ports.first()).copied().unwrap_or_default())?;
            let host = hosts.get(nth).copied().unwrap_or_default();
            let address = addresses.get(nth).copied().unwrap_or_default();
            for place in Place::of(host, address)? {
                let mut config = base.clone();
                config.port(port);
                match &place {
                    Place::Tcp { name, address } => {
                        config.host(*name).ssl_mode(ssl_mode);
                        if let Some(address) = address {
                            config.hostaddr(*address);
                        }
                    }
                    // As in libpq, a connection through a socket never uses TLS, whatever `sslmode` is.
                    Place::Socket(path) => {
                        config.host_path(path).ssl_mode(SslMode::Disable);
                    }
                }
                passwords.set(&mut config, &place, port);
                servers.push(config);
            }
        }
        let shuffled = match parts.text(Parameter::LoadBalanceHosts)? {
            None | Some("disable") => false,
            Some("random") => true,
            Some(_) => return Err(UrlError::parameter("load_balance_hosts", "expected disable or random")),
        };
        let usual = (USUAL / count(servers.len())).max(SHORTEST);
        for server in servers.iter_mut().filter(|server| server.get_connect_timeout().is_none()) {
            server.connect_timeout(usual);
        }
        Ok(Self { servers, wanted: Wanted::of(parts)?, shuffled })
    }

    /// Uses the application name `name`, unless the URL sets another name.
    pub(super) fn named(mut self, name: &str) -> Self {
        for server in self.servers.iter_mut().filter(|server| server.get_application_name().is_none()) {
            server.application_name(name);
        }
        self
    }

    /// The longest time that [`Servers::connect`] takes.
    pub(crate) fn connect_within(&self) -> Duration {
        let timeouts = self.servers.iter().filter_map(Config::get_connect_timeout);
        timeouts.sum::<Duration>().saturating_mul(count(self.wanted.passes().len())).min(LONGEST)
    }

    /// The servers and the database, such as `localhost:5432/oasis`.
    pub(super) fn place(&self) -> String {
        let place = |server: &Config| {
            let port = server.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
            match (server.get_hosts().first(), server.get_hostaddrs().first()) {
                (Some(Host::Tcp(name)), _) => format!("{name}:{port}"),
                (Some(Host::Unix(path)), _) => path.display().to_string(),
                (None, Some(address)) => format!("{address}:{port}"),
                (None, None) => format!("port {port}"),
            }
        };
        let servers: Vec<String> = self.servers.iter().map(place).collect();
        let database = self.servers.first().and_then(Config::get_dbname).unwrap_or_default();
        format!("{}/{database}", servers.join(","))
    }

    /// Connects to the first server that is of the wanted kind. Each server has a separate time limit, which
    /// also covers TLS and the login. So time is left for the other servers if a server accepts connections
    /// but does not answer.
    ///
    /// # Errors
    /// The error of the last server, when none can be used.
    pub(crate) async fn connect(&self, tls: MakeRustlsConnect) -> Result<(Client, ServerConnection), Error> {
        let mut order: Vec<&Config> = self.servers.iter().collect();
        if self.shuffled {
            shuffle(&mut order);
        }
        let passes = self.wanted.passes();
        let mut shares = Shares::new(self.connect_within(), order.len() * passes.len());
        let mut failure = Error::__private_api_timeout();
        for wanted in passes {
            for server in &order {
                let mut server = Config::clone(server);
                server.target_session_attrs(*wanted);
                let limit = server.get_connect_timeout().copied().unwrap_or(USUAL).min(shares.next());
                match self.connect_to(&server, limit, &tls).await {
                    Err(error) if !is_final(&error) => failure = error,
                    connected_or_refused => return connected_or_refused,
                }
            }
        }
        Err(failure)
    }

    /// Connects to one server. If its name has several addresses, they share the time.
    async fn connect_to(
        &self,
        server: &Config,
        within: Duration,
        tls: &MakeRustlsConnect,
    ) -> Result<(Client, ServerConnection), Error> {
        let end = Instant::now() + within;
        let mut addresses = timeout_at(end, addresses(server)).await.unwrap_or_default();
        if self.shuffled {
            shuffle(&mut addresses);
        }
        let mut attempts: Vec<Config> = Vec::with_capacity(addresses.len());
        for address in addresses {
            let mut attempt = server.clone();
            attempt.hostaddr(address);
            attempts.push(attempt);
        }
        if attempts.is_empty() {
            attempts.push(server.clone());
        }
        let mut shares = Shares::until(end, attempts.len());
        // The driver has no other constructor for the error of a server that does not answer in time.
        let late = |_| Err(Error::__private_api_timeout());
        let mut failure = Error::__private_api_timeout();
        for attempt in attempts {
            match timeout(shares.next(), attempt.connect(tls.clone())).await.unwrap_or_else(late) {
                Err(error) if !is_final(&error) => failure = error,
                connected_or_refused => return connected_or_refused,
            }
        }
        Err(failure)
    }

    #[cfg(test)]
    pub(super) fn configs(&self) -> &[Config] {
        &self.servers
    }
}

impl Wanted {
    fn of(parts: &Parts) -> Result<Self, UrlError> {
        match parts.text(Parameter::TargetSessionAttrs)? {
            None | Some("any") => Ok(Self::Any),
            Some("read-write" | "primary") => Ok(Self::ReadWrite),
            Some("read-only" | "standby") => Ok(Self::ReadOnly),
            Some("prefer-standby") => Ok(Self::PreferReadOnly),
            Some(_) => Err(UrlError::parameter(
                "target_session_attrs",
                "expected any, read-write, read-only, primary, standby or prefer-standby",
            )),
        }
    }

    /// The kind of server that each pass over all servers accepts.
    fn passes(self) -> &'static [TargetSessionAttrs] {
        match self {
            Self::Any => &[TargetSessionAttrs::Any],
            Self::ReadWrite => &[TargetSessionAttrs::ReadWrite],
            Self::ReadOnly => &[TargetSessionAttrs::ReadOnly],
            Self::PreferReadOnly => &[TargetSessionAttrs::ReadOnly, TargetSessionAttrs::Any],
        }
    }
}

/// Whether no other server may be tried. As in libpq, a refused login is final: no other server must get the
/// password.
fn is_final(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("28"))
}

/// The addresses of a server that has only a name. The list is empty for a socket and for a server whose
/// address is given. It is also empty if the name is unknown. The driver reports an unknown name.
async fn addresses(server: &Config) -> Vec<IpAddr> {
    let (Some(Host::Tcp(name)), []) = (server.get_hosts().first(), server.get_hostaddrs()) else {
        return Vec::new();
    };
    let found = lookup_host((name.as_str(), DEFAULT_PORT)).await;
    found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
}

fn shuffle<T>(list: &mut [T]) {
    // Each `RandomState` has other keys, so the hashes are in random order.
    list.sort_by_cached_key(|_| std::hash::RandomState::new().hash_one(0));
}

fn count(number: usize) -> u32 {
    u32::try_from(number.max(1)).unwrap_or(u32::MAX)
}

/// Where a server listens.
enum Place<'a> {
    /// `name` is the expected name in the server's certificate. If `address` is set, `name` is not looked up.
    Tcp {
        name: &'a str,
        address: Option<IpAddr>,
    },
    Socket(&'a str),
}

impl<'a> Place<'a> {
    /// The places for one entry of `host` and `hostaddr`. If both are empty, these are the default sockets.
    fn of(host: &'a str, address: &'a str) -> Result<Vec<Self>, UrlError> {
        if !address.is_empty() {
            let wrong =
                |_| UrlError::parameter("hostaddr", "expected an IP address, such as 10.0.0.3 or ::1");
            let name = if host.is_empty() || host.starts_with('/') { address } else { host };
            return Ok(vec![Self::Tcp { name, address: Some(address.parse().map_err(wrong)?) }]);
        }
        match host.chars().next() {
            None => Ok(DEFAULT_SOCKETS.map(Self::Socket).into()),
            Some('/') => Ok(vec![Self::Socket(host)]),
            Some('@') => {
                Err(UrlError::parameter("host", "a socket without a file can't be used: name a folder"))
            }
            Some(_) => Ok(vec![Self::Tcp { name: host, address: None }]),
        }
    }
}

/// The passwords of the servers. A passfile may have a different password for each server.
struct Passwords<'a> {
    given: Option<&'a [u8]>,
    file: Option<String>,
    user: Option<&'a str>,
    database: Option<&'a str>,
}

impl<'a> Passwords<'a> {
    fn new(parts: &'a Parts) -> Result<Self, UrlError> {
        let given = parts.bytes(Parameter::Password);
        // As in libpq, the file is not read if the URL has a password.
        let path = parts.text(Parameter::Passfile)?.filter(|_| given.is_none());
        let file = path.map(|path| password_file::read(path.as_ref())).transpose();
        let (user, database) = (parts.text(Parameter::User)?, parts.text(Parameter::Dbname)?);
        Ok(Self { given, file: file.map_err(|why| UrlError::parameter("passfile", why))?, user, database })
    }

    fn set(&self, config: &mut Config, place: &Place<'_>, port: u16) {
        if let Some(password) = self.given {
            config.password(password);
            return;
        }
        let (Some(file), Some(user)) = (&self.file, self.user) else { return };
        let host = match place {
            Place::Tcp { name, .. } => name,
            Place::Socket(path) if DEFAULT_SOCKETS.contains(path) => "localhost",
            Place::Socket(path) => path,
        };
        let login = Login { host, port, database: self.database.unwrap_or(user), user };
        if let Some(password) = password_file::password(file, &login) {
            config.password(password);
        }
    }
}

/// The entries of a comma-separated part. The list is empty if the part is missing.
fn list(parts: &Parts, parameter: Parameter) -> Result<Vec<&str>, UrlError> {
    let entries = parts.text(parameter)?.map(|text| text.split(',').map(str::trim).collect());
    Ok(entries.unwrap_or_default())
}

fn port(text: &str) -> Result<u16, UrlError> {
    // The text may be a part of a password, so the error does not show it.
    let wrong = || UrlError::Malformed("the port in the URL is not a number from 1 to 65535");
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    text.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)
}
