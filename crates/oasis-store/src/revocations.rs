//! Revocations: rows of the kind `access.revoked` in the channel `access`. Each gateway reads all revocations
//! when its tail starts, and then gets new ones from the tail.

use jiff::Timestamp;
use oasis_core::{Channel, Ts};
use serde_json::{Map, Value};
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::marks::HEAD;
use crate::page::fields;
use crate::store::Store;

/// The channel of the rows. No other channel has the same family.
pub(crate) const ACCESS: &str = "access";
/// The kind of the rows.
const REVOKED: &str = "access.revoked";

/// What has been revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// An API key.
    Key {
        /// The id of the key.
        id: String,
    },
    /// One token.
    Token {
        /// The `jti` of the token.
        jti: String,
        /// When the token has expired. If `None`, the revocation never ends.
        until: Option<Ts>,
    },
    /// All keys and tokens of a user.
    User {
        /// The `sub` of the user.
        sub: String,
        /// Keys and tokens that were issued later stay valid.
        before: Ts,
        /// When all these tokens have expired. If `None`, the revocation never ends.
        until: Option<Ts>,
    },
}

/// Revocations that were read in one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocations {
    /// The revocations that have not ended, oldest first.
    pub revocations: Vec<Revocation>,
    /// The highest id that is known to have been in the table when the revocations were read.
    pub head: i64,
}

impl Revocation {
    /// How long a revocation still counts after its `until`. Clocks differ, so gateways accept a token for a
    /// short time after it has expired.
    const LEEWAY: std::time::Duration = std::time::Duration::from_secs(60);

    /// The channel of the rows.
    pub fn channel() -> Channel {
        Channel::stored(ACCESS)
    }

    /// Reads a row. `None` if the row is not a revocation.
    pub fn from_event(event: &StoredEvent) -> Option<Self> {
        if event.channel.as_str() != ACCESS || event.kind.as_str() != REVOKED {
            return None;
        }
        let meta = event.meta.as_ref()?.as_map();
        let text = |key| Some(meta.get(key)?.as_str()?.to_owned());
        // Without a time that can be read, the revocation has no end.
        let until = meta.get("until").and_then(|until| until.as_str()?.parse().ok());
        match meta.get("what")?.as_str()? {
            "key" => Some(Self::Key { id: text("key")? }),
            "jti" => Some(Self::Token { jti: text("jti")?, until }),
            "sub" => {
                let before = text("before")?.parse().ok()?;
                Some(Self::User { sub: text("sub")?, before, until })
            }
            _ => None,
        }
    }

    /// The `meta` of the row.
    fn meta(&self) -> Map<String, Value> {
        let text = |value: &dyn std::fmt::Display| Value::String(value.to_string());
        let (members, until) = match self {
            Self::Key { id } => (vec![("what", text(&"key")), ("key", text(id))], &None),
            Self::Token { jti, until } => (vec![("what", text(&"jti")), ("jti", text(jti))], until),
            Self::User { sub, before, until } => {
                (vec![("what", text(&"sub")), ("sub", text(sub)), ("before", text(before))], until)
            }
        };
        let until = until.iter().map(|until| ("until", text(until)));
        members.into_iter().chain(until).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Whether the revocation is no longer needed at `now`, because the revoked tokens have expired.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        match self {
            Self::Key { .. } => false,
            Self::Token { until, .. } | Self::User { until, .. } => until.is_some_and(|until| {
                until.instant().checked_add(Self::LEEWAY).is_ok_and(|ended| ended <= now)
            }),
        }
    }
}

impl Store {
    /// Reads the revocations after the id `after` that have not ended. The role does not need rights to the
    /// table of keys.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn revocations(&self, after: i64) -> Result<Revocations, StoreError> {
        let sql = self.sql(&format!(
            "SELECT {}, e.meta::text AS meta, {HEAD} AS head, clock_timestamp() AS now \
             FROM (SELECT) AS one LEFT JOIN {{schema}}.oasis_events AS e \
               ON e.channel <> 'devhub' AND e.channel = $1 AND (e.id + 0) > $2 \
             ORDER BY (e.id + 0)",
            fields("e")
        ));
        let params: [(&(dyn ToSql + Sync), Type); 2] = [(&ACCESS, Type::TEXT), (&after, Type::INT8)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut found = Revocations { revocations: Vec::new(), head: 0 };
        for row in &rows {
            found.head = row.try_get("head")?;
            if row.try_get::<_, Option<i64>>("id")?.is_some() {
                let now: Timestamp = row.try_get("now")?;
                let revocation = Revocation::from_event(&StoredEvent::from_row(row)?);
                found.revocations.extend(revocation.filter(|revocation| !revocation.has_ended(now)));
            }
        }
        Ok(found)
    }

    /// The ids below `bound` of the revocations that are no longer needed. The row that revokes a key is not
    /// needed if the key itself is marked as revoked, or does not exist.
    pub(crate) async fn ended_revocations(&self, bound: i64) -> Result<Vec<i64>, StoreError> {
        let sql = self.sql(&format!(
            "SELECT {}, e.meta::text AS meta, clock_timestamp() AS now, \
               EXISTS (SELECT FROM {{schema}}.oasis_api_keys AS k \
                       WHERE k.id = e.meta ->> 'key' AND k.revoked_at IS NULL) AS key_is_valid \
             FROM {{schema}}.oasis_events AS e \
             WHERE e.channel <> 'devhub' AND e.channel = $1 AND (e.id + 0) < $2 ORDER BY (e.id + 0)",
            fields("e")
        ));
        let params: [(&(dyn ToSql + Sync), Type); 2] = [(&ACCESS, Type::TEXT), (&bound, Type::INT8)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut ended = Vec::new();
        for row in &rows {
            let event = StoredEvent::from_row(row)?;
            // Rows that this version cannot read are kept.
            let Some(revocation) = Revocation::from_event(&event) else { continue };
            let is_needed = match revocation {
                Revocation::Key { .. } => row.try_get("key_is_valid")?,
                Revocation::Token { .. } | Revocation::User { .. } => {
                    !revocation.has_ended(row.try_get("now")?)
                }
            };
            if !is_needed {
                ended.push(event.id);
            }
        }
        Ok(ended)
    }

    /// Appends a revocation. A revocation of a key or of a user also marks the keys as revoked, in the same
    /// statement. Returns the number of keys that were marked.
    ///
    /// # Errors
    /// When the database can't be reached or refuses the statement.
    pub async fn revoke(&self, revocation: &Revocation) -> Result<u64, StoreError> {
        let (key, user) = match revocation {
            Revocation::Key { id } => (Some(id), None),
            Revocation::Token { .. } => (None, None),
            Revocation::User { sub, .. } => (None, Some(sub)),
        };
        let meta = Value::Object(revocation.meta()).to_string();
        let sql = self.sql(&format!(
            "WITH revoked AS (UPDATE {{schema}}.oasis_api_keys SET revoked_at = clock_timestamp() \
               WHERE (id = $2 OR user_id = $3) AND revoked_at IS NULL RETURNING id) \
             {}, (SELECT count(*) FROM revoked) AS keys",
            append_revocation("$1::jsonb", "(SELECT) AS one"),
        ));
        let params: [(&(dyn ToSql + Sync), Type); 3] =
            [(&meta, Type::TEXT), (&key, Type::TEXT), (&user, Type::TEXT)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>("keys").unsigned_abs()))
    }
}

/// The statement that appends a row with this `meta` for each row of `from`, and returns the ids. The trigger
/// takes the writers' lock before PostgreSQL computes the rows of `from`, so keys are locked only after that.
pub(crate) fn append_revocation(meta: &str, from: &str) -> String {
    format!(
        "INSERT INTO {{schema}}.oasis_events \
           (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
         SELECT date_trunc('milliseconds', clock_timestamp()), 'UNSET', 'UNSET', 'CORE', 'oasis.events', \
           '{REVOKED}', 'info', 'UNSET-CORE-ACCESS-REVOKED', 'vt/UNSET-access-revoked', '{ACCESS}', {meta} \
         FROM {from} RETURNING id"
    )
}

#[cfg(test)]
mod tests {
    use oasis_core::Meta;

    use super::*;

    fn read(meta: &Value) -> Option<Revocation> {
        let meta = Meta::new(meta.as_object().unwrap().clone()).unwrap();
        Revocation::from_event(&StoredEvent {
            id: 1,
            ts: "2026-01-02T03:04:05Z".parse().unwrap(),
            task: oasis_core::Task::Unset,
            layer: oasis_core::Layer::stored("UNSET"),
            module: oasis_core::Module::core(),
            source: oasis_core::Source::OasisEvents,
            kind: oasis_core::Kind::stored(REVOKED),
            status: oasis_core::Status::Info,
            title: "".into(),
            reference: "".into(),
            link: None,
            channel: Revocation::channel(),
            recorded_at: Timestamp::UNIX_EPOCH,
            meta: Some(meta),
        })
    }

    #[test]
    fn a_revocation_is_read_from_the_meta_that_it_writes() {
        let ts: Ts = "2026-01-02T03:04:05Z".parse().unwrap();
        for revocation in [
            Revocation::Key { id: "k".into() },
            Revocation::Token { jti: "j".into(), until: None },
            Revocation::Token { jti: "j".into(), until: Some(ts) },
            Revocation::User { sub: "ann".into(), before: ts, until: None },
            Revocation::User { sub: "ann".into(), before: ts, until: Some(ts) },
        ] {
            assert_eq!(read(&Value::Object(revocation.meta())), Some(revocation));
        }
    }

    #[test]
    fn a_row_with_another_meta_is_no_revocation() {
        for meta in [
            serde_json::json!({}),
            serde_json::json!({"what": "key"}),
            serde_json::json!({"what": "key", "key": 7}),
            serde_json::json!({"what": "sub", "sub": "ann"}),
            serde_json::json!({"what": "door", "key": "k"}),
        ] {
            assert_eq!(read(&meta), None, "{meta}");
        }
        // A time that can't be read does not end the revocation.
        let token = serde_json::json!({"what": "jti", "jti": "j", "until": "tomorrow"});
        assert_eq!(read(&token), Some(Revocation::Token { jti: "j".into(), until: None }));
    }

    #[test]
    fn a_revocation_with_an_end_counts_until_shortly_after_its_end() {
        let until: Ts = "2026-01-02T03:04:05Z".parse().unwrap();
        let token = Revocation::Token { jti: "j".into(), until: Some(until) };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(!token.has_ended(at("2026-01-02T03:05:04Z")) && token.has_ended(at("2026-01-02T03:05:05Z")));
        for endless in [
            Revocation::Key { id: "k".into() },
            Revocation::Token { jti: "j".into(), until: None },
            Revocation::User { sub: "ann".into(), before: until, until: None },
        ] {
            assert!(!endless.has_ended(Timestamp::MAX));
        }
    }
}
