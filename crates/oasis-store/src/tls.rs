//! TLS to Postgres, with rustls on ring. As in libpq, `sslmode` decides how much of the server's certificate
//! is verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion, version,
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How much of the server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    /// sslmode `allow`, `prefer`, and `require` without `sslrootcert`: the certificate is not verified, even
    /// if the connection is encrypted.
    Nothing,
    /// `verify-ca`, and `require` with `sslrootcert`: a known authority must have signed the certificate. The
    /// name in the certificate does not matter.
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
    let roots = settings.roots.as_deref();
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match settings.verify {
        Verify::Nothing => Arc::new(Lenient { provider: provider.clone(), authority: None }),
        Verify::Authority => {
            Arc::new(Lenient { provider: provider.clone(), authority: Some(web_pki(&provider, roots)?) })
        }
        Verify::AuthorityAndName => web_pki(&provider, roots)?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(settings.protocols.versions())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificate, key }) => {
            let chain = certificates("sslcert", certificate)?;
            let unusable = |why: &dyn std::fmt::Display| Error::File {
                parameter: "sslkey",
                path: key.clone(),
                why: why.to_string(),
            };
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(&error))?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| unusable(&error))?
        }
    };
    config.enable_sni = settings.sends_name;
    if settings.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

fn web_pki(provider: &Arc<CryptoProvider>, roots: Option<&Path>) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let store = match roots {
        Some(path) => from_file(path)?,
        None => from_system()?,
    };
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|error| Error::Rustls(rustls::Error::General(error.to_string())))
}

fn from_file(path: &Path) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for certificate in certificates("sslrootcert", path)? {
        store.add(certificate).map_err(|error| Error::File {
            parameter: "sslrootcert",
            path: path.to_owned(),
            why: error.to_string(),
        })?;
    }
    Ok(store)
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

/// Verifies that the server has the key of its certificate. With `authority`, this also verifies that a known
/// authority signed the certificate. The name in the certificate is not verified.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    authority: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        match authority.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The chain is verified before the name, so the chain is valid here.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
