//! Explains why no connection could be made. The texts name the parameters of the URL that may be wrong.

use std::error::Error;
use std::io;

use jiff::Timestamp;
use oasis_core::chain;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use super::verifier::{OUTDATED, is_webpki};

/// Describes why no connection could be made, and what to do about it, in one or two sentences without a
/// final full stop. The text is for the log, and contains no secret.
pub(crate) fn explain(error: &tokio_postgres::Error) -> String {
    if let Some(why) = tls_error(error).and_then(explain_tls) {
        return format!("TLS with the server failed: {why}");
    }
    let text = chain(error);
    match advice(&text) {
        Some(advice) => format!("{text}. {advice}"),
        None => text,
    }
}

/// The error of rustls, if that is the cause.
fn tls_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        // An I/O error does not count the error that it contains as its source.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref()).or(cause.downcast_ref()) {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

fn explain_tls(error: &rustls::Error) -> Option<String> {
    match error {
        rustls::Error::InvalidCertificate(error @ CertificateError::Other(_)) => {
            let is = |expected| is_webpki(&rustls::Error::InvalidCertificate(error.clone()), &expected);
            if is(webpki::Error::UnsupportedCertVersion) {
                return Some(
                    "the server's certificate has version 1 of X.509, which this program can't verify. Issue \
                     a certificate with subjectAltName, or use sslmode=require without sslrootcert"
                        .into(),
                );
            }
            is(webpki::Error::CaUsedAsEndEntity).then(|| {
                "the server uses the certificate of an authority. Name this certificate itself with \
                 sslrootcert"
                    .into()
            })
        }
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::General(text) if text == OUTDATED => Some(OUTDATED.to_owned()),
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate,
        ) => Some(format!(
            "{error}. The server does not accept the certificate of this program. An authority of the \
             server's ssl_ca_file must have signed the certificate that sslcert names"
        )),
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion,
        ) => Some(format!(
            "{error}. The server and this program have no version or cipher of TLS in common. This program \
             needs TLSv1.2 or TLSv1.3; check ssl_min_protocol_version and ssl_max_protocol_version"
        )),
        _ => None,
    }
}

fn explain_certificate(error: &CertificateError) -> Option<String> {
    match error {
        CertificateError::UnknownIssuer => Some(
            "no trusted authority signed the server's certificate. Name the authority's certificate with \
             sslrootcert; the server must send all certificates between that one and its own"
                .into(),
        ),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => Some(
            "the server's certificate has no subjectAltName, and this program does not read the common name. \
             Issue a certificate with subjectAltName, or use sslmode=verify-ca"
                .into(),
        ),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|name| plain_name(name)).collect();
            Some(format!(
                "the server's certificate is for {}, but not for the host in the URL. Name such a host, if \
                 necessary with its address in hostaddr, or use sslmode=verify-ca",
                names.join(", ")
            ))
        }
        CertificateError::ExpiredContext { not_after, .. } => Some(format!(
            "the server's certificate expired at {}. Renew the certificate",
            time(*not_after)
        )),
        CertificateError::NotValidYetContext { not_before, .. } => Some(format!(
            "the server's certificate is not valid before {}. Check the clock of this machine, or renew the \
             certificate",
            time(*not_before)
        )),
        _ => None,
    }
}

/// The name in the text that rustls makes of a name, such as `DnsName("db.example")`.
fn plain_name(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"')
}

fn time(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| format!("second {seconds}"), |time| time.to_string())
}

/// What to do about an error with this text of the driver or of the server. A server that translates its
/// texts may say why without our advice.
fn advice(text: &str) -> Option<&'static str> {
    const ENDED: &str = "The server ended the connection. It does so if it does not accept the certificate \
                         that sslcert names, but a proxy may do so too";
    const ADVICE: [(&str, &str); 7] = [
        (
            "server does not support TLS",
            "Turn on TLS on the server (ssl = on), or allow connections without TLS with sslmode=prefer",
        ),
        (
            "pg_hba.conf",
            "If the server expects this login only with TLS, use sslmode=require or stronger; if it expects \
             the login only without TLS, use sslmode=disable",
        ),
        ("valid client certificate", "Name the files of the certificate and its key with sslcert and sslkey"),
        (
            "did not use channel binding",
            "channel_binding=require needs TLS, and the method scram-sha-256 in the server's pg_hba.conf",
        ),
        // The server sends an alert before it ends the connection, but a failed write may come first.
        ("Broken pipe", ENDED),
        ("Connection reset", ENDED),
        ("tls handshake eof", "sslnegotiation=direct needs PostgreSQL 17 or newer"),
    ];
    ADVICE.into_iter().find(|(known, _)| text.contains(known)).map(|(_, advice)| advice)
}
