//! [`Verifier`]: verifies the server's certificate as far as the `sslmode` of the URL demands.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use super::named::Named;

/// The error for a certificate that no valid authority of `sslrootcert` signed.
pub(super) const OUTDATED: &str = "no valid authority signed the server's certificate, and an authority that \
                                   sslrootcert names has expired or is not valid yet. Renew the authority's \
                                   certificate";

/// Verifies that the server has the key of its certificate. With [`Trust`], this also verifies the
/// certificate.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) trust: Option<Trust>,
}

/// The certificates that are trusted, and what a server's certificate must prove.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) authorities: Authorities,
    /// Whether the server's certificate must be for the host of the URL.
    pub(super) checks_name: bool,
}

#[derive(Debug)]
pub(super) enum Authorities {
    System(Arc<WebPkiServerVerifier>),
    /// The certificates of `sslrootcert`.
    Named(Vec<Named>),
}

/// Verifies certificates that the authorities in `store` signed.
///
/// # Errors
/// When `store` is empty.
pub(super) fn authorities(
    store: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
    builder.build().map_err(|error| Error::General(error.to_string()))
}

impl Verifier {
    /// The authorities of `named` that may sign certificates now.
    fn signing(&self, named: &[Named], now: UnixTime) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let mut store = RootCertStore::empty();
        for one in named.iter().filter(|one| one.signs(now)) {
            store.add(one.certificate.clone())?;
        }
        if store.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        authorities(store, &self.provider)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trust) = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        let authorities = match &trust.authorities {
            Authorities::System(authorities) => Ok(authorities.clone()),
            Authorities::Named(named) => {
                // As in libpq, `sslrootcert` can name the server's certificate itself, even if that is the
                // certificate of an authority: `openssl req -x509` makes such certificates.
                if let Some(own) = named.iter().find(|one| one.certificate == *end_entity) {
                    let parsed = ParsedCertificate::try_from(end_entity)?;
                    own.check_dates(now)?;
                    if trust.checks_name {
                        verify_server_name(&parsed, server_name)?;
                    }
                    return Ok(ServerCertVerified::assertion());
                }
                self.signing(named, now)
            }
        };
        let verdict = authorities.and_then(|authorities| {
            authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        });
        match (verdict, &trust.authorities) {
            // The chain is verified before the name, so the chain is valid here.
            (
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )),
                _,
            ) if !trust.checks_name => Ok(ServerCertVerified::assertion()),
            (Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)), Authorities::Named(named))
                if named.iter().any(|one| one.is_outdated(now)) =>
            {
                Err(Error::General(OUTDATED.into()))
            }
            (verdict, _) => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        match verify_tls13_signature(message, cert, dss, algorithms) {
            // `openssl x509 -req` of OpenSSL 3.0 makes certificates of version 1, which webpki can't read.
            // Here only the key matters. `verify_server_cert` has refused such a certificate if the
            // certificate itself had to be verified.
            Err(error) if is_webpki(&error, &webpki::Error::UnsupportedCertVersion) => {
                verify_tls13_signature_with_raw_key(message, &public_key(cert)?, dss, algorithms)
            }
            verdict => verdict,
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether `error` is this error of webpki, for which rustls has no variant.
pub(super) fn is_webpki(error: &Error, expected: &webpki::Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<webpki::Error>() == Some(expected)
        }
        _ => false,
    }
}

fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let parsed = Certificate::from_der(certificate);
    let key = parsed.and_then(|certificate| certificate.tbs_certificate.subject_public_key_info.to_der());
    key.map(SubjectPublicKeyInfoDer::from).map_err(|_| CertificateError::BadEncoding.into())
}
