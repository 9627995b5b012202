//! TLS to Postgres, with rustls on ring. As in libpq, `sslmode` decides how much of the server's certificate
//! is verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
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

/// The reason why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file named by `sslrootcert` can't be used.
    #[error("sslrootcert {path} can't be used: {why}")]
    Roots {
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

pub(crate) fn connector(verify: Verify, roots: Option<&Path>) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match verify {
        Verify::Nothing => Arc::new(Lenient { provider: provider.clone(), authority: None }),
        Verify::Authority => {
            Arc::new(Lenient { provider: provider.clone(), authority: Some(web_pki(&provider, roots)?) })
        }
        Verify::AuthorityAndName => web_pki(&provider, roots)?,
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
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
    let refuse = |why: String| Error::Roots { path: path.to_owned(), why };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| refuse(error.to_string()))? {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        store.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    if store.is_empty() { Err(refuse("the file has no certificate in PEM form".into())) } else { Ok(store) }
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
