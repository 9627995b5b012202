//! Tests that only the entries that are put aside are encoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deploy_watcher::logs::{Entry, EntryId, Listed, Logs, LogsError, Page, PageRequest, Raw};
use deploy_watcher::poll::Watcher;
use deploy_watcher::poll_report::PollReport;
use jiff::SignedDuration;
use oasis_store::{DatabaseArgs, Store};

use crate::Setup;
use crate::entries::{PROJECT, at};

/// A log of four entries that counts how often an entry is encoded.
struct CountingLog(Arc<AtomicUsize>);

impl CountingLog {
    fn listed(&self, second: i64, service: &str, entry: Result<&str, &str>) -> Listed {
        let log_name = format!("projects/{PROJECT}/logs/cloudaudit.googleapis.com%2Factivity");
        let id = EntryId { log_name, timestamp: at(second), insert_id: format!("a{second}") };
        let entry = entry.map_err(str::to_owned).map(|verb| Entry {
            method: format!("google.cloud.run.v2.Services.{verb}"),
            resource_name: format!("projects/{PROJECT}/locations/europe-west1/services/{service}"),
            ..Entry::default()
        });
        let count = Arc::clone(&self.0);
        let raw = Raw::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            vec![7; 3]
        });
        Listed { id, raw, entry }
    }
}

impl Logs for CountingLog {
    async fn list(&self, _: PageRequest<'_>) -> Result<Page, LogsError> {
        let entries = vec![
            self.listed(0, "gateway", Ok("UpdateService")),
            self.listed(1, "gateway", Ok("DeleteService")),
            self.listed(2, "refused", Ok("UpdateService")),
            self.listed(3, "gateway", Err("the entry has no protoPayload")),
        ];
        Ok(Page { entries, next: None })
    }
}

#[tokio::test]
async fn only_entries_that_are_put_aside_are_encoded() {
    let setup = Setup::new().await;
    let refuse = "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (meta->>'service' <> 'refused')";
    setup.sql.batch_execute(refuse).await.unwrap();
    let store = Store::new(DatabaseArgs::new(setup.db.url.parse().unwrap()), "test").unwrap();
    let (appender, encoded) = (store.appender().unwrap(), Arc::<AtomicUsize>::default());
    let logs = CountingLog(Arc::clone(&encoded));
    let lookback = SignedDuration::from_hours(1);
    let watcher = Watcher::new(vec![PROJECT.to_owned()], lookback, logs, store, appender);
    let PollReport::Read(read) = watcher.poll().await.unwrap() else { panic!() };
    assert_eq!((read.seen, read.published, read.unread), (4, 1, 2));
    assert_eq!(encoded.load(Ordering::Relaxed), 2);
    let kept = "SELECT insert_id, entry FROM oasis_unread_entries ORDER BY ts";
    let kept = setup.sql.query(kept, &[]).await.unwrap();
    let kept: Vec<(&str, &[u8])> = kept.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(kept, [("a2", &[7; 3][..]), ("a3", &[7; 3][..])]);
}
