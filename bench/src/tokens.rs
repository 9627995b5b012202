//! Tokens of users, and the settings of a gateway that accepts these tokens.

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_identity::{KeySource, Keys, NewToken, Rules};
use serde_json::Map;

/// The secret that signs the tokens of users.
pub(crate) const SECRET: &str = "only-for-the-bench-only-for-the-bench";
/// The token that allows the bench to write.
pub(crate) const SERVICE: &str = "bench-service-token";
/// The settings of a gateway that serves private streams.
pub(crate) const SETTINGS: [(&str, &str); 2] = [("JWT_SECRET", SECRET), ("INGEST_TOKENS", SERVICE)];
/// How long the tokens are valid.
const HOURS: i64 = 12;

/// Mints a token for each of the first `count` users.
pub(crate) fn mint(count: usize) -> anyhow::Result<Vec<String>> {
    let keys = Keys::new(&[KeySource::Secrets(SECRET.parse()?)], Rules::default())?;
    let now = Timestamp::now().as_second();
    let at = |second| Ts::from_unix_seconds(second);
    let (now, exp) = (at(now)?, at(now + HOURS * 3_600)?);
    let token = |number| {
        let (sub, jti) = (user(number), format!("token-{number}"));
        keys.mint(&NewToken { sub, jti, now, exp, is_admin: false, claims: Map::new() })
    };
    Ok((0..count).map(token).collect::<Result<_, _>>()?)
}

/// The name of a user.
pub(crate) fn user(number: usize) -> String {
    format!("user-{number}")
}
