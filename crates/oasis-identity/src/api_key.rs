//! API keys, and the hashes by which they are stored and looked up. Nobody can compute a key from its hash.

use oasis_service::NoRandomness;
use ring::digest::{SHA256, digest};

use crate::secrets::Secrets;

/// The start of every API key.
const PREFIX: &str = "sk_live_";

/// The SHA-256 of an API key.
pub type ApiKeyHash = [u8; 32];

/// The hash of an API key. `None` if the text is not an API key, because it does not start as every key does.
pub fn api_key_hash(text: &str) -> Option<ApiKeyHash> {
    text.starts_with(PREFIX).then(|| hash(text))
}

fn hash(key: &str) -> ApiKeyHash {
    let mut hash = ApiKeyHash::default();
    hash.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    hash
}

/// Makes an API key with 32 random bytes, and returns the key and its hash.
///
/// # Errors
/// When the system provides no random bytes.
pub fn generate_api_key() -> Result<(String, ApiKeyHash), NoRandomness> {
    let key = format!("{PREFIX}{}", Secrets::generate()?.expose());
    let hash = hash(&key);
    Ok((key, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_prefix_and_its_own_hash() {
        let ((key, hash), (other, of_other)) = (generate_api_key().unwrap(), generate_api_key().unwrap());
        assert!(key.starts_with("sk_live_") && key.len() == 8 + 43, "{key}");
        assert_eq!(api_key_hash(&key), Some(hash));
        assert!(key != other && hash != of_other);
        assert_eq!(api_key_hash(&key[1..]), None);
    }
}
