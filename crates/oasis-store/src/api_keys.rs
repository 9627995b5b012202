//! The API keys of users. The table has only the SHA-256 of each key, so the database does not reveal keys.

use jiff::Timestamp;
use oasis_core::{Invalid, Ts};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::revocations::append_revocation;
use crate::store::Store;

/// An API key, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The id by which the key is listed and revoked.
    pub id: String,
    /// The user whom the key identifies.
    pub user_id: String,
    /// What the key is for. It may be empty.
    pub name: String,
    /// The last characters of the key.
    pub hint: String,
    /// The SHA-256 of the key.
    pub hash: [u8; 32],
    /// When the key was made.
    pub created_at: Ts,
    /// When the key expires. `None` if it does not expire.
    pub expires_at: Option<Ts>,
    /// When the key was revoked. `None` if it has not been revoked.
    pub revoked_at: Option<Ts>,
}

/// An API key to store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the docs of `ApiKey` explain the fields")]
pub struct NewApiKey {
    pub id: String,
    pub user_id: String,
    pub name: String,
    pub hint: String,
    pub hash: [u8; 32],
    pub expires_at: Option<Ts>,
}

/// The columns of an [`ApiKey`].
const COLUMNS: &str = "id, user_id, name, hint, hash, created_at, expires_at, revoked_at";

impl ApiKey {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let time = |column| Ok(row.try_get::<_, Option<Timestamp>>(column)?.map(Ts::clamped));
        let hash: &[u8] = row.try_get("hash")?;
        Ok(Self {
            id: row.try_get("id")?,
            user_id: row.try_get("user_id")?,
            name: row.try_get("name")?,
            hint: row.try_get("hint")?,
            hash: hash.try_into().map_err(|_| StoreError::ApiKey(Invalid::new("a hash has not 32 bytes")))?,
            created_at: Ts::clamped(row.try_get("created_at")?),
            expires_at: time("expires_at").map_err(StoreError::Postgres)?,
            revoked_at: time("revoked_at").map_err(StoreError::Postgres)?,
        })
    }
}

impl Store {
    /// Looks up keys by their hashes. The result contains expired and revoked keys too.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn api_keys(&self, hashes: &[[u8; 32]]) -> Result<Vec<ApiKey>, StoreError> {
        let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
        self.keys_where("hash = ANY($1)", (&hashes, Type::BYTEA_ARRAY)).await
    }

    /// Lists the keys of `user`, or of all users. The oldest key is first.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn list_api_keys(&self, user: Option<&str>) -> Result<Vec<ApiKey>, StoreError> {
        self.keys_where("$1 IS NULL OR user_id = $1", (&user, Type::TEXT)).await
    }

    async fn keys_where(
        &self,
        condition: &str,
        param: (&(dyn ToSql + Sync), Type),
    ) -> Result<Vec<ApiKey>, StoreError> {
        let sql = self.sql(&format!(
            "SELECT {COLUMNS} FROM {{schema}}.oasis_api_keys WHERE {condition} ORDER BY created_at, id"
        ));
        let rows = self.read(async |client| client.query_typed(&sql, &[param]).await).await?;
        rows.iter().map(ApiKey::from_row).collect()
    }

    /// Stores a new key.
    ///
    /// # Errors
    /// When the database can't be reached or refuses the key, for example because its id or hash is taken.
    pub async fn create_api_key(&self, key: &NewApiKey) -> Result<ApiKey, StoreError> {
        let sql = self.sql(&format!(
            "INSERT INTO {{schema}}.oasis_api_keys (id, user_id, name, hint, hash, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING {COLUMNS}"
        ));
        let (hash, expires_at) = (key.hash.as_slice(), key.expires_at.map(Ts::instant));
        let params: [(&(dyn ToSql + Sync), Type); 6] = [
            (&key.id, Type::TEXT),
            (&key.user_id, Type::TEXT),
            (&key.name, Type::TEXT),
            (&key.hint, Type::TEXT),
            (&hash, Type::BYTEA),
            (&expires_at, Type::TIMESTAMPTZ),
        ];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        ApiKey::from_row(&rows[0])
    }

    /// Revokes the key with this id, and appends a revocation for the gateways, in one statement. If the key
    /// has been revoked before, nothing changes. Returns the key, or `None` if there is no such key.
    ///
    /// # Errors
    /// When the database can't be reached or refuses the statement.
    pub async fn revoke_api_key(&self, id: &str) -> Result<Option<ApiKey>, StoreError> {
        let sql = self.sql(&format!(
            "WITH revoked AS (UPDATE {{schema}}.oasis_api_keys SET revoked_at = clock_timestamp() \
               WHERE id = $1 AND revoked_at IS NULL RETURNING id) {}",
            append_revocation("jsonb_build_object('what', 'key', 'key', revoked.id)", "revoked"),
        ));
        self.read(async |client| client.query_typed(&sql, &[(&id, Type::TEXT)]).await).await?;
        Ok(self.keys_where("id = $1", (&id, Type::TEXT)).await?.pop())
    }
}
