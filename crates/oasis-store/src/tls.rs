//! TLS to Postgres, with rustls on ring. As in libpq, `sslmode` decides how much of the server's certificate
//! is verified.

mod explain;
mod named;
mod verifier;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(crate) use explain::explain;
use named::Named;
use verifier::{Authorities, Trust, Verifier, authorities};

/// How much of the server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    /// sslmode `allow`, `prefer` and `require` without `sslrootcert`: the certificate is not verified, even
    /// if the connection is encrypted.
    Nothing,
    /// `verify-ca`, and `allow`, `prefer` and `require` with `sslrootcert`: a known authority must have
    /// signed the certificate. The name in the certificate does not matter.
    Authority,
    /// `verify-full`: a known authority must have signed the certificate, and the certificate must be for
    /// this host.
    AuthorityAndName,
}

/// How TLS is used.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    pub(crate) verify: Verify,
    /// The file with the trusted certificates. `None` means the certificates of the system.
    pub(crate) roots: Option<PathBuf>,
    /// The certificate that this program sends if the server asks for one.
    pub(crate) identity: Option<Identity>,
    pub(crate) protocols: Protocols,
    /// Whether the name of the server is sent in clear (SNI).
    pub(crate) sends_name: bool,
    /// Whether TLS begins at once. TLS then announces PostgreSQL's protocol (ALPN).
    pub(crate) direct: bool,
}

/// The files of a client certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The versions of TLS that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocols {
    Tls12,
    Tls13,
    Both,
}

impl Protocols {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        const TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
        const TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
        match self {
            Self::Tls12 => TLS12,
            Self::Tls13 => TLS13,
            Self::Both => rustls::DEFAULT_VERSIONS,
        }
    }
}

/// The reason why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that the URL names can't be used.
    #[error("{parameter} {path} can't be used: {why}")]
    File {
        /// The parameter of the URL.
        parameter: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        why: String,
    },
    /// The system has no trusted certificates.
    #[error(
        "this system has no trusted certificates: install ca-certificates or name a file with sslrootcert"
    )]
    NoRoots,
    /// An error of the TLS library.
    #[error("TLS can't be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

pub(crate) fn connector(settings: &TlsSettings) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(ring::default_provider());
    let trust = match settings.verify {
        Verify::Nothing => None,
        Verify::Authority => Some(trust(&provider, settings.roots.as_deref(), false)?),
        Verify::AuthorityAndName => Some(trust(&provider, settings.roots.as_deref(), true)?),
    };
    let verifier = Arc::new(Verifier { provider: provider.clone(), trust });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(settings.protocols.versions())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificate, key }) => {
            let chain = certificates("sslcert", certificate)?;
            let unusable = |why: String| Error::File { parameter: "sslkey", path: key.clone(), why };
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
                pem::Error::NoItemsFound => unusable(
                    "the file has no private key in PEM form. An encrypted key must be decrypted first"
                        .into(),
                ),
                error => unusable(error.to_string()),
            })?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    unusable("the key does not belong to the certificate that sslcert names".into())
                }
                error => unusable(error.to_string()),
            })?
        }
    };
    config.enable_sni = settings.sends_name;
    if settings.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

/// Trusts the certificates in the file `roots`, or else those of the system.
fn trust(provider: &Arc<CryptoProvider>, roots: Option<&Path>, checks_name: bool) -> Result<Trust, Error> {
    let authorities = match roots {
        Some(path) => Authorities::Named(named(path)?),
        None => Authorities::System(authorities(from_system()?, provider)?),
    };
    Ok(Trust { authorities, checks_name })
}

fn named(path: &Path) -> Result<Vec<Named>, Error> {
    let read = certificates("sslrootcert", path)?.into_iter().map(Named::read);
    read.collect::<Option<_>>().ok_or_else(|| Error::File {
        parameter: "sslrootcert",
        path: path.to_owned(),
        why: "a certificate in the file is damaged".into(),
    })
}

/// The certificates in a file. There is at least one.
fn certificates(parameter: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unusable = |why: String| Error::File { parameter, path: path.to_owned(), why };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("the file has no certificate in PEM form".into()));
    }
    Ok(found)
}

fn from_system() -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() { Err(Error::NoRoots) } else { Ok(store) }
}
