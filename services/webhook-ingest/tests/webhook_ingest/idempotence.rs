//! A property test: deliveries in any order and with any repetitions give the same rows.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::payloads::{ALL, event_of};
use crate::server::Server;

/// Delivers `order` to a new receiver, four at a time, and returns the stored rows without their ids.
async fn rows_after(order: &[usize]) -> BTreeSet<String> {
    let server = Server::start().await;
    for batch in order.chunks(4) {
        let mut answers = Vec::new();
        for which in batch {
            let (name, text) = ALL[*which];
            answers.push(server.deliver(event_of(name), text.as_bytes()));
        }
        for answer in futures_util::future::join_all(answers).await {
            assert!(answer.status.is_success(), "{}", answer.body);
        }
    }
    let rows = server.rows().await;
    let without_id = |mut row: Value| {
        row.as_object_mut().unwrap().remove("id");
        row.to_string()
    };
    let count = rows.len();
    let rows: BTreeSet<String> = rows.into_iter().map(without_id).collect();
    assert_eq!(rows.len(), count, "a row is stored twice");
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn the_order_and_repetitions_of_deliveries_do_not_change_the_rows(
        once in Just((0..ALL.len()).collect::<Vec<_>>()).prop_shuffle(),
        again in vec(0..ALL.len(), 0..24),
        positions in any::<u64>(),
    ) {
        let mut order = once;
        for (at, which) in again.into_iter().enumerate() {
            let position = usize::try_from(positions.rotate_left(at as u32) % order.len() as u64).unwrap();
            order.insert(position, which);
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let plain: Vec<usize> = (0..ALL.len()).collect();
        let expected = runtime.block_on(rows_after(&plain));
        let found = runtime.block_on(rows_after(&order));
        prop_assert_eq!(expected, found);
    }
}
