//! The link of an event: the URL of a page with more information.

use std::fmt;

use url::Url;

use crate::invalid::{Invalid, shown};

/// An absolute http or https URL of at most 2,048 bytes, without a user name or password. It consists of
/// printable ASCII characters, without the space, the backtick and the characters `"<>\^{|}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link(Box<str>);

impl Link {
    /// The maximum length of a link in bytes.
    pub const MAX_BYTES: usize = 2_048;

    /// Parses a URL. A URL that the table accepts is kept unchanged. Any other URL is normalised as in a
    /// browser, and the characters that the table does not accept are percent-encoded.
    ///
    /// # Errors
    /// When the URL is relative, has a scheme other than http and https, contains a user name or password, or
    /// is too long.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if needs_no_parsing(text) {
            return Ok(Self(text.into()));
        }
        let refuse = |why: &str| Err(Invalid::new(format!("{} is not a link: {why}", shown(text))));
        let Ok(url) = Url::parse(text) else { return refuse("expected an absolute http or https URL") };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return refuse("only http and https are allowed");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it must not contain a user name or password");
        }
        let as_given = is_storable(text).then(|| text.into());
        let Some(link) = as_given.or_else(|| encode(url.as_str())) else {
            return refuse("expected an absolute http or https URL");
        };
        if link.len() <= Self::MAX_BYTES {
            Ok(Self(link.into()))
        } else {
            refuse("at most 2048 bytes are allowed")
        }
    }

    /// Makes a link from text that was read from the table. The text is not checked, because the table's
    /// CHECK constraint enforces the rules for the scheme, the user name, the length and the characters.
    pub fn stored(text: String) -> Self {
        Self(text.into())
    }

    /// The URL's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a stored link may contain `byte`. The table's CHECK constraint enforces the same rule.
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Whether the table accepts `text` as a link. This function does not check the length.
fn is_storable(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('@'))
        && text.bytes().all(is_allowed)
}

/// Whether `text` is certainly a valid link, so that no URL parser is needed. Most links pass this check. A
/// link passes only if all labels of its host consist of lowercase letters, because the URL standard accepts
/// every host of this form.
fn needs_no_parsing(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split_once('/')).map_or("", |(host, _)| host);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase());
    text.len() <= Link::MAX_BYTES && host.len() <= 253 && host.split('.').all(is_label) && is_storable(text)
}

/// Percent-encodes the bytes that a stored link must not contain. `normal` is a URL that the URL parser has
/// normalised. Returns `None` if the table would refuse the result.
fn encode(normal: &str) -> Option<String> {
    let mut out = String::with_capacity(normal.len());
    for byte in normal.bytes() {
        if is_allowed(byte) { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    is_storable(&out).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn valid_links_are_kept_and_other_urls_are_encoded_or_refused() {
        for (text, link) in [
            ("https://github.com/o/r/actions/runs/1", "https://github.com/o/r/actions/runs/1"),
            ("https://example.com", "https://example.com"),
            ("HTTPS://Example.com/ä b", "https://example.com/%C3%A4%20b"),
            ("http://h/?q={a|b}", "http://h/?q=%7Ba%7Cb%7D"),
        ] {
            assert_eq!(Link::parse(text).unwrap().as_str(), link);
        }
        for bad in [
            "",
            "javascript:alert(1)",
            "/relative",
            "ftp://h/",
            "http://",
            "https://user:pass@h/",
            "https://user@h/",
            "data:text/html,x",
        ] {
            assert!(Link::parse(bad).is_err(), "{bad}");
        }
        assert!(Link::parse(&format!("https://h/{}", "a".repeat(2_038))).is_ok());
        assert!(Link::parse(&format!("https://h/{}", "a".repeat(2_040))).is_err());
    }

    proptest! {
        #[test]
        fn a_link_that_needs_no_parsing_is_a_valid_url(
            text in concat!(
                "https?://([a-z]{1,63}[.]?|xn--a|[0-9.]{1,3}){1,4}(:[0-9]{1,6})?",
                "(/[!-~]{0,8}){0,4}([?#][!-~]{0,9})?",
            ),
        ) {
            if needs_no_parsing(&text) {
                let url = Url::parse(&text).unwrap();
                prop_assert!(url.has_host() && url.username().is_empty() && url.password().is_none());
            }
        }

        #[test]
        fn a_parsed_link_parses_to_itself(rest in ".*", scheme in "https?://h") {
            for text in [rest.clone(), format!("{scheme}/{rest}"), format!("{scheme}{rest}")] {
                if let Ok(link) = Link::parse(&text) {
                    prop_assert_eq!(Link::parse(link.as_str()).unwrap(), link);
                }
            }
        }
    }
}
