//! The table, row by row.

use super::*;

/// A first attempt that is alone, without dedup keys, and with time left.
const FIRST: Circumstances = Circumstances {
    repeats: Repeats::Refused,
    shared: false,
    repeatable: false,
    doubtful: false,
    in_time: true,
};
const KEYED: Circumstances = Circumstances { repeatable: true, ..FIRST };
const LATE: Circumstances = Circumstances { in_time: false, ..FIRST };
const SHARED: Circumstances = Circumstances { shared: true, ..FIRST };
/// A connection was lost while its rows were under way.
const DOUBTFUL: Circumstances = Circumstances { doubtful: true, repeats: Repeats::PassedOver, ..KEYED };
const PASSING_OVER: Circumstances = Circumstances { repeats: Repeats::PassedOver, ..FIRST };

/// The verdict on a statement that failed with this SQLSTATE, or with none.
fn of(state: Option<&SqlState>, its: Circumstances) -> Verdict {
    verdict(Failure::of(state), its)
}

fn again(millis: u64, otherwise: Reason) -> Verdict {
    Verdict::Again { after: Duration::from_millis(millis), otherwise }
}

#[test]
fn each_row() {
    use Reason::{Late, Stalled, Unavailable, Unknown};
    use Verdict::{Answer, Halves, Refuse};
    let late_doubtful = Circumstances { in_time: false, ..DOUBTFUL };
    let late_keyed = Circumstances { repeatable: true, ..LATE };
    let shared_late = Circumstances { shared: true, ..LATE };
    let shared_keyed = Circumstances { repeatable: true, ..SHARED };
    let shared_passing_over = Circumstances { shared: true, ..PASSING_OVER };
    for (what, state, its, expected) in [
        ("the writers' lock is held", SqlState::LOCK_NOT_AVAILABLE, FIRST, again(0, Stalled)),
        ("… for many", SqlState::LOCK_NOT_AVAILABLE, shared_keyed, again(0, Stalled)),
        ("… and no time is left", SqlState::LOCK_NOT_AVAILABLE, LATE, Answer(Stalled)),
        ("… whatever the keys", SqlState::LOCK_NOT_AVAILABLE, late_keyed, Answer(Stalled)),
        ("… and it may be stored", SqlState::LOCK_NOT_AVAILABLE, DOUBTFUL, again(0, Unknown)),
        ("… with no time left", SqlState::LOCK_NOT_AVAILABLE, late_doubtful, Answer(Unknown)),
        ("the table itself is locked", SqlState::QUERY_CANCELED, FIRST, again(100, Stalled)),
        ("… and no time is left", SqlState::QUERY_CANCELED, shared_late, Answer(Stalled)),
        ("a deadlock", SqlState::T_R_DEADLOCK_DETECTED, FIRST, again(5, Unavailable)),
        ("… of many", SqlState::T_R_DEADLOCK_DETECTED, SHARED, again(5, Unavailable)),
        ("… and no time is left", SqlState::T_R_DEADLOCK_DETECTED, LATE, Answer(Unavailable)),
        ("… and it may be stored", SqlState::T_R_DEADLOCK_DETECTED, DOUBTFUL, again(5, Unknown)),
        ("a serialization failure", SqlState::T_R_SERIALIZATION_FAILURE, FIRST, again(5, Unavailable)),
        ("… and no time is left", SqlState::T_R_SERIALIZATION_FAILURE, late_keyed, Answer(Unavailable)),
        ("a repeat is met first", SqlState::UNIQUE_VIOLATION, KEYED, again(0, Late)),
        ("… among others", SqlState::UNIQUE_VIOLATION, shared_keyed, again(0, Late)),
        ("… and no time is left", SqlState::UNIQUE_VIOLATION, late_keyed, Answer(Late)),
        ("another unique index refuses it", SqlState::UNIQUE_VIOLATION, PASSING_OVER, Refuse),
        ("… in a shared batch", SqlState::UNIQUE_VIOLATION, shared_passing_over, Halves),
        ("a CHECK refuses it", SqlState::CHECK_VIOLATION, FIRST, Refuse),
        ("… the second time, too", SqlState::CHECK_VIOLATION, PASSING_OVER, Refuse),
        ("… in a shared batch", SqlState::CHECK_VIOLATION, SHARED, Halves),
        ("… with no time left", SqlState::CHECK_VIOLATION, LATE, Refuse),
        ("a text that Postgres can't store", SqlState::CHARACTER_NOT_IN_REPERTOIRE, KEYED, Refuse),
        ("… in a shared batch", SqlState::CHARACTER_NOT_IN_REPERTOIRE, shared_keyed, Halves),
        ("read-only", SqlState::READ_ONLY_SQL_TRANSACTION, KEYED, Answer(Unavailable)),
        ("… for many", SqlState::READ_ONLY_SQL_TRANSACTION, shared_keyed, Answer(Unavailable)),
        ("… after a connection was lost", SqlState::READ_ONLY_SQL_TRANSACTION, DOUBTFUL, Answer(Unknown)),
        ("the disk is full", SqlState::DISK_FULL, KEYED, Answer(Unavailable)),
        ("too many connections", SqlState::TOO_MANY_CONNECTIONS, KEYED, Answer(Unavailable)),
        ("no right", SqlState::INSUFFICIENT_PRIVILEGE, KEYED, Answer(Unavailable)),
        ("no table", SqlState::UNDEFINED_TABLE, KEYED, Answer(Unavailable)),
        ("a trigger of somebody else's", SqlState::RAISE_EXCEPTION, KEYED, Answer(Unavailable)),
        ("the session is ended, keys", SqlState::ADMIN_SHUTDOWN, KEYED, again(100, Unknown)),
        ("… no keys", SqlState::ADMIN_SHUTDOWN, FIRST, Answer(Unknown)),
        ("… keys, and no time is left", SqlState::ADMIN_SHUTDOWN, late_keyed, Answer(Unknown)),
        ("… a second time", SqlState::ADMIN_SHUTDOWN, DOUBTFUL, again(100, Unknown)),
        ("the server crashed, keys", SqlState::CRASH_SHUTDOWN, KEYED, again(100, Unknown)),
        ("a pooler lost its server, no keys", SqlState::CONNECTION_FAILURE, SHARED, Answer(Unknown)),
    ] {
        assert_eq!(of(Some(&state), its), expected, "{what} ({})", state.code());
    }
}

/// Without a SQLSTATE it is the connection that failed, or nobody answered at all.
#[test]
fn without_an_answer_only_keys_are_sent_again() {
    assert_eq!(of(None, KEYED), again(100, Reason::Unknown));
    assert_eq!(of(None, Circumstances { shared: true, ..KEYED }), again(100, Reason::Unknown));
    assert_eq!(of(None, FIRST), Verdict::Answer(Reason::Unknown));
    assert_eq!(of(None, SHARED), Verdict::Answer(Reason::Unknown));
    assert_eq!(of(None, Circumstances { repeatable: true, ..LATE }), Verdict::Answer(Reason::Unknown));
}

#[test]
fn what_happens_to_the_connection_and_to_the_appends_behind() {
    use Failure::{Cancelled, CannotWrite, Conflict, LockTimeout, Lost, Refused, Repeat};
    for (failure, closes, holds_up) in [
        (LockTimeout, false, Some(Reason::Stalled)),
        (Cancelled, false, Some(Reason::Stalled)),
        (Conflict, false, Some(Reason::Unavailable)),
        (Repeat, false, None),
        (Refused, false, None),
        (Lost, true, Some(Reason::Unavailable)),
        (CannotWrite, true, None),
    ] {
        assert_eq!((failure.closes_the_connection(), failure.holds_up()), (closes, holds_up), "{failure:?}");
    }
}

/// Whatever the failure and the circumstances: only an append that has time is tried again, only a shared one
/// is halved, and only one that may have been stored is said to be in doubt.
#[test]
fn every_combination() {
    use Failure::{Cancelled, CannotWrite, Conflict, LockTimeout, Lost, Refused, Repeat};
    for failure in [LockTimeout, Cancelled, Conflict, Repeat, Refused, Lost, CannotWrite] {
        for bits in 0..32_u8 {
            let is = |bit: u8| bits & (1 << bit) != 0;
            let its = Circumstances {
                repeats: if is(0) { Repeats::Refused } else { Repeats::PassedOver },
                shared: is(1),
                repeatable: is(2),
                doubtful: is(3),
                in_time: is(4),
            };
            let reason = match verdict(failure, its) {
                Verdict::Again { otherwise, .. } => {
                    assert!(its.in_time, "{failure:?} {its:?}");
                    otherwise
                }
                Verdict::Halves => {
                    assert!(its.shared, "{failure:?} {its:?}");
                    continue;
                }
                Verdict::Refuse => {
                    assert!(!its.shared && matches!(failure, Refused | Repeat), "{failure:?} {its:?}");
                    continue;
                }
                Verdict::Answer(reason) => reason,
            };
            let may_be_stored = failure == Lost || its.doubtful;
            assert_eq!(reason == Reason::Unknown, may_be_stored, "{failure:?} {its:?}");
        }
    }
}
