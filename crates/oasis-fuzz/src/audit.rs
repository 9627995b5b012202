//! An entry of Cloud Run's audit logs.

use deploy_watcher::logs::gcloud::listed_entry;
use deploy_watcher::{events_of, fake};
use oasis_core::{Source, parse_json};

use crate::event::check;

/// The input is an entry in the JSON of Cloud Logging. It is read as the watcher reads it from a page.
pub fn audit(data: &[u8]) {
    let Some(entry) = parse_json(data).ok().and_then(|json| fake::entry(&json)) else { return };
    let resources = "gateway=cluster:eu/project:shop/workload:api".parse().unwrap();
    match events_of(&listed_entry(entry), &resources) {
        Ok(events) => {
            events.iter().for_each(check);
            if let Some((deploy, resources)) = events.split_first() {
                let event = &deploy.event;
                assert_eq!((event.source, event.kind.as_str()), (Source::GcpDeploy, "deploy"));
                assert!(deploy.dedup_key.is_some());
                assert!(resources.iter().all(|resource| resource.channel.as_str() == "resources"));
            }
        }
        Err(why) => assert!((1..=200).contains(&why.len()), "{why}"),
    }
}
