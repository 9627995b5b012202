//! The header `Idempotency-Key`: if a request is sent again with the same key, no item is stored twice.

use hyper::header::HeaderMap;
use oasis_core::{DedupKey, NewEvent};
use oasis_service::ApiError;
use oasis_store::{Repeat, Store};
use ring::digest::{Context, Digest, SHA256};

use crate::access::Caller;

/// The maximum length of the header, in bytes.
const MOST_KEY_BYTES: usize = 255;

/// The value of the header `Idempotency-Key`. `None` if the request does not have this header.
///
/// # Errors
/// 400 if the request has the header twice, or if the value is empty, too long or not printable ASCII.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let fits = |key: &&str| (1..=MOST_KEY_BYTES).contains(&key.len()) && !key.contains('\t');
    let key = key.to_str().ok().filter(fits).filter(|_| keys.next().is_none());
    let key = key.ok_or_else(|| {
        let why = format!(
            "header `Idempotency-Key`: expected once, with 1 to {MOST_KEY_BYTES} printable ASCII characters"
        );
        ApiError::bad_request("bad_header", why)
    })?;
    Ok(Some(key.to_owned()))
}

/// What the keys of a request belong to. The keys of different scopes are never the same.
pub(crate) struct KeyScope<'a> {
    /// The beginning of the dedup keys, such as `room` and `line:`.
    pub(crate) prefix: (&'static str, &'static str),
    /// What the request writes to, such as a room. Empty for resource events.
    pub(crate) target: &'a str,
    pub(crate) caller: &'a Caller<'a>,
    pub(crate) key: &'a str,
}

impl KeyScope<'_> {
    /// Gives the items the dedup keys of the request, and returns whether the request was sent before. If so,
    /// these are the keys of the stored items. `ignored` names members of `meta` that the gateway adds by
    /// itself.
    ///
    /// # Errors
    /// 409 if a request with another body was sent before with the same key; 503 if the table cannot be read.
    pub(crate) async fn give(
        &self,
        store: &Store,
        items: &mut [NewEvent],
        ignored: &[&str],
    ) -> Result<bool, ApiError> {
        // One key more shows whether an earlier request had more items.
        let keys = (0..=items.len()).map(|nth| self.dedup_key(nth)).collect::<Result<Vec<_>, _>>()?;
        let of_items = items.iter().map(Some).chain([None]);
        let given: Vec<_> = keys.iter().cloned().zip(of_items).collect();
        let repeats = store.repeats(&given, ignored).await.map_err(|error| {
            let message = "the Idempotency-Key cannot be checked now";
            ApiError::unavailable("database_unavailable", message, error)
        })?;
        let (of_items, beyond) = repeats.split_at(items.len());
        let is_new = repeats.iter().all(|repeat| *repeat == Repeat::New);
        let is_again = of_items.iter().all(|repeat| *repeat == Repeat::Same) && beyond == [Repeat::New];
        if is_new || is_again {
            for (item, key) in items.iter_mut().zip(keys) {
                item.dedup_key = Some(key);
            }
            return Ok(is_again);
        }
        Err(ApiError::conflict("key_reused", "a request with another body had the same Idempotency-Key")
            .hint("use a new key for each new request; nothing was stored"))
    }

    /// A hash of the scope and the key. `POST /api/casts` makes the id of a cast from it.
    pub(crate) fn digest(&self) -> Digest {
        self.hash("id")
    }

    /// The dedup key of the item with the number `nth`. It contains a hash, because the parts may be long.
    fn dedup_key(&self, nth: usize) -> Result<DedupKey, ApiError> {
        let (family, kind) = self.prefix;
        let hash = self.hash(&nth.to_string());
        DedupKey::of_digest(family, kind, hash.as_ref()).map_err(ApiError::internal)
    }

    fn hash(&self, of: &str) -> Digest {
        let (who, name) = match self.caller {
            Caller::Service(sender) => ("service", sender.owner()),
            Caller::Viewer(viewer) => ("user", &*viewer.user),
        };
        let mut hash = Context::new(&SHA256);
        for part in [self.target, who, name, self.key, of] {
            hash.update(&part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.finish()
    }
}
