//! Tests each row of the table in `verdict.rs`.

use super::*;

/// The first attempt of an append that is alone in its statement, has no dedup keys, and has time left.
const FIRST: Circumstances = Circumstances {
    duplicates: Duplicates::Refused,
    shared: false,
    idempotent: false,
    in_doubt: false,
    in_time: true,
};
const KEYED: Circumstances = Circumstances { idempotent: true, ..FIRST };
const LATE: Circumstances = Circumstances { in_time: false, ..FIRST };
const SHARED: Circumstances = Circumstances { shared: true, ..FIRST };
/// A second attempt. The connection was lost during the first attempt, after the rows were sent.
const IN_DOUBT: Circumstances = Circumstances { in_doubt: true, duplicates: Duplicates::Skipped, ..KEYED };
const SKIPPING: Circumstances = Circumstances { duplicates: Duplicates::Skipped, ..FIRST };

/// The verdict on an append whose statement failed with the SQLSTATE `state`, or without a SQLSTATE.
fn of(state: Option<&SqlState>, circumstances: Circumstances) -> Verdict {
    verdict(Failure::of(state), circumstances)
}

fn retry(millis: u64, otherwise: Reason) -> Verdict {
    Verdict::Retry { after: Duration::from_millis(millis), otherwise }
}

#[test]
fn each_failure_gets_the_verdict_of_the_table() {
    use Reason::{Late, Stalled, Unavailable, Unknown};
    use Verdict::{Answer, Refuse, Split};
    let late_in_doubt = Circumstances { in_time: false, ..IN_DOUBT };
    let late_keyed = Circumstances { idempotent: true, ..LATE };
    let shared_late = Circumstances { shared: true, ..LATE };
    let shared_keyed = Circumstances { idempotent: true, ..SHARED };
    let shared_skipping = Circumstances { shared: true, ..SKIPPING };
    for (what, state, circumstances, expected) in [
        ("lock held", SqlState::LOCK_NOT_AVAILABLE, FIRST, retry(0, Stalled)),
        ("lock held, shared batch", SqlState::LOCK_NOT_AVAILABLE, shared_keyed, retry(0, Stalled)),
        ("lock held, no time left", SqlState::LOCK_NOT_AVAILABLE, LATE, Answer(Stalled)),
        ("lock held, no time left, keys", SqlState::LOCK_NOT_AVAILABLE, late_keyed, Answer(Stalled)),
        ("lock held, in doubt", SqlState::LOCK_NOT_AVAILABLE, IN_DOUBT, retry(0, Unknown)),
        ("lock held, in doubt, no time left", SqlState::LOCK_NOT_AVAILABLE, late_in_doubt, Answer(Unknown)),
        ("table locked", SqlState::QUERY_CANCELED, FIRST, retry(100, Stalled)),
        ("table locked, shared batch, no time left", SqlState::QUERY_CANCELED, shared_late, Answer(Stalled)),
        ("deadlock", SqlState::T_R_DEADLOCK_DETECTED, FIRST, retry(5, Unavailable)),
        ("deadlock, shared batch", SqlState::T_R_DEADLOCK_DETECTED, SHARED, retry(5, Unavailable)),
        ("deadlock, no time left", SqlState::T_R_DEADLOCK_DETECTED, LATE, Answer(Unavailable)),
        ("deadlock, in doubt", SqlState::T_R_DEADLOCK_DETECTED, IN_DOUBT, retry(5, Unknown)),
        ("serialization failure", SqlState::T_R_SERIALIZATION_FAILURE, FIRST, retry(5, Unavailable)),
        ("serialization, no time left", SqlState::T_R_SERIALIZATION_FAILURE, late_keyed, Answer(Unavailable)),
        ("duplicate", SqlState::UNIQUE_VIOLATION, KEYED, retry(0, Late)),
        ("duplicate, shared batch", SqlState::UNIQUE_VIOLATION, shared_keyed, retry(0, Late)),
        ("duplicate, no time left", SqlState::UNIQUE_VIOLATION, late_keyed, Answer(Late)),
        ("another unique index", SqlState::UNIQUE_VIOLATION, SKIPPING, Refuse),
        ("another unique index, shared batch", SqlState::UNIQUE_VIOLATION, shared_skipping, Split),
        ("CHECK", SqlState::CHECK_VIOLATION, FIRST, Refuse),
        ("CHECK, duplicates skipped", SqlState::CHECK_VIOLATION, SKIPPING, Refuse),
        ("CHECK, shared batch", SqlState::CHECK_VIOLATION, SHARED, Split),
        ("CHECK, no time left", SqlState::CHECK_VIOLATION, LATE, Refuse),
        ("bad text", SqlState::CHARACTER_NOT_IN_REPERTOIRE, KEYED, Refuse),
        ("bad text, shared batch", SqlState::CHARACTER_NOT_IN_REPERTOIRE, shared_keyed, Split),
        ("read-only", SqlState::READ_ONLY_SQL_TRANSACTION, KEYED, Answer(Unavailable)),
        ("read-only, shared batch", SqlState::READ_ONLY_SQL_TRANSACTION, shared_keyed, Answer(Unavailable)),
        ("read-only, in doubt", SqlState::READ_ONLY_SQL_TRANSACTION, IN_DOUBT, Answer(Unknown)),
        ("disk full", SqlState::DISK_FULL, KEYED, Answer(Unavailable)),
        ("too many connections", SqlState::TOO_MANY_CONNECTIONS, KEYED, Answer(Unavailable)),
        ("missing right", SqlState::INSUFFICIENT_PRIVILEGE, KEYED, Answer(Unavailable)),
        ("missing table", SqlState::UNDEFINED_TABLE, KEYED, Answer(Unavailable)),
        ("a trigger of another program", SqlState::RAISE_EXCEPTION, KEYED, Answer(Unavailable)),
        ("session ended, keys", SqlState::ADMIN_SHUTDOWN, KEYED, retry(100, Unknown)),
        ("session ended, no keys", SqlState::ADMIN_SHUTDOWN, FIRST, Answer(Unknown)),
        ("session ended, keys, no time left", SqlState::ADMIN_SHUTDOWN, late_keyed, Answer(Unknown)),
        ("session ended, keys, in doubt", SqlState::ADMIN_SHUTDOWN, IN_DOUBT, retry(100, Unknown)),
        ("server crashed, keys", SqlState::CRASH_SHUTDOWN, KEYED, retry(100, Unknown)),
        ("pooler lost its server, no keys", SqlState::CONNECTION_FAILURE, SHARED, Answer(Unknown)),
    ] {
        assert_eq!(of(Some(&state), circumstances), expected, "{what} ({})", state.code());
    }
}

/// If there is no SQLSTATE, the connection failed or the server did not answer.
#[test]
fn if_the_server_does_not_answer_only_rows_with_keys_are_sent_again() {
    assert_eq!(of(None, KEYED), retry(100, Reason::Unknown));
    assert_eq!(of(None, Circumstances { shared: true, ..KEYED }), retry(100, Reason::Unknown));
    assert_eq!(of(None, FIRST), Verdict::Answer(Reason::Unknown));
    assert_eq!(of(None, SHARED), Verdict::Answer(Reason::Unknown));
    assert_eq!(of(None, Circumstances { idempotent: true, ..LATE }), Verdict::Answer(Reason::Unknown));
}

#[test]
fn each_failure_says_whether_the_connection_closes_and_why_the_queue_waits() {
    use Failure::{Cancelled, CannotWrite, Conflict, Duplicate, LockTimeout, Lost, Refused};
    for (failure, closes, queue_reason) in [
        (LockTimeout, false, Some(Reason::Stalled)),
        (Cancelled, false, Some(Reason::Stalled)),
        (Conflict, false, Some(Reason::Unavailable)),
        (Duplicate, false, None),
        (Refused, false, None),
        (Lost, true, Some(Reason::Unavailable)),
        (CannotWrite, true, None),
    ] {
        let found = (failure.closes_connection(), failure.queue_reason());
        assert_eq!(found, (closes, queue_reason), "{failure:?}");
    }
}

/// For every failure and all circumstances: an append is tried again only with time left, a statement is
/// split only if it is shared, and the outcome is unknown only if the rows may be stored.
#[test]
fn every_verdict_fits_the_circumstances() {
    use Failure::{Cancelled, CannotWrite, Conflict, Duplicate, LockTimeout, Lost, Refused};
    for failure in [LockTimeout, Cancelled, Conflict, Duplicate, Refused, Lost, CannotWrite] {
        for bits in 0..32_u8 {
            let is = |bit: u8| bits & (1 << bit) != 0;
            let circumstances = Circumstances {
                duplicates: if is(0) { Duplicates::Refused } else { Duplicates::Skipped },
                shared: is(1),
                idempotent: is(2),
                in_doubt: is(3),
                in_time: is(4),
            };
            let reason = match verdict(failure, circumstances) {
                Verdict::Retry { otherwise, .. } => {
                    assert!(circumstances.in_time, "{failure:?} {circumstances:?}");
                    otherwise
                }
                Verdict::Split => {
                    assert!(circumstances.shared, "{failure:?} {circumstances:?}");
                    continue;
                }
                Verdict::Refuse => {
                    assert!(
                        !circumstances.shared && matches!(failure, Refused | Duplicate),
                        "{failure:?} {circumstances:?}"
                    );
                    continue;
                }
                Verdict::Answer(reason) => reason,
            };
            let may_be_stored = failure == Lost || circumstances.in_doubt;
            assert_eq!(reason == Reason::Unknown, may_be_stored, "{failure:?} {circumstances:?}");
        }
    }
}
