//! Splits a database URL into its parts, by the rules of libpq. These rules differ from those of other URLs:
//! a URL may name several hosts with ports, `+` means a plus sign, and `#` has no meaning.

use std::collections::BTreeMap;

use super::error::UrlError;
use super::parameter::Parameter;

/// The parts of a URL, with their percent-encoding decoded. The values are bytes, because a password may
/// have any encoding. As in libpq, a part with an empty value is left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts(BTreeMap<Parameter, Vec<u8>>);

impl Parts {
    /// Splits a URL.
    pub(super) fn parse(url: &str) -> Result<Self, UrlError> {
        let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"));
        let mut parts = Self::default();
        let rest = parts.credentials(rest.ok_or(UrlError::NotPostgres)?)?;
        let rest = parts.hosts(rest)?;
        // libpq takes everything between the hosts and the first `?` as the name of the database.
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        parts.set(Parameter::Dbname, decoded(path.strip_prefix('/').unwrap_or(path))?);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            parts.parameter(pair)?;
        }
        Ok(parts)
    }

    /// The decoded bytes of a part.
    pub(super) fn bytes(&self, parameter: Parameter) -> Option<&[u8]> {
        self.0.get(&parameter).map(Vec::as_slice)
    }

    /// The text of a part.
    ///
    /// # Errors
    /// When the part is not UTF-8.
    pub(super) fn text(&self, parameter: Parameter) -> Result<Option<&str>, UrlError> {
        let text = self.bytes(parameter).map(std::str::from_utf8).transpose();
        text.map_err(|_| UrlError::parameter(parameter.name(), "expected UTF-8"))
    }

    /// Removes `user:password@` from the front. libpq looks for the `@` before the first slash.
    fn credentials<'a>(&mut self, url: &'a str) -> Result<&'a str, UrlError> {
        let Some(at) = url.find(['@', '/']).filter(|at| url[*at..].starts_with('@')) else { return Ok(url) };
        // A host contains no `@`, so the last `@` before the end of the hosts ends the password.
        let authority = url[at..].find(['/', '?']).map_or(url, |end| &url[..at + end]);
        let at = authority.rfind('@').unwrap_or(at);
        let (user, password) = url[..at].split_once(':').unwrap_or((&url[..at], ""));
        self.set(Parameter::User, decoded(user)?);
        self.set(Parameter::Password, decoded(password)?);
        Ok(&url[at + 1..])
    }

    /// Removes `host:port,host:port` from the front.
    fn hosts<'a>(&mut self, url: &'a str) -> Result<&'a str, UrlError> {
        let (mut hosts, mut ports) = (String::new(), String::new());
        let mut rest = url;
        loop {
            if let Some(inner) = rest.strip_prefix('[') {
                let end = inner.find(']').filter(|end| *end > 0);
                let end = end.ok_or(UrlError::Malformed("the IPv6 address in the URL has no end"))?;
                hosts.push_str(&inner[..end]);
                rest = &inner[end + 1..];
                if !rest.is_empty() && !rest.starts_with([':', '/', '?', ',']) {
                    return Err(UrlError::Malformed("the IPv6 address in the URL is followed by other text"));
                }
            } else {
                let end = rest.find([':', '/', '?', ',']).unwrap_or(rest.len());
                hosts.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            if let Some(after) = rest.strip_prefix(':') {
                let end = after.find(['/', '?', ',']).unwrap_or(after.len());
                ports.push_str(&after[..end]);
                rest = &after[end..];
            }
            let Some(after) = rest.strip_prefix(',') else { break };
            hosts.push(',');
            ports.push(',');
            rest = after;
        }
        self.set(Parameter::Host, decoded(&hosts)?);
        self.set(Parameter::Port, decoded(&ports)?);
        Ok(rest)
    }

    /// Sets one parameter of the query. A later parameter replaces an earlier one.
    fn parameter(&mut self, pair: &str) -> Result<(), UrlError> {
        let no_value = || UrlError::Malformed("the URL has a parameter without a value");
        let (name, value) = pair.split_once('=').ok_or_else(no_value)?;
        let (name, value) = (decoded(name)?, decoded(value)?);
        let name = String::from_utf8(name).unwrap_or_default();
        // Like libpq, this program refuses an empty value, which could mean less security.
        let needs_value = ["sslmode", "channel_binding", "target_session_attrs", "gssencmode"];
        if let Some(name) = needs_value.into_iter().find(|known| value.is_empty() && name == *known) {
            return Err(UrlError::parameter(name, "the value is missing"));
        }
        // Like libpq, this program accepts this form of JDBC.
        let (name, value) = if name == "ssl" && value == b"true" {
            ("sslmode", b"require".to_vec())
        } else {
            (&*name, value)
        };
        if let Some(parameter) = Parameter::find(name, &value)? {
            self.0.remove(&parameter);
            self.set(parameter, value);
        }
        Ok(())
    }

    fn set(&mut self, parameter: Parameter, value: Vec<u8>) {
        if !value.is_empty() {
            self.0.insert(parameter, value);
        }
    }
}

/// Decodes the percent-encoding of `text`.
fn decoded(text: &str) -> Result<Vec<u8>, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        match (digit(), digit()) {
            (Some(0), Some(0)) => return Err(UrlError::Malformed("the URL contains %00")),
            (Some(high), Some(low)) => bytes.extend(u8::try_from(high * 16 + low)),
            _ => return Err(UrlError::Malformed("the URL has a `%` without two hexadecimal digits")),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: [Parameter; 5] =
        [Parameter::User, Parameter::Password, Parameter::Host, Parameter::Port, Parameter::Dbname];

    /// The user, password, hosts, ports and database of a URL, each as text. A missing part is empty.
    fn parts(url: &str) -> [String; 5] {
        let parts = Parts::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        KEYS.map(|key| String::from_utf8(parts.bytes(key).unwrap_or_default().to_vec()).unwrap())
    }

    /// The expected parts are those that `PQconninfoParse` of libpq returns for the same URL.
    #[test]
    fn parts_are_those_of_libpq() {
        for (url, expected) in [
            ("postgres://", ["", "", "", "", ""]),
            ("postgres:///", ["", "", "", "", ""]),
            ("postgresql://u:p@h:1/d", ["u", "p", "h", "1", "d"]),
            ("postgres://h", ["", "", "h", "", ""]),
            ("postgres://@h", ["", "", "h", "", ""]),
            ("postgres://u@", ["u", "", "", "", ""]),
            ("postgres://u:@h/d", ["u", "", "h", "", "d"]),
            ("postgres://:p@h/d", ["", "p", "h", "", "d"]),
            ("postgres://u:p:q@h/d", ["u", "p:q", "h", "", "d"]),
            ("postgres://u:p?q#r@h/d", ["u", "p?q#r", "h", "", "d"]),
            ("postgres://h:/", ["", "", "h", "", ""]),
            ("postgres://:5/d", ["", "", "", "5", "d"]),
            ("postgres://h1:1,h2:2/d", ["", "", "h1,h2", "1,2", "d"]),
            ("postgres://h1:1,h2/d", ["", "", "h1,h2", "1,", "d"]),
            ("postgres://h1,h2/d?port=5", ["", "", "h1,h2", "5", "d"]),
            ("postgres://[::1]:5,h:6/d", ["", "", "::1,h", "5,6", "d"]),
            ("postgres://[::1]/d", ["", "", "::1", "", "d"]),
            ("postgres://%68ost/%64b", ["", "", "host", "", "db"]),
            ("postgres://%2Ftmp,h/d", ["", "", "/tmp,h", ",", "d"]),
            ("postgres://h/d?host=b", ["", "", "b", "", "d"]),
            ("postgres://u@:7/d?host=/tmp", ["u", "", "/tmp", "7", "d"]),
            ("postgres://?host=/tmp&port=6&dbname=e&user=v", ["v", "", "/tmp", "6", "e"]),
            ("postgres://h/d/e", ["", "", "h", "", "d/e"]),
            ("postgres://h/d#f", ["", "", "h", "", "d#f"]),
            ("postgres://h/a+b%20c?user=d+e", ["d+e", "", "h", "", "a+b c"]),
            ("postgres://h?u%73er=v&", ["v", "", "h", "", ""]),
            ("postgres://h/d?user=u&user=", ["", "", "h", "", "d"]),
        ] {
            assert_eq!(parts(url), expected, "{url}");
        }
        // Here, libpq looks for a host `b@h` and does not find it.
        assert_eq!(parts("postgres://u:a@b@h/d?options=x@y"), ["u", "a@b", "h", "", "d"]);
        let raw = Parts::parse("postgres://u:%FF@h").unwrap();
        assert_eq!(raw.bytes(Parameter::Password), Some(&[0xFF][..]));
        assert_eq!(parts("postgres://h?options=-c%20a=b"), ["", "", "h", "", ""]);
    }

    #[test]
    fn a_malformed_url_is_refused_without_showing_its_password() {
        for url in [
            "",
            "h:5432",
            "host=h password=hunter2",
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2%zz@h/d",
            "postgres://u:hunter2%0@h/d",
            "postgres://u:hunter2%00@h/d",
            "postgres://u:hunter2@[::1/d",
            "postgres://u:hunter2@[]/d",
            "postgres://u:hunter2@[::1]x/d",
            "postgres://h/d?hunter2",
            "postgres://u:1/d?Hunter2=@h/d",
        ] {
            let error = Parts::parse(url).unwrap_err().to_string();
            assert!(!error.to_lowercase().contains("hunter"), "{error}");
        }
    }

    /// Encodes the bytes of `text` for which `plain` is false.
    fn encoded(text: &str, plain: impl Fn(u8) -> bool) -> String {
        let encode =
            |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(encode).collect()
    }

    proptest! {
        /// The parts of a generated URL are the parts from which it was made, however much is encoded.
        #[test]
        fn the_parts_of_a_url_are_those_that_it_was_made_from(
            user in "[^\0]{0,12}",
            password in "[^\0]{0,12}",
            hosts in prop::collection::vec(
                ("[a-z0-9.-]{1,9}|/[a-z/. +]{1,9}|[0-9a-f:]{2,9}", "[0-9]{0,5}"), 1..4),
            database in "[^\0]{0,12}",
            everything in any::<bool>(),
            in_query in any::<[bool; 4]>(),
        ) {
            // Letters, digits and a plus may stand for themselves in each part.
            let plain = |byte: u8| !everything && (byte.is_ascii_alphanumeric() || b"+.-_~".contains(&byte));
            let in_url = |text: &str| encoded(text, plain);
            let mut query = Vec::new();
            let mut either = |nth: usize, name: &str, text: &str, in_place: String| {
                if in_query[nth] {
                    query.push(format!("{}={}", in_url(name), in_url(text)));
                    return String::new();
                }
                in_place
            };
            let user_part = either(0, "user", &user, in_url(&user));
            let password_part = either(1, "password", &password, format!(":{}", in_url(&password)));
            let database_part = either(2, "dbname", &database, in_url(&database));
            let names = hosts.iter().map(|(host, _)| host.as_str()).collect::<Vec<_>>().join(",");
            let ports = hosts.iter().map(|(_, port)| port.as_str()).collect::<Vec<_>>().join(",");
            let host_part = hosts.iter().map(|(host, port)| {
                let host = if host.contains(':') { format!("[{host}]") } else { in_url(host) };
                if port.is_empty() { host } else { format!("{host}:{port}") }
            }).collect::<Vec<_>>().join(",");
            let host_part = either(3, "host", &names, host_part);
            if in_query[3] {
                query.push(format!("port={}", in_url(&ports)));
            }
            let url = format!(
                "postgres://{user_part}{password_part}@{host_part}/{database_part}?{}",
                query.join("&")
            );
            prop_assert_eq!(parts(&url), [user, password, names, ports, database], "{}", url);
        }
    }
}
