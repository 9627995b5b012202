//! A property test: for every order of the entries and every split into polls, each operation has one request
//! and one outcome, both with the labels of the request, and one more event if the operation recovers.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::entries::{Deploy, PROJECT};
use crate::{Setup, watcher};

/// The number of the entries that [`entries`] makes.
const ENTRIES: usize = 25;

/// The entries of seven operations. The labels are on the services only, and some templates have old labels.
/// `order` permutes the times of the entries that report the same outcome. All entries are recent, so an
/// outcome waits for its request.
fn entries(order: &[usize], began: Timestamp) -> Vec<Value> {
    let at = |seconds: usize| began + SignedDuration::from_millis(100 * i64::try_from(seconds).unwrap());
    // The times from `first` on, in the order that the plan gives.
    let shuffled = |first: usize, count: usize| -> Vec<Timestamp> {
        let mut times: Vec<usize> = (first..first + count).collect();
        times.sort_by_key(|time| order[*time]);
        times.into_iter().map(at).collect()
    };
    let labels = |vtid: &str, module: &str| json!({ "vtid": vtid, "vt_module": module });
    let deploy = |service, nth, vtid: &str, module: &str, old: Value| {
        Deploy::new(service, nth).labels(labels(vtid, module)).revision_labels(old)
    };
    let mut entries = Vec::new();

    // A successful operation of v2, whose last entry lacks the request.
    let one = deploy("gateway", 1, "dev-cicdl-0001", "one", json!({}));
    entries.push(one.request_v2(at(0), "a0", one.operation(), true));
    let times = shuffled(1, 5);
    let result = Deploy::without(one.request_v2(times[0], "a1", one.operation(), false), "request");
    entries.extend([result, one.revision(times[1], "s1", "True"), one.revision(times[2], "s2", "True")]);
    entries.extend([one.service(times[3], "s3", "True"), one.service(times[4], "s4", "True")]);

    // A failed operation of v2 on the same service, for another task.
    let two = deploy("gateway", 2, "dev-cicdl-0002", "two", labels("dev-cicdl-0001", "one"));
    entries.push(two.request_v2(at(6), "a6", two.operation(), true));
    let times = shuffled(7, 3);
    let result = Deploy::refused(two.request_v2(times[0], "a7", two.operation(), false));
    entries.extend([Deploy::without(result, "request"), two.revision(times[1], "s7", "False")]);
    entries.push(two.service(times[2], "s8", "False"));

    // An operation that fails and recovers, requested with v1.
    let three = deploy("gateway", 3, "dev-cicdl-0003", "three", labels("dev-cicdl-0001", "one"));
    entries.push(three.request_v1(at(10), "a10"));
    let times = shuffled(11, 2);
    entries.extend([three.revision(times[0], "s11", "False"), three.service(times[1], "s12", "False")]);
    let times = shuffled(13, 2);
    entries.extend([three.revision(times[0], "s13", "True"), three.service(times[1], "s14", "True")]);

    // The request has no operation id.
    let four = deploy("shop", 1, "dev-cicdl-0004", "four", json!({}));
    entries.push(Deploy::without(four.request_v1(at(15), "a15"), "response"));
    let times = shuffled(16, 2);
    entries.extend([four.revision(times[0], "s16", "True"), four.service(times[1], "s17", "True")]);

    // Only traffic moves. Cloud Run reports only the service.
    let routed = json!([{ "percent": 100, "revisionName": "gateway-00001-abc" }]);
    let five = deploy("gateway", 3, "dev-cicdl-0005", "five", json!({}));
    entries.push(five.request_v2(at(18), "a18", "traffic-9", true));
    let times = shuffled(19, 2);
    entries.push(five.routed(times[0], "s19", "True", 9, routed.clone()));
    entries.push(five.routed(times[1], "s20", "True", 9, routed));

    // Neither the request nor the outcome has an operation id.
    let six = deploy("web", 1, "dev-cicdl-0006", "six", json!({})).without_operation();
    entries.push(six.request_v1(at(21), "a21"));
    let times = shuffled(22, 2);
    entries.extend([six.revision(times[0], "s22", "False"), six.service(times[1], "s23", "False")]);

    // A request that Cloud Run refuses has no other entry.
    let seven = deploy("jobs", 1, "dev-cicdl-0007", "seven", json!({}));
    entries.push(Deploy::refused(seven.request_v1(at(24), "a24")));
    entries
}

/// The events of [`entries`], sorted.
const EVENTS: [&str; 14] = [
    "gateway DEV-CICDL-0001 CICDL ONE in_progress",
    "gateway DEV-CICDL-0001 CICDL ONE success",
    "gateway DEV-CICDL-0002 CICDL TWO failure",
    "gateway DEV-CICDL-0002 CICDL TWO in_progress",
    "gateway DEV-CICDL-0003 CICDL THREE failure",
    "gateway DEV-CICDL-0003 CICDL THREE in_progress",
    "gateway DEV-CICDL-0003 CICDL THREE success",
    "gateway DEV-CICDL-0005 CICDL FIVE in_progress",
    "gateway DEV-CICDL-0005 CICDL FIVE success",
    "jobs DEV-CICDL-0007 CICDL SEVEN failure",
    "shop DEV-CICDL-0004 CICDL FOUR in_progress",
    "shop DEV-CICDL-0004 CICDL FOUR success",
    "web DEV-CICDL-0006 CICDL SIX failure",
    "web DEV-CICDL-0006 CICDL SIX in_progress",
];

/// The order of the entries, and the conditions under which they are read.
#[derive(Debug, Clone)]
struct Shuffle {
    /// For each entry, its place in the order of entries that report the same outcome.
    order: Vec<usize>,
    /// For each entry, the number of the first poll that can see it.
    visible_at: Vec<usize>,
    page_size: usize,
    /// For each poll, whether the process restarts before the poll.
    restarts: [bool; 6],
}

fn shuffles() -> impl Strategy<Value = Shuffle> {
    (
        Just((0..ENTRIES).collect::<Vec<_>>()).prop_shuffle(),
        prop::collection::vec(0_usize..5, ENTRIES),
        1_usize..30,
        any::<[bool; 6]>(),
    )
        .prop_map(|(order, visible_at, page_size, restarts)| Shuffle {
            order,
            visible_at,
            page_size,
            restarts,
        })
}

async fn run(shuffle: &Shuffle) -> Vec<String> {
    let mut setup = Setup::new().await;
    setup.logs.with(|log| log.page_size = shuffle.page_size);
    let entries = entries(&shuffle.order, Timestamp::now());
    assert_eq!(entries.len(), ENTRIES);
    let (mut seen, mut held) = (0, 0);
    for (nth, restarts) in shuffle.restarts.into_iter().enumerate() {
        let arriving = entries.iter().zip(&shuffle.visible_at).filter(|(_, at)| **at == nth);
        setup.add(arriving.map(|(entry, _)| entry.clone()));
        if restarts {
            setup.watcher = watcher(&setup.db.url, &setup.logs, &[PROJECT]);
        }
        let read = setup.poll().await;
        assert!(!read.more && read.unread == 0, "{read:?}");
        (seen, held) = (seen + read.seen, read.held);
    }
    assert_eq!((seen >= ENTRIES, held), (true, 0));
    let sql = "SELECT concat_ws(' ', meta->>'service', vtid, layer, module, status) FROM oasis_events";
    let mut rows: Vec<String> =
        setup.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    rows.sort();
    rows
}

#[test]
fn every_order_and_split_gives_each_operation_one_request_and_one_outcome() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[15; 32]);
    TestRunner::new_with_rng(config, rng)
        .run(&shuffles(), |shuffle| {
            prop_assert_eq!(runtime.block_on(run(&shuffle)), EVENTS);
            Ok(())
        })
        .unwrap();
}
