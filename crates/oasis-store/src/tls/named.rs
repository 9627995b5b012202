//! [`Named`]: a certificate that `sslrootcert` names. webpki takes only the name and the key of an authority,
//! so this file checks the rest: whether the certificate may sign others, and its dates.

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::{Certificate, TbsCertificate, Version};

/// A certificate that `sslrootcert` names. Times are in seconds since 1970.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) certificate: CertificateDer<'static>,
    not_before: u64,
    not_after: u64,
    /// Whether the certificate may sign others.
    is_authority: bool,
}

impl Named {
    /// Reads a certificate. `None` if it is damaged.
    pub(super) fn read(certificate: CertificateDer<'static>) -> Option<Self> {
        let parsed = Certificate::from_der(&certificate).ok()?.tbs_certificate;
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        let (not_before, not_after) = (parsed.validity.not_before, parsed.validity.not_after);
        let is_authority = is_authority(&parsed)?;
        Some(Self {
            certificate,
            not_before: seconds(not_before),
            not_after: seconds(not_after),
            is_authority,
        })
    }

    /// Checks the dates.
    ///
    /// # Errors
    /// When the certificate has expired, or is not valid yet.
    pub(super) fn check_dates(&self, now: UnixTime) -> Result<(), CertificateError> {
        let time = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        if now.as_secs() < self.not_before {
            return Err(CertificateError::NotValidYetContext {
                time: now,
                not_before: time(self.not_before),
            });
        }
        if now.as_secs() > self.not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after: time(self.not_after) });
        }
        Ok(())
    }

    /// Whether the certificate may sign others now.
    pub(super) fn signs(&self, now: UnixTime) -> bool {
        self.is_authority && self.check_dates(now).is_ok()
    }

    /// Whether the certificate is that of an authority whose dates do not fit.
    pub(super) fn is_outdated(&self, now: UnixTime) -> bool {
        self.is_authority && self.check_dates(now).is_err()
    }
}

/// Whether a certificate may sign others. Version 1 of X.509 has no extensions, which would say so. `None` if
/// an extension is damaged.
fn is_authority(certificate: &TbsCertificate) -> Option<bool> {
    let constraints = certificate.get::<BasicConstraints>().ok()?;
    let usage = certificate.get::<KeyUsage>().ok()?;
    let may_sign = usage.is_none_or(|(_, usage)| usage.key_cert_sign());
    let is_ca = constraints.map_or(certificate.version == Version::V1, |(_, constraints)| constraints.ca);
    Some(is_ca && may_sign)
}
