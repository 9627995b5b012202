//! Finds the e-mail addresses in a text, and replaces them.

use std::borrow::Cow;
use std::ops::Range;

/// Replaces each e-mail address in `text` with `marker`. A text without an address is borrowed.
///
/// An address is a name, an at sign and a host:
///
/// - The at sign may be percent-encoded, also several times, or have another form of [`SIGNS`].
/// - The name has a letter or a digit. It begins after the nearest space, or the nearest of the characters
///   that separate the parts of a sentence or of a URL, such as `,:/?&=`. It may also be a text in quotes, as
///   in `"ann b"@example.com`.
/// - The host needs no dot, as in `ann@localhost`. It may be an IP address in brackets.
/// - A version, a digest or a commit is not a host: `actions/checkout@v4`, `@scope/package@1.2.3-rc.1`,
///   `image@sha256:…` (see [`is_version`]).
///
/// Other texts of this form are withheld too, such as `git@github.com` and `package@latest`: a narrower rule
/// would show the addresses of people.
pub(super) fn replace<'a>(text: &'a str, marker: &str) -> Cow<'a, str> {
    if !may_be_in(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    // The text before `copied` is in `out`. The next name begins at `begin` or later, unless it is in quotes.
    let (mut copied, mut begin) = (0, 0);
    let mut quotes = Quotes::default();
    while let Some(sign) = next_sign(text, begin) {
        quotes.read(text, sign.start);
        let before = &text[begin..sign.start];
        begin = sign.end;
        let name = if before.ends_with('"') {
            quotes.opening(sign.start - 1).max(copied)
        } else {
            let name = name(before);
            if !name.contains(char::is_alphanumeric) {
                continue;
            }
            sign.start - name.len()
        };
        let Some(host) = host(&text[sign.end..]) else { continue };
        // A quote before the sign may also be the beginning of a text, as in `"@team"`.
        if before.ends_with('"') && !quotes.are_closed() && !host.contains('.') {
            continue;
        }
        out.push_str(&text[copied..name]);
        out.push_str(marker);
        copied = sign.end + host.len();
        begin = copied;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// The ways to write an at sign that is not percent-encoded: itself, its two wide forms, as a character
/// reference of HTML, and as an escape, for example of JSON in a string of JSON.
const SIGNS: [&str; 8] = ["@", "\u{ff20}", "\u{fe6b}", "&#64;", "&#x40;", "&commat;", "\\u0040", "\\x40"];

/// The bytes with which an at sign may begin.
const BEGINS: [u8; 5] = [b'@', b'%', b'&', b'\\', 0xef];

/// Whether an at sign may begin with `byte`.
pub(super) fn may_begin_sign(byte: u8) -> bool {
    BEGINS.contains(&byte)
}

/// Whether `text` may have an address. Most texts have none, and a search for a single byte is fast.
pub(super) fn may_be_in(text: &str) -> bool {
    BEGINS.iter().any(|byte| text.as_bytes().contains(byte))
}

/// The place of the next at sign.
fn next_sign(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = from;
    while let Some(offset) = bytes[at..].iter().position(|byte| may_begin_sign(*byte)) {
        let start = at + offset;
        // `%40`, or `%2540` and so on if it was encoded several times.
        if bytes[start] == b'%' {
            let mut end = start + 1;
            while bytes[end..].starts_with(b"25") {
                end += 2;
            }
            if bytes[end..].starts_with(b"40") {
                return Some(start..end + 2);
            }
        }
        let begins = |sign: &&&str| {
            bytes[start..].get(..sign.len()).is_some_and(|text| text.eq_ignore_ascii_case(sign.as_bytes()))
        };
        if let Some(sign) = SIGNS.iter().find(begins) {
            return Some(start..start + sign.len());
        }
        at = start + 1;
    }
    None
}

/// The name at the end of `text`. Characters beyond ASCII belong to it, because names have combining marks.
fn name(text: &str) -> &str {
    let fits = |c: char| match c {
        '\0'..='\u{7f}' => c.is_ascii_alphanumeric() || "!$%'*+-.\\^_`{|}~".contains(c),
        _ => !c.is_whitespace(),
    };
    &text[text.trim_end_matches(fits).len()..]
}

/// The host at the beginning of `text`.
fn host(text: &str) -> Option<&str> {
    if let Some(inner) = text.strip_prefix('[') {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
        let rest = inner.trim_start_matches(is_inside);
        let address = &inner[..inner.len() - rest.len()];
        let is_address = rest.starts_with(']') && address.contains(['.', ':']);
        return is_address.then(|| &text[..address.len() + 2]);
    }
    let is_encoded = |at: usize| {
        text.as_bytes().get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let fits = |at: usize, c: char| match c {
        '%' => is_encoded(at),
        '\0'..='\u{7f}' => c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'),
        _ => !c.is_whitespace(),
    };
    let end = text.char_indices().find(|(at, c)| !fits(*at, *c)).map_or(text.len(), |(at, _)| at);
    // The end of a sentence does not belong to the host.
    let host = text[..end].trim_end_matches(['.', '-', '_']);
    (host.contains(char::is_alphanumeric) && !is_version(host, &text[host.len()..])).then_some(host)
}

/// Whether `host` is the version of something, with `rest` after it:
///
/// - one to three numbers, also with `v` before them, and with a pre-release as in `1.2.3-rc.1`. The part
///   after the last dot begins with a digit, unlike a top-level domain. So `163.com` is a host;
/// - a digest, such as `sha256:…`;
/// - a commit: 40 or 64 hexadecimal digits.
fn is_version(host: &str, rest: &str) -> bool {
    if rest.starts_with(':') && matches!(host, "sha1" | "sha256" | "sha384" | "sha512") {
        return true;
    }
    if matches!(host.len(), 40 | 64) && host.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return true;
    }
    let version = host.strip_prefix(['v', 'V']).unwrap_or(host);
    let release = version.split('-').next().unwrap_or(version);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        && release.split('.').all(is_number)
        && release.split('.').count() <= 3
        && version.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()))
}

/// The quotes of a text up to a place. A quote after a backslash does not count.
#[derive(Default)]
struct Quotes {
    read: usize,
    number: usize,
    last: Option<usize>,
    last_but_one: Option<usize>,
}

impl Quotes {
    /// Reads on to the place `to`.
    fn read(&mut self, text: &str, to: usize) {
        let mut is_escaped = false;
        for (offset, byte) in text[self.read..to].bytes().enumerate() {
            if byte == b'"' && !is_escaped {
                self.number += 1;
                self.last_but_one = self.last.replace(self.read + offset);
            }
            is_escaped = byte == b'\\' && !is_escaped;
        }
        self.read = to;
    }

    /// Whether each quote has its counterpart.
    fn are_closed(&self) -> bool {
        self.number > 0 && self.number.is_multiple_of(2)
    }

    /// The place of the quote that opens the text which the quote at `closing` closes. `closing` itself if
    /// there is none.
    fn opening(&self, closing: usize) -> usize {
        match self.last {
            Some(last) if last < closing => last,
            _ => self.last_but_one.unwrap_or(closing),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each text, and what is shown of it, with `~` for an address.
    const TEXTS: &[(&str, &str)] = &[
        ("Ann <ann.b+c@example.co.uk>, ok", "Ann <~>, ok"),
        ("mail ann@example.com. Thanks", "mail ~. Thanks"),
        ("ann@localhost", "~"),
        ("ann@[10.0.0.1] bob@[IPv6:2001:db8::1]", "~ ~"),
        ("ann@10.0.0.1", "~"),
        ("jos\u{e9}@ex\u{e4}mple.com, jose\u{301}@example.com", "~, ~"),
        // Percent-encoded.
        ("ann%40example.com", "~"),
        ("ann%2540example%2Ecom", "~"),
        ("?by=%61nn%40%65xample.com&n=1", "?by=~&n=1"),
        ("100%40 of 50% %", "100%40 of 50% %"),
        // Other ways to write the sign.
        ("ann\u{ff20}example.com, ann\u{fe6b}localhost", "~, ~"),
        ("ann&#64;example.com, ann&#X40;c.de, <b>ann&commat;c.de</b>", "~, ~, <b>~</b>"),
        (r#"{\"by\":\"ann\u0040example.com\"} (ann\x40c.de)"#, r#"{\"by\":\"~\"} (~)"#),
        ("a&b R&D \u{ff20}team \\u0040 &#64;", "a&b R&D \u{ff20}team \\u0040 &#64;"),
        // In quotes.
        (r#"to "ann b"@example.com"#, "to ~"),
        (r#"to "ann b"@localhost"#, "to ~"),
        (r#""ann \" b"@example.com"#, "~"),
        (r#""ann@home"@example.com"#, "\"~~"),
        (r#"5" wide, "ann b"@example.com"#, "5\" wide, ~"),
        (r#"{"to":"@team","cc":"@octocat"}"#, r#"{"to":"@team","cc":"@octocat"}"#),
        (r#"{\"to\":\"@team\"}"#, r#"{\"to\":\"@team\"}"#),
        // The parts of a URL.
        ("https://h/?by=ann@example.com&n=1#a", "https://h/?by=~&n=1#a"),
        ("https://h/users/ann@example.com/edit", "https://h/users/~/edit"),
        ("postgres://ann:secret@db:5432/x", "postgres://ann:~:5432/x"),
        ("git@github.com:owner/repo.git", "~:owner/repo.git"),
        // Several signs.
        ("a@b@example.com", "~@example.com"),
        ("a@ b@c.de", "a@ ~"),
        ("pkg@1.2.3@example.com", "pkg@~"),
        // Versions, digests and commits.
        ("actions/checkout@v4, actions/cache@v4.1.0", "actions/checkout@v4, actions/cache@v4.1.0"),
        ("pkg@1.2.3 @scope/pkg@1.2.3-rc.1", "pkg@1.2.3 @scope/pkg@1.2.3-rc.1"),
        ("node@20-alpine pkg@1.2.3+build.7.", "node@20-alpine pkg@1.2.3+build.7."),
        ("a/b:tag@sha256:0123abcd user@sha256:…", "a/b:tag@sha256:0123abcd user@sha256:…"),
        (
            "actions/checkout@11bd71901bbe5b1630ceea73d97b364fe4d3a7a9",
            "actions/checkout@11bd71901bbe5b1630ceea73d97b364fe4d3a7a9",
        ),
        ("ann@163.com bob@1-a.com eve@v4.io x@3m y@sha256", "~ ~ ~ ~ ~"),
        // No name or no host.
        ("@team, (@team) **@team** \u{201c}@team\u{201d}", "@team, (@team) **@team** \u{201c}@team\u{201d}"),
        ("3 @ 5, a@ b, @, a@", "3 @ 5, a@ b, @, a@"),
        ("'ann'@'localhost' a@[b]", "'ann'@'localhost' a@[b]"),
    ];

    #[test]
    fn addresses_are_replaced_and_other_texts_with_an_at_sign_are_not() {
        for (text, shown) in TEXTS {
            assert_eq!(replace(text, "~"), *shown, "{text}");
        }
    }

    /// An adversary could otherwise use up the time of the gateway with one event.
    #[test]
    fn long_texts_of_signs_take_time_in_proportion_to_their_length() {
        for part in [
            "%40", "@", "&#64", "&#64;", "\\u0040", "\"@", "\\\"@", "a%40", "%25", "a@[", "a@1-", "\"%40",
            "a@.%40", "\\",
        ] {
            // In proportion to the square of the length, this would take minutes.
            let text = part.repeat(1 << 16);
            assert!(replace(&text, "~").len() <= text.len(), "{part}");
        }
    }

    proptest! {
        #[test]
        fn an_address_in_any_text_is_replaced(
            before in ".*",
            name in r#"([a-z][a-z.+_-]{0,9}|"[a-z ]{1,9}")"#,
            sign in "(@|\u{ff20}|%40|%2540|&#64;)",
            host in "[a-z]{1,9}([.][a-z]{2,9}){0,2}",
            after in "([^\\p{Alphabetic}\\p{N}.-].*)?",
        ) {
            prop_assume!(!name.starts_with('"') || !before.contains(['"', '\\']));
            let address = format!("{name}{sign}{host}");
            let text = format!("{before}{address}{after}");
            let shown = replace(&text, "[withheld]");
            prop_assert!(!shown.contains(&address), "{} in {}", address, shown);
        }

        #[test]
        fn a_text_without_a_sign_is_borrowed(text in "[^@%&\\\\\u{ff20}\u{fe6b}]*") {
            prop_assert!(matches!(replace(&text, "~"), Cow::Borrowed(_)));
        }
    }
}
