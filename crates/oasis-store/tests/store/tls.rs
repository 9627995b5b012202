//! Tests TLS against a real server: which servers and certificates each `sslmode` accepts, what the errors
//! say, and that psql accepts and refuses the same ones. docs/database.md lists the differences.

use std::time::Duration;

use oasis_store::Update;
use rcgen::{CertifiedIssuer, KeyPair, SigningKey, date_time_ymd};
use tokio::time::timeout;
use x509_cert::der::asn1::BitString;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode, Encode, EncodePem};
use x509_cert::{Certificate, Version};

use crate::tls_server::Psql::{Agrees, Differs, Unknown};
use crate::tls_server::{Authority, TlsServer, authority, authority_params, params};
use crate::{client, follow, next, parse, store, until_up};

/// The names of most certificates.
const NAMES: &[&str] = &["localhost", "127.0.0.1"];
const NO_AUTHORITY: &str = "no trusted authority signed the server's certificate. Name the authority's \
                            certificate with sslrootcert";
const VERIFY_FULL: &str = "sslmode=verify-full&sslrootcert=DIR/root.pem";
const VERIFY_CA: &str = "sslmode=verify-ca&sslrootcert=DIR/root.pem";

/// A server whose certificate is for [`NAMES`], the authority that signed the certificate, and its key.
async fn server() -> (TlsServer, Authority, KeyPair) {
    let (root, key) = (authority("Root"), KeyPair::generate().unwrap());
    let server = TlsServer::start(&root).await;
    server.client_file("root.pem", &root.pem());
    server.client_file("other.pem", &authority("Other").pem());
    server.serve(&params("localhost", NAMES).signed_by(&key, &root).unwrap().pem(), &key).await;
    (server, root, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sslmode_accepts_what_psql_accepts() {
    let (server, root, key) = server().await;
    server.client_file("both.pem", &format!("{}{}", authority("Other").pem(), root.pem()));
    server.client_file("empty.pem", "");
    server.client_file("text.pem", "no certificate");
    server.client_file("damaged.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let no_certificate = "can't be used: the file has no certificate in PEM form";
    let damaged = "damaged.pem can't be used: a certificate in the file is damaged";
    let missing = "missing.pem can't be used: I/O error: No such file or directory";
    for (place, query, expected, psql) in [
        ("localhost/postgres", "sslmode=disable", "", Agrees),
        ("localhost/tls", "sslmode=disable", "use sslmode=require or stronger", Agrees),
        ("localhost/tls", "", "", Agrees),
        ("localhost/tls", "sslmode=allow", "", Agrees),
        ("localhost/tls", "sslmode=prefer", "", Agrees),
        ("localhost/tls", "sslmode=require", "", Agrees),
        // A connection that uses TLS is not tried again without TLS.
        ("localhost/plain", "sslmode=prefer", "use sslmode=disable", Differs),
        ("localhost/plain", "sslmode=require", "use sslmode=disable", Agrees),
        ("localhost/plain", "sslmode=disable", "", Agrees),
        // A root certificate is always used.
        ("localhost/tls", "sslmode=require&sslrootcert=DIR/root.pem", "", Agrees),
        ("localhost/tls", "sslmode=require&sslrootcert=DIR/other.pem", NO_AUTHORITY, Agrees),
        ("localhost/tls", "sslmode=prefer&sslrootcert=DIR/root.pem", "", Agrees),
        ("localhost/tls", "sslmode=prefer&sslrootcert=DIR/other.pem", NO_AUTHORITY, Agrees),
        ("localhost/tls", "sslrootcert=DIR/other.pem", NO_AUTHORITY, Agrees),
        ("localhost/postgres", "sslmode=prefer&sslrootcert=DIR/other.pem", NO_AUTHORITY, Differs),
        ("localhost/tls", VERIFY_CA, "", Agrees),
        ("localhost/tls", "sslmode=verify-ca&sslrootcert=DIR/both.pem", "", Agrees),
        ("localhost/tls", "sslmode=verify-ca&sslrootcert=DIR/other.pem", NO_AUTHORITY, Agrees),
        ("localhost/tls", VERIFY_FULL, "", Agrees),
        ("127.0.0.1/tls", VERIFY_FULL, "", Agrees),
        ("localhost/tls", "sslmode=verify-full&sslrootcert=DIR/other.pem", NO_AUTHORITY, Agrees),
        // Without `sslrootcert`, psql looks for a file in the home directory, and finds none here.
        ("localhost/tls", "sslmode=verify-ca", "verify-ca needs sslrootcert=PATH", Agrees),
        ("localhost/tls", "sslmode=verify-full", NO_AUTHORITY, Agrees),
        ("localhost/tls", "sslrootcert=system", NO_AUTHORITY, Unknown),
        ("localhost/tls", "sslmode=verify-full&sslrootcert=DIR/missing.pem", missing, Agrees),
        ("localhost/tls", "sslmode=require&sslrootcert=DIR/missing.pem", missing, Differs),
        ("localhost/tls", "sslmode=verify-ca&sslrootcert=DIR/empty.pem", no_certificate, Agrees),
        ("localhost/tls", "sslmode=verify-ca&sslrootcert=DIR/text.pem", no_certificate, Agrees),
        ("localhost/tls", "sslmode=verify-ca&sslrootcert=DIR/damaged.pem", damaged, Agrees),
        ("localhost/tls", "sslmode=prefer&sslrootcert=DIR/damaged.pem", damaged, Agrees),
        ("localhost/tls", "sslmode=require&ssl_max_protocol_version=TLSv1.2", "", Agrees),
        ("localhost/tls", "sslmode=require&ssl_min_protocol_version=TLSv1.3", "", Agrees),
        ("localhost/tls", "sslmode=require&channel_binding=require", "", Agrees),
        ("localhost/postgres", "channel_binding=require", "the method scram-sha-256", Agrees),
        ("localhost/postgres", "sslmode=disable&channel_binding=require", "needs TLS", Agrees),
    ] {
        server.check(place, query, expected, psql).await;
    }
    server.settings("ssl_min_protocol_version = 'TLSv1.3'");
    server.serve(&params("localhost", NAMES).signed_by(&key, &root).unwrap().pem(), &key).await;
    let old = "sslmode=require&ssl_max_protocol_version=TLSv1.2";
    server.check("localhost/tls", old, "have no version or cipher of TLS in common", Agrees).await;
    server.check("localhost/tls", "sslmode=require", "", Agrees).await;
    server.settings("ssl = off");
    server.serve("", &key).await;
    server.check("localhost/postgres", "sslmode=require", "Turn on TLS on the server", Agrees).await;
    server.check("localhost/postgres", "", "", Agrees).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_verify_full_needs_the_name_and_expired_certificates_are_refused() {
    let (server, root, key) = server().await;
    let elsewhere = format!("{VERIFY_FULL}&hostaddr=127.0.0.1");
    server.check("db.example/tls", &elsewhere, "is for localhost, 127.0.0.1, but not for", Agrees).await;
    let serve = async |names: &[&str], years: std::ops::Range<i32>| {
        let mut params = params("localhost", names);
        (params.not_before, params.not_after) =
            (date_time_ymd(years.start, 1, 1), date_time_ymd(years.end, 1, 1));
        server.serve(&params.signed_by(&key, &root).unwrap().pem(), &key).await;
    };
    let valid = 2020..3000;

    serve(&["db.example", "*.db.example"], valid.clone()).await;
    let other_name = "the server's certificate is for db.example, *.db.example, but not for the host in the \
                      URL. Name such a host, if necessary with its address in hostaddr, or use \
                      sslmode=verify-ca";
    for (place, query, expected) in [
        ("localhost/tls", VERIFY_FULL, other_name),
        ("localhost/tls", VERIFY_CA, ""),
        ("localhost/tls", "sslmode=require", ""),
        ("db.example/tls", &*elsewhere, ""),
        ("a.db.example/tls", &*elsewhere, ""),
        ("DB_1.db.example/tls", &*elsewhere, ""),
        ("a.b.db.example/tls", &*elsewhere, other_name),
    ] {
        server.check(place, query, expected, Agrees).await;
    }

    serve(&["localhost"], valid.clone()).await;
    server.check("127.0.0.1/tls", VERIFY_FULL, "is for localhost, but not for", Agrees).await;

    serve(&[], valid).await;
    let no_name = "has no subjectAltName, and this program does not read the common name. Issue a \
                   certificate with subjectAltName, or use sslmode=verify-ca";
    server.check("localhost/tls", VERIFY_FULL, no_name, Differs).await;
    server.check("localhost/tls", VERIFY_CA, "", Agrees).await;

    serve(NAMES, 2020..2021).await;
    let expired = "the server's certificate expired at 2021-01-01T00:00:00Z. Renew the certificate";
    for query in [VERIFY_CA, VERIFY_FULL, "sslmode=require&sslrootcert=DIR/root.pem"] {
        server.check("localhost/tls", query, expired, Agrees).await;
    }
    server.check("localhost/tls", "sslmode=require", "", Agrees).await;

    serve(NAMES, 3000..3001).await;
    let early = "is not valid before 3000-01-01T00:00:00Z. Check the clock of this machine";
    for query in [VERIFY_CA, VERIFY_FULL] {
        server.check("localhost/tls", query, early, Agrees).await;
    }
    server.check("localhost/tls", "sslmode=require", "", Agrees).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_authorities_and_a_self_signed_certificate_are_verified() {
    let (server, root, key) = server().await;
    let between = authority_params("Between");
    let between = CertifiedIssuer::signed_by(between, KeyPair::generate().unwrap(), &root).unwrap();
    server.client_file("between.pem", &between.pem());
    let certificate = params("localhost", NAMES).signed_by(&key, &between).unwrap().pem();
    let own = "sslmode=verify-full&sslrootcert=DIR/own.pem";
    let own_authority = "sslmode=verify-ca&sslrootcert=DIR/own.pem";

    server.serve(&format!("{certificate}{}", between.pem()), &key).await;
    for (query, expected, psql) in [
        (VERIFY_FULL, "", Agrees),
        ("sslmode=verify-full&sslrootcert=DIR/other.pem", NO_AUTHORITY, Agrees),
        // Every certificate of the file is trusted. libpq trusts only those that signed themselves.
        ("sslmode=verify-full&sslrootcert=DIR/between.pem", "", Differs),
    ] {
        server.check("localhost/tls", query, expected, psql).await;
    }
    server.serve(&certificate, &key).await;
    server.check("localhost/tls", VERIFY_FULL, "must send all certificates between", Agrees).await;

    // An authority that has expired signs nothing, and neither does a certificate that only names a server.
    let mut expired = authority_params("Expired");
    expired.not_after = date_time_ymd(2021, 1, 1);
    for (signer, why) in [
        (expired, "an authority that sslrootcert names has expired"),
        (params("localhost", NAMES), NO_AUTHORITY),
    ] {
        let signer = CertifiedIssuer::self_signed(signer, KeyPair::generate().unwrap()).unwrap();
        server.client_file("own.pem", &signer.pem());
        server.serve(&params("localhost", NAMES).signed_by(&key, &signer).unwrap().pem(), &key).await;
        for query in [own, own_authority] {
            server.check("localhost/tls", query, why, Agrees).await;
        }
    }

    // A self-signed certificate may also be that of an authority. `openssl req -x509` makes such
    // certificates.
    for is_authority in [false, true] {
        let sign = |names: &[&str], until: i32| {
            let mut params = params("localhost", names);
            params.not_after = date_time_ymd(until, 1, 1);
            if is_authority {
                params.is_ca = authority_params("").is_ca;
            }
            let signed = params.self_signed(&key).unwrap().pem();
            server.client_file("own.pem", &signed);
            signed
        };
        server.serve(&sign(NAMES, 3000), &key).await;
        server.check("localhost/tls", "sslmode=require", "", Agrees).await;
        server.check("localhost/tls", own_authority, "", Agrees).await;
        server.check("localhost/tls", own, "", Agrees).await;
        let named = if is_authority { "Name this certificate itself with sslrootcert" } else { NO_AUTHORITY };
        server.check("localhost/tls", VERIFY_FULL, named, Agrees).await;
        server.serve(&sign(&["db.example"], 3000), &key).await;
        server.check("localhost/tls", own_authority, "", Agrees).await;
        server.check("localhost/tls", own, "is for db.example, but not for", Agrees).await;
        server.serve(&sign(NAMES, 2021), &key).await;
        server.check("localhost/tls", own_authority, "expired at 2021-01-01", Agrees).await;
        server.check("localhost/tls", own, "expired at 2021-01-01", Agrees).await;
    }
}

/// `openssl x509 -req` of OpenSSL 3.0 makes such certificates, and the documentation of PostgreSQL uses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_version_1_encrypts_but_is_not_verified() {
    let (server, root, key) = server().await;
    let signed = params("localhost", &[]).signed_by(&key, &root).unwrap();
    let mut certificate = Certificate::from_der(signed.der()).unwrap();
    (certificate.tbs_certificate.version, certificate.tbs_certificate.extensions) = (Version::V1, None);
    let signature = root.key().sign(&certificate.tbs_certificate.to_der().unwrap()).unwrap();
    certificate.signature = BitString::from_bytes(&signature).unwrap();
    server.serve(&certificate.to_pem(LineEnding::LF).unwrap(), &key).await;
    let version_1 = "has version 1 of X.509, which this program can't verify. Issue a certificate with \
                     subjectAltName, or use sslmode=require without sslrootcert";
    for (query, expected, psql) in [
        ("", "", Agrees),
        ("sslmode=require", "", Agrees),
        ("sslmode=require&channel_binding=require", "", Agrees),
        ("sslmode=require&ssl_max_protocol_version=TLSv1.2", version_1, Differs),
        (VERIFY_CA, version_1, Differs),
        (VERIFY_FULL, version_1, Differs),
    ] {
        server.check("localhost/tls", query, expected, psql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_gets_the_certificate_of_the_client() {
    let (server, root, _) = server().await;
    let key = KeyPair::generate().unwrap();
    server.client_file("client.pem", &params("oasis", &[]).signed_by(&key, &root).unwrap().pem());
    let stranger = params("oasis", &[]).signed_by(&key, &authority("Other")).unwrap();
    server.client_file("stranger.pem", &stranger.pem());
    server.client_file("client.key", &key.serialize_pem());
    server.client_file("other.key", &KeyPair::generate().unwrap().serialize_pem());
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    server.client_file("encrypted.key", encrypted);
    // The error depends on whether the alert of the server arrives before the next write fails.
    let refused = "not accept the certificate";
    for (query, expected) in [
        ("sslmode=require", "Name the files of the certificate and its key with sslcert and sslkey"),
        ("sslmode=require&sslcert=DIR/client.pem&sslkey=DIR/client.key", ""),
        ("sslmode=require&sslcert=DIR/stranger.pem&sslkey=DIR/client.key", refused),
        (
            "sslmode=require&sslcert=DIR/stranger.pem&sslkey=DIR/client.key&ssl_max_protocol_version=TLSv1.2",
            refused,
        ),
        (
            "sslmode=require&sslcert=DIR/client.pem&sslkey=DIR/other.key",
            "other.key can't be used: the key does not belong to the certificate that sslcert names",
        ),
        (
            "sslmode=require&sslcert=DIR/client.pem&sslkey=DIR/encrypted.key",
            "encrypted.key can't be used: the file has no private key in PEM form. An encrypted key must be \
             decrypted first",
        ),
        (
            "sslmode=require&sslcert=DIR/client.key&sslkey=DIR/client.key",
            "client.key can't be used: the file has no certificate in PEM form",
        ),
        ("sslmode=require&sslcert=DIR/missing.pem&sslkey=DIR/client.key", "missing.pem can't be used"),
        ("sslmode=require&sslcert=DIR/client.pem&sslkey=DIR/missing.key", "missing.key can't be used"),
    ] {
        server.check("localhost/certificate", query, expected, Agrees).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_of_a_service_uses_tls() {
    let (server, ..) = server().await;
    let in_plain = server.url("127.0.0.1/postgres", "sslmode=disable");
    let admin = client(&in_plain).await;
    let url = server.url("localhost/postgres", VERIFY_FULL);
    oasis_store::migrate(&parse(&url)).await.unwrap();
    let store = store(&url);
    // The tail listens on one connection, and tests LISTEN from another one.
    let mut updates = follow(store.tail());
    until_up(&mut updates).await;
    let appender = store.appender().unwrap();
    appender.append(vec![crate::new("DEV-TEST-0001", None)], tokio::time::Instant::now()).await.unwrap();
    let sessions = "SELECT count(*), count(*) FILTER (WHERE s.ssl) FROM pg_stat_activity AS a \
                    JOIN pg_stat_ssl AS s USING (pid) WHERE a.application_name = 'test'";
    let row = admin.query_one(sessions, &[]).await.unwrap();
    let (all, encrypted): (i64, i64) = (row.get(0), row.get(1));
    assert!(all >= 3 && all == encrypted, "{encrypted} of {all} sessions use TLS");

    // The message that cancels an abandoned read uses TLS too.
    let locker = client(&in_plain).await;
    locker.batch_execute("BEGIN; LOCK TABLE oasis_feed_state IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waiting = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                   WHERE NOT granted AND application_name = 'test'";
    let count = async || admin.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0);
    let read = tokio::spawn(async move { store.head().await });
    while count().await == 0 {}
    read.abort();
    while count().await == 1 {}

    // A tail that can't verify the server says so.
    let mut updates = follow(crate::store(&server.url("localhost/postgres", "sslmode=verify-full")).tail());
    let down = timeout(Duration::from_secs(20), next(&mut updates)).await.unwrap();
    assert!(matches!(&down, Update::Down(why) if why.contains(NO_AUTHORITY)), "{down:?}");
}
