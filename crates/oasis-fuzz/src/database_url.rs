//! A database URL.

use oasis_store::{DatabaseUrl, UrlError};
use ring::digest::{SHA256, digest};

/// The input is a database URL, and also the end of a URL with a known password.
pub fn database_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // The files of passwords of this machine must not matter.
    if text.contains("pass") {
        return;
    }
    // The input can't contain this password: libFuzzer would copy a constant into the input.
    let hash: String = digest(&SHA256, data).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let password = &format!("P1{hash}");
    let check = |url: &str| check(url, password);
    let place = check(text);
    assert_eq!(check(&format!(" {text}\n")), place);
    if let Some(rest) = text.strip_prefix("postgres://") {
        assert_eq!(check(&format!("postgresql://{rest}")), place);
    }
    // No message shows the password, even if the URL is malformed.
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    for rest in [rest, rest.rsplit_once('@').map_or(rest, |(_, host)| host)] {
        for between in ["@", "", "/", "?", ":", "%", "@["] {
            let shown = check(&format!("postgres://u:{password}{between}{rest}"));
            assert!(!shown.contains(password), "{shown}");
        }
    }
}

/// The servers and the database of a URL, or the reason why it is refused.
fn check(url: &str, password: &str) -> String {
    match url.parse::<DatabaseUrl>() {
        Ok(url) => {
            assert_eq!(format!("{url:?}"), "[redacted]");
            url.place()
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains(password) && message.len() <= 400, "{message}");
            match error {
                UrlError::NotPostgres | UrlError::Malformed(_) | UrlError::Unknown(_) => {}
                UrlError::Parameter { name, why } => assert!(!name.is_empty() && !why.is_empty()),
            }
            message
        }
    }
}
