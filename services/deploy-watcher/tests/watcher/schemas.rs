//! Tests watchers of two schemas in one database.

use deploy_watcher::poll_report::PollReport;
use oasis_store::{DatabaseArgs, Schema, Store, migrate_in};

use crate::entries::{Deploy, PROJECT, at};
use crate::{Setup, watcher_in};

/// Each schema has its own cursor and its own lock, so each watcher reads the whole log.
#[tokio::test]
async fn watchers_of_two_schemas_do_not_affect_each_other() {
    let setup = Setup::new().await;
    let url = setup.db.url.parse().unwrap();
    let schema: Schema = "devhub".parse().unwrap();
    migrate_in(&url, &schema).await.unwrap();
    let database = DatabaseArgs { schema, ..DatabaseArgs::new(url) };
    let other = watcher_in(database.clone(), &setup.logs, &[PROJECT]);
    setup.add([Deploy::new("gateway", 1).revision(at(1), "s1", "True")]);
    assert_eq!(setup.poll().await.published, 1);

    let in_devhub = "SELECT count(*) FROM devhub.oasis_events";
    let count = async |sql: &str| setup.sql.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count(in_devhub).await, 0);
    // A poll of the schema public is in progress.
    let public = Store::new(DatabaseArgs::new(setup.db.url.parse().unwrap()), "test").unwrap();
    let lock = public.watch_lock().await.unwrap().unwrap();
    let PollReport::Read(summary) = other.poll().await.unwrap() else { panic!("the poll was skipped") };
    assert_eq!((summary.published, count(in_devhub).await, setup.events().await.len()), (1, 1, 1));
    lock.release().await;

    // A poll of the same schema is skipped.
    let _lock = Store::new(database, "test").unwrap().watch_lock().await.unwrap().unwrap();
    assert!(matches!(other.poll().await.unwrap(), PollReport::Skipped { .. }));
    assert_eq!(setup.poll().await.published, 0);
}
