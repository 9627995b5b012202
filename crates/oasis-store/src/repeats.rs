//! Finds out whether the items of a request have been stored before, under the dedup keys of the request.

use oasis_core::{DedupKey, NewEvent};
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::store::Store;

/// What the table has under a dedup key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing.
    New,
    /// The same item.
    Same,
    /// Another item.
    Other,
}

impl Store {
    /// Compares the kind and the `meta` of items with the rows that have their dedup keys. `None` as an
    /// item is the same as no row. The comparison ignores the members of `meta` that are named in
    /// `ignored`. The results have the order of `items`.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn repeats(
        &self,
        items: &[(DedupKey, Option<&NewEvent>)],
        ignored: &[&str],
    ) -> Result<Vec<Repeat>, StoreError> {
        // Almost always, there are no rows with these keys. The index on the key shows this.
        let sql = self.sql(
            "SELECT given.nth, \
               coalesce(e.kind = given.kind AND e.meta - $4 = given.meta::jsonb - $4, false) AS is_same \
             FROM unnest($1, $2, $3) WITH ORDINALITY AS given (key, kind, meta, nth) \
               JOIN {schema}.oasis_events AS e ON e.dedup_key = given.key",
        );
        let keys: Vec<&str> = items.iter().map(|(key, _)| key.as_str()).collect();
        let kinds: Vec<Option<&str>> =
            items.iter().map(|(_, item)| item.map(|item| item.event.kind.as_str())).collect();
        let metas: Vec<Option<&str>> =
            items.iter().map(|(_, item)| item.map(|item| item.meta.as_json())).collect();
        let params: [(&(dyn ToSql + Sync), Type); 4] = [
            (&keys, Type::TEXT_ARRAY),
            (&kinds, Type::TEXT_ARRAY),
            (&metas, Type::TEXT_ARRAY),
            (&ignored, Type::TEXT_ARRAY),
        ];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut repeats = vec![Repeat::New; items.len()];
        for row in rows {
            let nth = usize::try_from(row.try_get::<_, i64>("nth")?).unwrap_or_default() - 1;
            repeats[nth] = if row.try_get("is_same")? { Repeat::Same } else { Repeat::Other };
        }
        Ok(repeats)
    }
}
