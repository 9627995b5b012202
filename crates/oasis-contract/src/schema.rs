//! Checks JSON texts against the schemas of the descriptions.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::{Draft, Registry, Validator};
use serde_json::json;

use crate::document::{DOCUMENTS, Document, Place};

/// Both descriptions, by their addresses.
static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let add = |registry: jsonschema::RegistryBuilder<'static>, document: &'static Document| {
        registry.add(document.address, &document.root).expect("the address is valid")
    };
    DOCUMENTS
        .iter()
        .fold(Registry::new().draft(Draft::Draft202012), add)
        .prepare()
        .expect("the references can be resolved")
});

/// The validators that were used before, by the place of their schema.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The validator for a schema.
fn validator(reference: &str) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let options = jsonschema::options().with_draft(Draft::Draft202012).with_registry(&REGISTRY);
        let built = options.should_validate_formats(true).build(&json!({ "$ref": reference }));
        Arc::new(built.unwrap_or_else(|error| panic!("{reference}: {error}")))
    };
    Arc::clone(validators.entry(reference.to_owned()).or_insert_with(build))
}

/// The hashes of schemas and texts that match. Many tests repeat a request until its answer changes, and a
/// check costs more than the request.
static MATCHES: LazyLock<Mutex<HashSet<u64>>> = LazyLock::new(Mutex::default);

/// Checks a JSON text against the schema at a place. No object may have a key more than once. A text that
/// nests deeper than serde_json reads counts as right: no program sends such a text, unless SQL wrote the
/// row.
pub(crate) fn check_json(place: &Place, text: &[u8]) -> Result<(), String> {
    let reference = place.reference();
    let mut hasher = DefaultHasher::new();
    (&reference, text).hash(&mut hasher);
    let hash = hasher.finish();
    if MATCHES.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash) {
        return Ok(());
    }
    let value = match oasis_core::parse_unique_json(text) {
        Err(why) if why.to_string().starts_with("not JSON: recursion limit exceeded") => return Ok(()),
        parsed => parsed.map_err(|why| format!("{why}: {}", String::from_utf8_lossy(text)))?,
    };
    let validator = validator(&reference);
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if errors.is_empty() {
        MATCHES.lock().unwrap_or_else(PoisonError::into_inner).insert(hash);
        return Ok(());
    }
    Err(format!("{value} does not match {reference}:\n{}", errors.join("\n")))
}
