//! What it costs to be ready to put an entry aside: nothing, until one is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deploy_watcher::logs::{Ask, Entry, EntryId, Listed, Logs, LogsError, Page, Raw};
use deploy_watcher::poll::Watcher;
use deploy_watcher::poll_report::PollReport;
use jiff::SignedDuration;
use oasis_store::{DatabaseArgs, Store};

use crate::Stand;
use crate::entries::{PROJECT, at};

/// A log of four entries, which counts how many of them are encoded.
struct Counted(Arc<AtomicUsize>);

impl Counted {
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

impl Logs for Counted {
    async fn list(&self, _: Ask<'_>) -> Result<Page, LogsError> {
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
async fn only_what_is_put_aside_is_encoded() {
    let stand = Stand::new().await;
    let refuse = "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (meta->>'service' <> 'refused')";
    stand.sql.batch_execute(refuse).await.unwrap();
    let store = Store::new(DatabaseArgs::new(stand.db.url.parse().unwrap()), "test").unwrap();
    let (appender, encoded) = (store.appender().unwrap(), Arc::<AtomicUsize>::default());
    let logs = Counted(Arc::clone(&encoded));
    let lookback = SignedDuration::from_hours(1);
    let watcher = Watcher::new(vec![PROJECT.to_owned()], lookback, logs, store, appender);
    let PollReport::Read(read) = watcher.poll().await.unwrap() else { panic!() };
    assert_eq!((read.seen, read.published, read.unread), (4, 1, 2));
    assert_eq!(encoded.load(Ordering::Relaxed), 2);
    let kept = "SELECT insert_id, entry FROM oasis_unread_entries ORDER BY ts";
    let kept = stand.sql.query(kept, &[]).await.unwrap();
    let kept: Vec<(&str, &[u8])> = kept.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(kept, [("a2", &[7; 3][..]), ("a3", &[7; 3][..])]);
}
