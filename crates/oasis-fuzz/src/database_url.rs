//! A database URL.

use oasis_store::{DatabaseUrl, UrlError};

/// A password that is in no corpus.
const PASSWORD: &str = "hunter2-S3cret";

/// The input is a database URL, and also the end of a URL with a known password.
pub fn database_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // The files of passwords of this machine must not matter.
    if text.contains("pass") {
        return;
    }
    let place = check(text);
    assert_eq!(check(&format!(" {text}\n")), place);
    if let Some(rest) = text.strip_prefix("postgres://") {
        assert_eq!(check(&format!("postgresql://{rest}")), place);
    }
    // No message shows the password, also if the URL is malformed.
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    for rest in [rest, rest.rsplit_once('@').map_or(rest, |(_, host)| host)] {
        for between in ["@", "", "/", "?", ":", "%", "@["] {
            let shown = check(&format!("postgres://u:{PASSWORD}{between}{rest}"));
            assert!(!shown.contains(PASSWORD), "{shown}");
        }
    }
}

/// The servers and the database of a URL, or the reason why it is refused.
fn check(url: &str) -> String {
    match url.parse::<DatabaseUrl>() {
        Ok(url) => {
            assert_eq!(format!("{url:?}"), "[redacted]");
            url.place()
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains(PASSWORD) && message.len() <= 400, "{message}");
            match error {
                UrlError::NotPostgres | UrlError::Malformed(_) | UrlError::Unknown(_) => {}
                UrlError::Parameter { name, why } => assert!(!name.is_empty() && !why.is_empty()),
            }
            message
        }
    }
}
