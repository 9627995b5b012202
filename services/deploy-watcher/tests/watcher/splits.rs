//! A property test: the same entries give the same rows, no matter how the entries are split into polls and
//! which polls fail.

use std::collections::BTreeMap;

use deploy_watcher::poll_report::PollError;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tonic::Status;

use crate::Setup;
use crate::entries::{Deploy, at};

/// Each service has a workload, so the resource events must also be the same.
const MAPPING: &str = "gateway=workload:api,shop=workload:shop";

/// Three deploys of two services, with repeated reports, and traffic that moves back and forth.
fn entries() -> Vec<Value> {
    let (one, two, three) = (Deploy::new("gateway", 1), Deploy::new("shop", 1), Deploy::new("gateway", 2));
    vec![
        one.request_v1(at(0), "a1"),
        one.revision(at(10), "s1", "True"),
        two.request_v2(at(11), "a2", "op-1", true),
        one.revision(at(12), "s2", "True"),
        one.service(at(13), "s3", "True"),
        two.request_v2(at(14), "a3", "op-1", false),
        two.revision(at(20), "s4", "False"),
        two.service(at(21), "s5", "False"),
        three.request_v1(at(30), "a4"),
        three.revision(at(40), "s6", "True"),
        three.service(at(41), "s7", "True"),
        three.routed(
            at(50),
            "s8",
            "True",
            9,
            json!([{ "percent": 100, "revisionName": "gateway-00001-abc" }]),
        ),
        three.routed(at(60), "s9", "True", 10, json!([{ "percent": 100, "latestRevision": true }])),
    ]
}

/// The conditions under which the entries are read.
#[derive(Debug, Clone)]
struct Plan {
    /// For each entry, the number of the first poll that can see it. This makes some entries arrive late.
    visible_at: Vec<usize>,
    page_size: usize,
    /// The numbers of the calls that fail with an error that is not transient.
    failing: Vec<usize>,
    /// The numbers of the writes of the cursor that fail. Each failure simulates a crash after the events are
    /// stored and before the cursor is saved.
    crashing: Vec<usize>,
    /// For each poll, whether the process restarts after the poll. If there are more polls, the list starts
    /// again.
    restarts: Vec<bool>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let count = entries().len();
    (
        prop::collection::vec(0_usize..4, count),
        1_usize..5,
        prop::collection::vec(0_usize..20, 0..4),
        prop::collection::vec(1_usize..20, 0..4),
        prop::collection::vec(any::<bool>(), 8),
    )
        .prop_map(|(visible_at, page_size, failing, crashing, restarts)| Plan {
            visible_at,
            page_size,
            failing,
            crashing,
            restarts,
        })
}

/// The dedup key of each event, with the columns that are equal in all reports with the same key.
async fn rows(setup: &Setup) -> BTreeMap<String, String> {
    let sql = "SELECT dedup_key, concat_ws(' ', status, vtid, layer, module, title, link, meta->>'revision') \
               FROM oasis_events";
    setup.sql.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn run(plan: &Plan) -> BTreeMap<String, String> {
    let mut setup = Setup::new().await.with_mapping(MAPPING);
    setup.logs.with(|log| {
        log.page_size = plan.page_size;
        log.fails_at = plan.failing.iter().map(|at| (*at, Status::permission_denied("cut"))).collect();
    });
    // The trigger counts the writes with a sequence, because a sequence also counts writes that fail.
    let crash = format!(
        "CREATE SEQUENCE kept; CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('kept') = ANY (ARRAY{:?}::bigint[]) THEN RAISE 'a crash'; END IF; RETURN NULL; END $$; \
         CREATE TRIGGER crash BEFORE INSERT ON oasis_watch_state EXECUTE FUNCTION crash()",
        plan.crashing
    );
    setup.sql.batch_execute(&crash).await.unwrap();
    let (entries, mut polls, mut good) = (entries(), 0, 0);
    // Poll until every entry is visible and the failures are over.
    while good < 5 {
        for (entry, visible_at) in entries.iter().zip(&plan.visible_at) {
            if *visible_at == polls {
                setup.add([entry.clone()]);
            }
        }
        let polled = setup.watcher.poll().await;
        good += usize::from(polled.is_ok());
        if matches!(polled, Err(PollError::Store(_))) || plan.restarts[polls % plan.restarts.len()] {
            setup = setup.with_mapping(MAPPING);
        }
        polls += 1;
    }
    let count: i64 = setup.sql.query_one("SELECT count(*) FROM oasis_events", &[]).await.unwrap().get(0);
    let rows = rows(&setup).await;
    assert_eq!(usize::try_from(count).unwrap(), rows.len());
    rows
}

#[test]
fn any_split_into_polls_gives_the_same_rows() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let whole = Plan {
        visible_at: vec![0; entries().len()],
        page_size: 100,
        failing: vec![],
        crashing: vec![],
        restarts: vec![false],
    };
    let expected = runtime.block_on(run(&whole));
    // Each deploy event has one resource event.
    assert_eq!(expected.len(), 16);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&plans(), |plan| {
            let rows = runtime.block_on(run(&plan));
            prop_assert_eq!(&rows, &expected);
            Ok(())
        })
        .unwrap();
}
