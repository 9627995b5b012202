//! Tests how the senders of waiting appends share the statements and the memory.

use std::time::Duration;

use oasis_core::{Channel, Event, Kind, Meta, Module, NewEvent, Source, Status, Task, Ts};
use proptest::prelude::*;
use tokio::sync::oneshot::Receiver;

use super::*;

type Answered = Receiver<Result<Vec<Appended>, AppendError>>;

fn rows(number: usize, module: &str) -> Vec<PreparedEvent> {
    let event = NewEvent {
        event: Event {
            ts: Ts::clamped(jiff::Timestamp::UNIX_EPOCH),
            task: Task::Unset,
            layer_hint: None,
            module: Module::parse(module).unwrap(),
            source: Source::OasisEvents,
            kind: Kind::parse("event").unwrap(),
            status: Status::Info,
            link: None,
        },
        channel: Channel::devhub(),
        meta: Meta::default(),
        dedup_key: None,
    };
    (0..number).map(|_| PreparedEvent::from(event.clone())).collect()
}

/// Queues an append with this many rows, which counts as `weight` bytes. The module names the append.
fn push(queue: &Queue, sender: Sender, (number, weight): (usize, usize), module: &str) -> Option<Answered> {
    let memory = queue.reserve(sender, weight)?;
    let (answer, answered) = oneshot::channel();
    let deadline = Instant::now() + Duration::from_secs(60);
    let rows = rows(number, module);
    queue.push(Job { rows, weight, deadline, failed: None, answer, sender, memory });
    Some(answered)
}

fn names(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.rows[0].event().module.as_str()).collect()
}

#[tokio::test]
async fn a_sender_with_many_appends_does_not_delay_the_others() {
    let queue = Queue::default();
    for nth in 0..10 {
        push(&queue, 1, (600, 100_000), &format!("BIG-{nth}")).unwrap();
    }
    for (sender, module) in [(2, "A-0"), (2, "A-1"), (3, "B-0")] {
        push(&queue, sender, (1, 1_000), module).unwrap();
    }
    assert!(queue.fills_a_batch());
    // Each lane has one turn before the second turn of the first lane, which does not fit any more.
    let first = queue.take_batch();
    assert_eq!(names(&first), ["BIG-0", "A-0", "B-0"]);
    // Appends that failed are tried first.
    queue.put_back(first);
    assert_eq!(names(&queue.take_batch()), ["BIG-0", "A-0", "B-0"]);
    assert_eq!(names(&queue.take_batch()), ["BIG-1", "A-1"]);
    assert_eq!((names(&queue.take_batch()), queue.len()), (vec!["BIG-2"], 7));
}

#[tokio::test]
async fn the_sender_that_uses_most_of_the_memory_gives_way() {
    const MIB: usize = 1 << 20;
    let queue = Queue::default();
    let mut waiting: Vec<_> = (0..64).map(|_| push(&queue, 1, (1, MIB), "BIG").unwrap()).collect();
    assert!(push(&queue, 1, (1, MIB), "BIG").is_none(), "the sender does not push out its own appends");
    assert!(push(&queue, 2, (1, 65 * MIB), "HUGE").is_none());
    let small = push(&queue, 2, (1, MIB), "SMALL").unwrap();
    let newest = waiting.pop().unwrap().await.unwrap();
    assert!(matches!(newest, Err(AppendError::Overloaded)), "{newest:?}");
    // Both senders can have half of the memory.
    let others: Vec<_> = (0..40).map_while(|_| push(&queue, 2, (1, MIB), "SMALL")).collect();
    assert_eq!(others.len(), 31);
    let jobs: Vec<Job> =
        std::iter::from_fn(|| Some(queue.take_batch()).filter(|jobs| !jobs.is_empty())).flatten().collect();
    assert_eq!(jobs.iter().filter(|job| job.sender == 2).count(), 32);
    jobs.into_iter().for_each(|job| job.answer(Ok(Vec::new())));
    assert!(small.await.unwrap().is_ok());
    // The memory has been returned.
    assert_eq!(queue.used.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn small_appends_count_too() {
    let queue = Queue::default();
    let accepted = (0..20_000).map_while(|_| push(&queue, 1, (1, 1), "A")).count();
    assert!((10_000..=10_001).contains(&accepted), "{accepted}");
}

proptest! {
    /// Every append is taken exactly once, and those of one sender in the order of their arrival.
    #[test]
    fn appends_are_taken_once_and_in_order(
        steps in proptest::collection::vec((0_u64..4, 1_usize..700, 1_usize..300_000, 0_u8..4), 1..60),
    ) {
        let queue = Queue::default();
        let (mut pushed, mut taken) = (vec![Vec::new(); 4], vec![Vec::new(); 4]);
        let mut answers = Vec::new();
        for (nth, (sender, rows, weight, step)) in steps.into_iter().enumerate() {
            let name = format!("N{nth}");
            answers.push(push(&queue, sender, (rows, weight), &name).unwrap());
            pushed[sender as usize].push(name);
            if step == 0 {
                let jobs = queue.take_batch();
                queue.put_back(jobs);
            }
            if step == 1 {
                for job in queue.take_batch() {
                    taken[job.sender as usize].push(job.rows[0].event().module.as_str().to_owned());
                }
            }
            queue.answer_late(Instant::now());
        }
        while queue.len() > 0 {
            for job in queue.take_batch() {
                taken[job.sender as usize].push(job.rows[0].event().module.as_str().to_owned());
            }
        }
        prop_assert_eq!(taken, pushed);
        prop_assert_eq!(queue.used.load(Ordering::Relaxed), 0);
    }
}
