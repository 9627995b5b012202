//! [`TlsServer`]: a PostgreSQL with TLS and the certificates for it, to which the tests connect as a service
//! would, and as psql would.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use oasis_postgres::testing::{self, TestCluster};
use oasis_store::{DatabaseArgs, DatabaseUrl, Store};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use url::Url;

/// The rules of the server. The login to `tls` needs TLS and SCRAM. The login to `plain` is refused if the
/// connection uses TLS. The login to `certificate` needs a certificate.
const RULES: &str = "\
    hostssl tls all 127.0.0.1/32 scram-sha-256\n\
    hostnossl plain all 127.0.0.1/32 password\n\
    hostssl certificate all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n\
    host postgres all 127.0.0.1/32 password\n";

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

/// What psql does with the URL of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Psql {
    /// psql accepts or refuses the server just as this program does.
    Agrees,
    /// Only one of the two accepts the server. docs/database.md says why.
    Differs,
    /// The result depends on the version of psql.
    Unknown,
}

/// A server with TLS. Its folder also has the files for its clients.
pub(crate) struct TlsServer {
    cluster: Arc<TestCluster>,
    password: String,
}

impl TlsServer {
    /// Starts a server. It accepts the certificates of clients that `authority` signed.
    pub(crate) async fn start(authority: &Authority) -> Self {
        let cluster = Arc::new(testing::cluster().await);
        for name in ["tls", "plain", "certificate"] {
            cluster.create_database(name).await.unwrap();
        }
        let url: Url = cluster.url("postgres").parse().unwrap();
        let this = Self { cluster, password: url.password().unwrap().to_owned() };
        this.server_file("pg_hba.conf", RULES);
        this.server_file("clients.crt", &authority.pem());
        this.settings("");
        this
    }

    /// Changes the settings of the server. [`TlsServer::serve`] restarts it.
    pub(crate) fn settings(&self, more: &str) {
        self.server_file("postgresql.auto.conf", &format!("ssl = on\nssl_ca_file = 'clients.crt'\n{more}\n"));
    }

    /// Restarts the server with a certificate, which may be followed by others, and its key.
    pub(crate) async fn serve(&self, certificates: &str, key: &KeyPair) {
        self.server_file("server.crt", certificates);
        self.server_file("server.key", &key.serialize_pem());
        let cluster = self.cluster.clone();
        let restarted = tokio::task::spawn_blocking(move || {
            cluster.stop().unwrap();
            cluster.restart().unwrap();
        });
        restarted.await.unwrap();
    }

    /// Writes a file of the server, which only the server may read.
    fn server_file(&self, name: &str, text: &str) {
        let data = self.cluster.dir().join("data");
        let owner = fs::metadata(&data).unwrap();
        write(&data.join(name), text);
        chown(data.join(name), Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Writes a file for the clients. In the URLs of the tests, `DIR` stands for its folder.
    pub(crate) fn client_file(&self, name: &str, text: &str) {
        write(&self.cluster.dir().join(name), text);
    }

    /// The URL of a place such as `localhost/tls`.
    pub(crate) fn url(&self, place: &str, query: &str) -> String {
        let (host, database) = place.split_once('/').unwrap();
        let query = query.replace("DIR", &self.cluster.dir().display().to_string());
        let port = self.cluster.port();
        format!("postgres://oasis:{}@{host}:{port}/{database}?{query}", self.password)
    }

    /// Connects with the URL. `expected` is empty if the server must be accepted, and otherwise a part of the
    /// error. The error must not show the password.
    pub(crate) async fn check(&self, place: &str, query: &str, expected: &str, psql: Psql) {
        let url = self.url(place, query);
        let (ours, theirs) = tokio::join!(connect(&url), psql_connects(&url, psql));
        match &ours {
            Ok(()) => assert_eq!(expected, "", "{place}?{query} was accepted"),
            Err(error) => {
                assert!(!expected.is_empty() && error.contains(expected), "{place}?{query}: {error}");
                assert!(!error.contains(&self.password), "{error}");
            }
        }
        match psql {
            Psql::Agrees => assert_eq!(theirs, Some(ours.is_ok()), "psql {place}?{query}"),
            Psql::Differs => assert_eq!(theirs, Some(ours.is_err()), "psql {place}?{query}"),
            Psql::Unknown => {}
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Connects as a service would.
async fn connect(url: &str) -> Result<(), String> {
    let url: DatabaseUrl = url.parse().map_err(|error: oasis_store::UrlError| error.to_string())?;
    let store = Store::new(DatabaseArgs::new(url), "test").map_err(|error| error.to_string())?;
    store.server_facts().await.map(drop).map_err(|error| error.to_string())
}

/// Whether psql connects with the URL. `None` if this is not tried.
async fn psql_connects(url: &str, psql: Psql) -> Option<bool> {
    if psql == Psql::Unknown {
        return None;
    }
    let url = url.to_owned();
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("psql");
        // Neither a variable nor a file of the user may change the result.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nowhere");
        command.args(["--no-psqlrc", "--no-password", "--command=SELECT 1"]).arg(url);
        command
            .stdin(Stdio::null())
            .output()
            .expect("this test needs psql: apt-get install postgresql-client")
    });
    Some(run.await.unwrap().status.success())
}

/// A new authority.
pub(crate) fn authority(name: &str) -> Authority {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A certificate with this common name and these names in subjectAltName.
pub(crate) fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
