//! An entry of Cloud Run's audit logs.

use deploy_watcher::logs::gcloud::listed_entry;
use deploy_watcher::{event_of, fake};
use oasis_core::{Source, parse_json};

use crate::event::check;

/// The input is an entry in the JSON of Cloud Logging. It is read as the watcher reads it from a page.
pub fn audit(data: &[u8]) {
    let Some(entry) = parse_json(data).ok().and_then(|json| fake::entry(&json)) else { return };
    let listed = listed_entry(entry);
    match event_of(&listed) {
        Ok(Some(new)) => {
            check(&new);
            assert_eq!((new.event.source, new.event.kind.as_str()), (Source::GcpDeploy, "deploy"));
            assert!(new.dedup_key.is_some());
            assert_eq!(event_of(&listed), Ok(Some(new)));
        }
        Ok(None) => {}
        Err(why) => assert!((1..=200).contains(&why.len()), "{why}"),
    }
}
