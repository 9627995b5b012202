//! Tests of the parsing of database URLs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, Host, SslMode, SslNegotiation};

use super::DatabaseUrl;
use crate::tls::{Identity, Protocols, Verify};

fn parse(url: &str) -> DatabaseUrl {
    url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// The settings of the first server.
fn first(url: &str) -> tokio_postgres::Config {
    parse(url).servers.configs()[0].clone()
}

/// The hosts, addresses and ports of the servers, as text.
fn servers(url: &str) -> Vec<String> {
    let place = |config: &tokio_postgres::Config| {
        let host = match &config.get_hosts()[0] {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        let address =
            config.get_hostaddrs().first().map_or_else(String::new, |address| format!("={address}"));
        format!("{host}{address} {}", config.get_ports()[0])
    };
    parse(url).servers.configs().iter().map(place).collect()
}

#[test]
fn each_server_has_its_own_host_and_port() {
    for (url, expected) in [
        ("postgres://h/d", vec!["h 5432"]),
        ("postgres://h1:1,h2,[::1]:3/d", vec!["h1 1", "h2 5432", "::1 3"]),
        ("postgres://h1,h2/d?port=6543", vec!["h1 6543", "h2 6543"]),
        ("postgres://h1,h2/d?port=1,2", vec!["h1 1", "h2 2"]),
        ("postgres://h/d?port=6543", vec!["h 6543"]),
        ("postgres://u@/d?host=/run/pg&port=6543", vec!["/run/pg 6543"]),
        ("postgres://u@:6543/d?host=/run/pg", vec!["/run/pg 6543"]),
        ("postgres://u@%2Frun%2Fpg:6543/d", vec!["/run/pg 6543"]),
        ("postgres://h,%2Frun%2Fpg/d", vec!["h 5432", "/run/pg 5432"]),
        ("postgres:///d", vec!["/var/run/postgresql 5432", "/tmp 5432"]),
        ("postgres://h/d?hostaddr=10.0.0.3", vec!["h=10.0.0.3 5432"]),
        ("postgres:///d?hostaddr=10.0.0.3,::1&port=7", vec!["10.0.0.3=10.0.0.3 7", "::1=::1 7"]),
        ("postgres://a,b/d?hostaddr=10.0.0.3,", vec!["a=10.0.0.3 5432", "b 5432"]),
    ] {
        assert_eq!(servers(url), expected, "{url}");
    }
    for bad in [
        "postgres://h1,h2,h3/d?port=1,2",
        "postgres://h:0/d",
        "postgres://h:70000/d",
        "postgres://h:x/d",
        "postgres://h/d?hostaddr=h",
        "postgres://h/d?hostaddr=10.0.0.3,10.0.0.4",
        "postgres://%40abstract/d",
    ] {
        assert!(bad.parse::<DatabaseUrl>().is_err(), "{bad}");
    }
}

#[test]
fn a_socket_in_the_host_or_in_a_parameter_is_used_without_tls() {
    for url in [
        "postgres://u:p%40@%2Fcloudsql%2Facme%3Aeu%3Adb/d?sslmode=require",
        "postgres://u:p%40@/d?host=/cloudsql/acme:eu:db&sslmode=prefer",
        "postgres:///d?sslmode=prefer&host=%2Fcloudsql%2Facme%3Aeu%3Adb&user=u&password=p%40",
        "postgres://h,%2Fcloudsql%2Facme%3Aeu%3Adb/d?sslmode=require&user=u&password=p%40",
    ] {
        let url = parse(url);
        let config = url.servers.configs().last().unwrap();
        assert_eq!(config.get_hosts(), [Host::Unix("/cloudsql/acme:eu:db".into())], "{url:?}");
        assert_eq!((config.get_dbname(), config.get_user()), (Some("d"), Some("u")));
        assert_eq!(config.get_password(), Some(&b"p@"[..]));
        assert_eq!(config.get_ssl_mode(), SslMode::Disable);
    }
}

#[test]
fn a_plus_sign_means_no_space() {
    let config = first("postgres://a+b:c+d@h/e+f?application_name=my%20app&options=-c%20search_path=x+y");
    assert_eq!((config.get_user(), config.get_dbname()), (Some("a+b"), Some("e+f")));
    assert_eq!(config.get_password(), Some(&b"c+d"[..]));
    assert_eq!(config.get_application_name(), Some("my app"));
    assert_eq!(config.get_options(), Some("-c search_path=x+y"));
}

#[test]
fn the_service_names_its_sessions_unless_the_url_does() {
    let named = |url: &str| parse(url).named("gateway-feed").configs()[0].clone();
    let name = |url: &str| named(url).get_application_name().map(str::to_owned);
    assert_eq!(name("postgres://h?application_name=mine").as_deref(), Some("mine"));
    assert_eq!(name("postgres://h?fallback_application_name=psql").as_deref(), Some("gateway-feed"));
}

#[test]
fn the_time_limits_of_the_url_replace_those_of_the_program() {
    let config = first("postgres://h");
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(5)));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(20)));
    assert_eq!((config.get_keepalives(), config.get_keepalives_idle()), (true, Duration::from_secs(30)));
    let config = first(
        "postgres://h?connect_timeout=15&tcp_user_timeout=1500&keepalives=1&keepalives_idle=7\
         &keepalives_interval=3&keepalives_count=4",
    );
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(15)));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!((config.get_keepalives(), config.get_keepalives_idle()), (true, Duration::from_secs(7)));
    assert_eq!(config.get_keepalives_interval(), Some(Duration::from_secs(3)));
    assert_eq!(config.get_keepalives_retries(), Some(4));
    // As in libpq, 0 means the default, and the time limit of a connection is at least 2 s.
    let config = first("postgres://h?connect_timeout=0&tcp_user_timeout=0&keepalives=0&keepalives_idle=0");
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(5)));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(20)));
    assert!(!config.get_keepalives());
    assert_eq!(first("postgres://h?connect_timeout=1").get_connect_timeout(), Some(&Duration::from_secs(2)));
    // A server that does not answer leaves time for the other servers.
    for (url, each, all) in [
        ("postgres://h1,h2", 2_500, 5),
        ("postgres://h1,h2,h3", 2_000, 6),
        ("postgres://h1,h2?connect_timeout=8", 8_000, 16),
        ("postgres://h1,h2?connect_timeout=8&target_session_attrs=prefer-standby", 8_000, 18),
        ("postgres:///d", 2_500, 5),
    ] {
        let servers = parse(url).servers;
        let limit = servers.configs()[0].get_connect_timeout().copied();
        assert_eq!(limit, Some(Duration::from_millis(each)), "{url}");
        assert_eq!(servers.connect_within(), Duration::from_secs(all), "{url}");
    }
    let error = "postgres://h?keepalives_idle=soon".parse::<DatabaseUrl>().unwrap_err().to_string();
    assert!(error.starts_with("keepalives_idle: "), "{error}");
}

#[test]
fn values_of_libpq_are_accepted_and_other_values_are_refused() {
    for value in ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] {
        parse(&format!("postgres://h1,h2/d?target_session_attrs={value}"));
    }
    for query in [
        "load_balance_hosts=random",
        "load_balance_hosts=disable",
        "client_encoding=LATIN1",
        "client_encoding=auto",
        "gssencmode=prefer",
        "krbsrvname=postgres",
        "sslcompression=0",
        "sslcertmode=allow",
        "ssl_max_protocol_version=TLSv1.3",
        "ssl=true",
    ] {
        parse(&format!("postgres://h/d?{query}"));
    }
    for (name, value) in [
        ("target_session_attrs", "master"),
        ("target_session_attrs", ""),
        ("sslmode", ""),
        ("load_balance_hosts", "yes"),
        ("channel_binding", "maybe"),
        ("sslnegotiation", "fast"),
        ("ssl_min_protocol_version", "SSLv3"),
        ("ssl", "false"),
    ] {
        let url = format!("postgres://h/d?{name}={value}");
        let error = url.parse::<DatabaseUrl>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
    }
    let config = first("postgres://h/d?channel_binding=require");
    assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
}

#[test]
fn sslmode_works_as_in_libpq_and_errors_show_no_password() {
    let parse = |query: &str| format!("postgres://u:secret@h/d{query}").parse::<DatabaseUrl>();
    for (query, mode, verify) in [
        ("", SslMode::Prefer, Verify::Nothing),
        ("?sslmode=disable", SslMode::Disable, Verify::Nothing),
        ("?sslmode=require", SslMode::Require, Verify::Nothing),
        ("?ssl=true", SslMode::Require, Verify::Nothing),
        ("?sslmode=require&sslrootcert=/ca.pem", SslMode::Require, Verify::Authority),
        ("?sslmode=prefer&sslrootcert=/ca.pem", SslMode::Prefer, Verify::Authority),
        ("?sslrootcert=/ca.pem", SslMode::Prefer, Verify::Authority),
        ("?sslmode=verify-ca&sslrootcert=/ca.pem", SslMode::Require, Verify::Authority),
        ("?sslmode=verify-full&sslrootcert=system", SslMode::Require, Verify::AuthorityAndName),
        ("?sslrootcert=system", SslMode::Require, Verify::AuthorityAndName),
        ("?pgbouncer=true&application_name=x", SslMode::Prefer, Verify::Nothing),
    ] {
        let url = parse(query).unwrap();
        assert_eq!((url.servers.configs()[0].get_ssl_mode(), url.tls.verify), (mode, verify), "{query}");
        assert!(!format!("{url:?}").contains("secret"));
    }
    let weak = ["disable", "allow", "prefer", "require", "verify-ca"];
    let weak = weak.map(|mode| format!("?sslmode={mode}&sslrootcert=system"));
    for bad in weak.iter().map(String::as_str).chain(["?sslmode=maybe", "?sslmode=verify-ca", "?nonsense=1"])
    {
        let error = parse(bad).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    for bad in ["postgres://app:12/secret@db/app", "postgres://u:p/secret@h/d", "postgres://u:5/d?Secret@h"] {
        let error = bad.parse::<DatabaseUrl>().map_or_else(|error| error.to_string(), |_| String::new());
        assert!(!error.to_lowercase().contains("secret"), "{error}");
    }
}

#[test]
fn a_client_certificate_is_used_with_its_key_and_never_dropped_silently() {
    let tls = |query: &str| format!("postgres://h/d?{query}").parse::<DatabaseUrl>().map(|url| url.tls);
    let identity = Identity { certificate: "/c.pem".into(), key: "/k.pem".into() };
    assert_eq!(tls("sslcert=/c.pem&sslkey=/k.pem").unwrap().identity, Some(identity));
    assert_eq!(tls("sslcert=/c.pem&sslkey=/k.pem&sslcertmode=disable").unwrap().identity, None);
    for (query, named) in [
        ("sslcert=/c.pem", "sslcert: "),
        ("sslkey=/k.pem", "sslkey: "),
        ("sslcert=/c.pem&sslkey=/k.pem&sslcertmode=require", "sslcertmode: "),
        ("sslcertmode=maybe", "sslcertmode: "),
    ] {
        let error = tls(query).unwrap_err().to_string();
        assert!(error.starts_with(named), "{error}");
    }
    let missing = parse("postgres://h/d?sslcert=/nowhere/c.pem&sslkey=/nowhere/k.pem");
    let error = missing.tls().err().unwrap().to_string();
    assert!(error.starts_with("sslcert /nowhere/c.pem can't be used"), "{error}");
}

#[test]
fn tls_obeys_the_versions_the_name_and_the_negotiation_of_the_url() {
    let tls = |query: &str| format!("postgres://h/d?{query}").parse::<DatabaseUrl>().map(|url| url.tls);
    for (query, protocols) in [
        ("", Protocols::Both),
        ("ssl_min_protocol_version=TLSv1", Protocols::Both),
        ("ssl_min_protocol_version=TLSv1.3", Protocols::Tls13),
        ("ssl_max_protocol_version=TLSv1.2", Protocols::Tls12),
    ] {
        assert_eq!(tls(query).unwrap().protocols, protocols, "{query}");
    }
    assert!(tls("ssl_max_protocol_version=TLSv1.1").is_err());
    assert!(tls("ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2").is_err());
    assert!(tls("sslsni=1").unwrap().sends_name && !tls("sslsni=0").unwrap().sends_name);
    let direct = parse("postgres://h/d?sslmode=require&sslnegotiation=direct");
    assert_eq!(direct.servers.configs()[0].get_ssl_negotiation(), SslNegotiation::Direct);
    assert!(direct.tls.direct && tls("sslnegotiation=direct").is_err());
}

/// A file that is removed when this value is dropped.
struct PasswordFile(PathBuf);

impl PasswordFile {
    fn new(name: &str, text: &str, mode: u32) -> Self {
        let path = std::env::temp_dir().join(format!("oasis-{name}-{}", std::process::id()));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Self(path)
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn each_server_has_the_password_that_the_passfile_has_for_it() {
    let file = PasswordFile::new("pgpass", "h1:5432:d:u:one\nlocalhost:*:*:u:socket\n*:7:*:*:seven\n", 0o600);
    let passwords = |url: &str| {
        let url = parse(&format!("{url}passfile={}", file.0.display()));
        let text = |config: &tokio_postgres::Config| {
            config.get_password().map(|password| String::from_utf8(password.to_vec()).unwrap())
        };
        url.servers.configs().iter().map(text).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(passwords("postgres://u@h1,h2,h3:7/d?"), [some("one"), None, some("seven")]);
    assert_eq!(passwords("postgres://u@/d?"), [some("socket"), some("socket")]);
    assert_eq!(passwords("postgres://u:mine@h1/d?"), [some("mine")]);

    let open = PasswordFile::new("pgpass-open", "*:*:*:*:x", 0o644);
    for (path, why) in [(open.0.display().to_string(), "chmod 600"), ("/nowhere".into(), "can't be read")] {
        let error = format!("postgres://u@h/d?passfile={path}").parse::<DatabaseUrl>().unwrap_err();
        assert!(error.to_string().starts_with("passfile: ") && error.to_string().contains(why), "{error}");
    }
}
