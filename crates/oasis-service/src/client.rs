//! The HTTP/1.1 client. It opens one connection to one service, with or without TLS.
//!
//! The client does not follow redirects, because its requests carry a token or a signature that is meant for
//! one server.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, DATE, HOST, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use hyper::http::request;
use hyper::rt::{Read, Write};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::Secret;

/// The time limit for connecting, including TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for a whole answer. Every service answers faster than this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum size of an answer, in bytes.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The reason why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection could not be opened. If the connection was refused, the [`std::io::Error`] is in the
    /// chain of sources.
    #[error("cannot connect to {base} (is the service running, and is the address correct?)")]
    Connect {
        /// The address of the service.
        base: String,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// The whole answer did not arrive in time.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// The answer could not be read to its end, or is too large.
    #[error("the answer cannot be read")]
    Answer(#[source] Box<dyn Error + Send + Sync>),
    /// The token has characters that are not allowed in a header.
    #[error("the token has characters that are not allowed in a header")]
    Token,
}

/// Sends the requests of one connection.
pub type Sender = SendRequest<Full<Bytes>>;

/// The address of a service: http or https, a host, and optionally a port and a path. The path is put in
/// front of the service's own paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base(Url);

impl Base {
    /// Returns a builder for a request to `path` below this address. `path` may contain a query.
    pub fn request(&self, method: Method, path: &str) -> request::Builder {
        let host = self.0.host_str().unwrap_or_default();
        let authority = self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.path()))
            .header(HOST, authority)
            .header(USER_AGENT, concat!("oasis/", env!("CARGO_PKG_VERSION")))
    }

    /// The path that is put in front of the service's own paths, without a trailing slash.
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// Whether the address names this machine.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The port of the address.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(80)
    }

    /// The same address with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        let mut url = self.0.clone();
        // Setting a port fails only for an address without a host, and a `Base` always has a host.
        let _ = url.set_port(Some(port));
        Self(url)
    }
}

/// Adds the scheme to an address that has none, such as `localhost:8080`: http for names of the local network
/// and for IP addresses, and https for all other hosts, because a request may carry a token.
fn with_scheme(text: &str) -> String {
    if text.contains("://") {
        return text.to_owned();
    }
    let plain = format!("http://{text}");
    let local = Url::parse(&plain).is_ok_and(|url| match url.host() {
        Some(Host::Domain(name)) => !name.contains('.') || name.ends_with(".localhost"),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => true,
    });
    if local { plain } else { format!("https://{text}") }
}

impl FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = |why| format!("{why}: expected an address such as http://localhost:8080");
        let url = Url::parse(&with_scheme(text)).map_err(|error| expected(error.to_string()))?;
        let plain = url.username().is_empty() && url.password().is_none();
        match url.scheme() {
            "http" | "https" if plain && url.query().is_none() && url.fragment().is_none() => Ok(Self(url)),
            "http" | "https" => Err(expected("a user name, query or fragment is not allowed".to_owned())),
            _ => Err(expected("only http and https are supported".to_owned())),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Adds the `Authorization` header, if there is a token. The header is marked as sensitive, so that debug
/// output hides the token.
///
/// # Errors
/// When the token has characters that are not allowed in a header.
pub fn authorize(headers: &mut HeaderMap, token: Option<&Secret>) -> Result<(), ClientError> {
    if let Some(token) = token {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| ClientError::Token)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(())
}

/// Connects to a service within 10 s.
///
/// # Errors
/// [`ClientError::Connect`] when the service cannot be reached or has no trusted certificate.
pub async fn connect(base: &Base) -> Result<Sender, ClientError> {
    let connected = match timeout(CONNECT_TIMEOUT, open(&base.0)).await {
        Ok(connected) => connected,
        Err(_) => Err(format!("connecting took more than {} s", CONNECT_TIMEOUT.as_secs()).into()),
    };
    connected.map_err(|source| ClientError::Connect { base: base.to_string(), source })
}

async fn open(url: &Url) -> Result<Sender, Box<dyn Error + Send + Sync>> {
    let host = url.host().ok_or("the address has no host")?;
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = match host {
        Host::Domain(name) => TcpStream::connect((name, port)).await,
        Host::Ipv4(address) => TcpStream::connect((address, port)).await,
        Host::Ipv6(address) => TcpStream::connect((address, port)).await,
    }?;
    stream.set_nodelay(true)?;
    if url.scheme() == "http" {
        return handshake(TokioIo::new(stream)).await;
    }
    let name = match host {
        Host::Domain(name) => ServerName::try_from(name.to_owned())?,
        Host::Ipv4(address) => ServerName::from(std::net::IpAddr::from(address)),
        Host::Ipv6(address) => ServerName::from(std::net::IpAddr::from(address)),
    };
    let stream = TlsConnector::from(tls()?).connect(name, stream).await?;
    handshake(TokioIo::new(stream)).await
}

async fn handshake<T>(io: T) -> Result<Sender, Box<dyn Error + Send + Sync>>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io).await?;
    // The result of this task is not needed, because a caller that waits for an answer or a body gets the
    // connection's errors.
    tokio::spawn(connection);
    Ok(sender)
}

fn tls() -> Result<Arc<ClientConfig>, Box<dyn Error + Send + Sync>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this system has no root certificates: install ca-certificates or set SSL_CERT_FILE".into()
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status of the answer.
    pub status: StatusCode,
    /// The target of the redirect, if the answer is a redirect.
    pub location: Option<String>,
    /// The server's time when it answered, as the header `Date` has it.
    pub date: Option<String>,
    /// The body of the answer.
    pub body: Bytes,
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// When the connection breaks, or the answer does not arrive in time or is too large.
pub async fn exchange(sender: &mut Sender, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
    exchange_up_to(sender, request, MAX_ANSWER_BYTES).await
}

/// Like [`exchange`], but with a limit of `max_bytes` bytes for the answer.
///
/// # Errors
/// When the connection breaks, or the answer does not arrive in time or is too large.
pub async fn exchange_up_to(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
    max_bytes: usize,
) -> Result<Answer, ClientError> {
    let whole = async {
        sender.ready().await?;
        read_up_to(sender.send_request(request).await?, max_bytes).await
    };
    timeout(ANSWER_TIMEOUT, whole).await.unwrap_or(Err(ClientError::Late(ANSWER_TIMEOUT)))
}

/// Reads the body of an answer.
///
/// # Errors
/// When the connection breaks or the answer is too large.
pub async fn read(response: hyper::Response<hyper::body::Incoming>) -> Result<Answer, ClientError> {
    read_up_to(response, MAX_ANSWER_BYTES).await
}

async fn read_up_to(
    response: hyper::Response<hyper::body::Incoming>,
    max_bytes: usize,
) -> Result<Answer, ClientError> {
    let (head, body) = response.into_parts();
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (location, date) = (header(LOCATION), header(DATE));
    let body = Limited::new(body, max_bytes).collect().await.map_err(ClientError::Answer)?;
    Ok(Answer { status: head.status, location, date, body: body.to_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_but_no_user_query_or_fragment() {
        let parse = |text: &str| text.parse::<Base>();
        for good in ["http://localhost:8080", "https://oasis.example/hub/", "http://[::1]:1", "HTTP://h"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["", "ftp://h", "http://u:p@h", "u:p@h", "http://h?x=1", "http://h#x", "http://", "h:port"]
        {
            let message = parse(bad).unwrap_err();
            assert!(message.contains("http://localhost:8080"), "{bad}: {message}");
        }
    }

    #[test]
    fn an_address_without_a_scheme_gets_http_on_the_local_network_and_https_elsewhere() {
        for (text, expected) in [
            ("localhost:18080", "http://localhost:18080"),
            ("localhost", "http://localhost"),
            ("127.0.0.1:8080/hub/", "http://127.0.0.1:8080/hub"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("gateway:8080", "http://gateway:8080"),
            ("oasis.example", "https://oasis.example"),
            ("oasis.example:8443/hub", "https://oasis.example:8443/hub"),
        ] {
            assert_eq!(text.parse::<Base>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn an_address_knows_its_port_and_whether_it_names_this_machine() {
        let of = |text: &str| {
            let base: Base = text.parse().unwrap();
            (base.is_loopback(), base.port())
        };
        assert_eq!(of("localhost:18080"), (true, 18_080));
        assert_eq!(of("http://127.0.0.2"), (true, 80));
        assert_eq!(of("http://[::1]:1"), (true, 1));
        assert_eq!(of("https://oasis.example"), (false, 443));
        let moved = "http://[::1]:1/x".parse::<Base>().unwrap().with_port(2);
        assert_eq!(moved.to_string(), "http://[::1]:2/x");
    }

    #[test]
    fn a_request_names_the_host_and_keeps_the_path_of_the_base() {
        let of = |base: &str| {
            let base: Base = base.parse().unwrap();
            let request = base.request(Method::GET, "/feed?a=b").body(()).unwrap();
            (request.uri().to_string(), request.headers()[HOST].to_str().unwrap().to_owned())
        };
        assert_eq!(of("http://localhost:8080"), ("/feed?a=b".into(), "localhost:8080".into()));
        assert_eq!(of("https://h:443/hub/"), ("/hub/feed?a=b".into(), "h".into()));
        assert_eq!(of("http://[::1]:1"), ("/feed?a=b".into(), "[::1]:1".into()));
    }

    #[test]
    fn debug_output_and_errors_hide_the_token() {
        let mut headers = HeaderMap::new();
        authorize(&mut headers, Some(&Secret::from("s3cret".to_owned()))).unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer s3cret");
        assert!(!format!("{headers:?}").contains("s3cret"));
        let bad = authorize(&mut headers, Some(&Secret::from("s3\ncret".to_owned()))).unwrap_err();
        assert!(!format!("{bad:#}").contains("s3"));
    }
}
