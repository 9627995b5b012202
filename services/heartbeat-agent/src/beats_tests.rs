//! The machine over a clock of the tests' own.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Clock {
    began: Instant,
    now: Instant,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        Self { began: now, now }
    }

    fn pass(&mut self, by: Duration) {
        self.now += by;
    }

    /// The wall clock, which may say anything.
    fn ts(&self) -> Ts {
        let seconds = (self.now - self.began).as_secs();
        Ts::from_unix_seconds(1_767_323_045 + i64::try_from(seconds).unwrap()).unwrap()
    }
}

fn who() -> Pinger {
    Pinger {
        agent: "web planner".into(),
        role: Some("PLANNER".into()),
        instance: "build-7:42:1767323045".into(),
        host: Some("build-7".into()),
        pid: Some(42),
        started: Some("2026-01-02T03:04:05.000Z".into()),
    }
}

fn vtid(number: u32) -> Doing {
    Doing::task(Some(Vtid::parse(&format!("DEV-CICDL-{number:04}")).unwrap()))
}

fn idle() -> Doing {
    Doing::task(None)
}

fn ended(doing: Doing, ending: Ending) -> Doing {
    Doing { ended: Some(ending), ..doing }
}

fn beats(interval: Duration, doing: Doing, clock: &Clock) -> Beats {
    Beats::new(who(), Some("claude".into()), interval, doing, clock.now)
}

/// Beats now, and is told; `chance` 1 keeps the first interval whole for one who works.
fn told(beats: &mut Beats, clock: &Clock) -> NewEvent {
    let event = beats.beat(clock.now, clock.ts());
    beats.arrived(clock.now, 1.0);
    event
}

fn meta(event: &NewEvent, name: &str) -> Value {
    event.meta.as_map().get(name).cloned().unwrap_or_default()
}

#[test]
fn the_first_at_once_and_then_every_interval() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, vtid(31), &clock);
    assert_eq!(beats.due(), Some(clock.now));
    let first = told(&mut beats, &clock);
    assert_eq!((first.event.task.as_str(), first.event.layer()), ("DEV-CICDL-0031", "CICDL"));
    assert_eq!((first.event.module.as_str(), first.event.status), ("WEB-PLANNER", Status::InProgress));
    assert_eq!((first.event.source, first.event.kind.as_str()), (Source::AgentPing, "ping"));
    assert_eq!(Pinger::read(first.meta.as_map(), "X"), who());
    assert_eq!(first.dedup_key.as_ref().unwrap().as_str(), "ping:build-7:42:1767323045:1");
    for (name, value) in [("interval", 60), ("seq", 1), ("uptime", 0)] {
        assert_eq!(meta(&first, name), value, "{name}");
    }
    assert_eq!((meta(&first, "repeat"), meta(&first, "command")), (Value::Null, "claude".into()));

    for seq in 2..5 {
        assert_eq!(beats.due(), Some(clock.now + 60 * SECOND));
        clock.pass(60 * SECOND);
        let repeat = told(&mut beats, &clock);
        assert_eq!((meta(&repeat, "repeat"), meta(&repeat, "seq")), (true.into(), seq.into()));
        assert_eq!(meta(&repeat, "uptime"), 60 * (seq - 1));
    }
}

#[test]
fn those_who_begin_together_are_spread() {
    let clock = Clock::new();
    for (doing, least, most) in [(vtid(1), 30, 60), (idle(), 60, 75)] {
        for (chance, seconds) in [(0.0, least), (1.0, most)] {
            let mut beats = beats(60 * SECOND, doing.clone(), &clock);
            beats.beat(clock.now, clock.ts());
            beats.arrived(clock.now, chance);
            assert_eq!(beats.due(), Some(clock.now + seconds * SECOND));
        }
    }
}

#[test]
fn a_change_is_due_at_once_and_is_no_repeat() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, idle(), &clock);
    assert_eq!(told(&mut beats, &clock).event.status, Status::Info);
    for (doing, task, status) in [
        (vtid(1), "DEV-CICDL-0001", Status::InProgress),
        (vtid(2), "DEV-CICDL-0002", Status::InProgress),
        (idle(), "IDLE", Status::Info),
    ] {
        clock.pass(SECOND);
        beats.set(doing, clock.now);
        assert!(beats.due() <= Some(clock.now));
        let event = told(&mut beats, &clock);
        assert_eq!((event.event.task.as_str(), event.event.status), (task, status));
        assert_eq!(meta(&event, "repeat"), Value::Null);
        assert!(beats.due() > Some(clock.now));
    }
    // The same again is no change.
    beats.set(idle(), clock.now);
    assert!(beats.due() > Some(clock.now));
}

/// However short the interval, idle beats are a minute apart, and promise no more.
#[test]
fn idle_beats_coalesce() {
    let mut clock = Clock::new();
    let mut beats = beats(SECOND, idle(), &clock);
    assert_eq!(meta(&told(&mut beats, &clock), "interval"), 60);
    let first = clock.now;
    assert!(beats.due() >= Some(first + 60 * SECOND));
    clock.now = beats.due().unwrap();
    told(&mut beats, &clock);
    assert_eq!(beats.due(), Some(clock.now + 60 * SECOND));
    beats.set(vtid(1), clock.now);
    assert_eq!(meta(&told(&mut beats, &clock), "interval"), 1);
    assert_eq!(beats.due(), Some(clock.now + SECOND));
}

#[test]
fn an_end_is_told_once_and_belongs_to_the_last_task() {
    for (ending, status) in [
        (Ending::well(), Status::Success),
        (Ending { exit_code: Some(137), signal: Some(9), ..Ending::badly() }, Status::Failure),
    ] {
        let mut clock = Clock::new();
        let mut beats = beats(60 * SECOND, vtid(31), &clock);
        told(&mut beats, &clock);
        clock.pass(SECOND);
        beats.set(ended(vtid(32), ending.clone()), clock.now);
        beats.set(idle(), clock.now);
        assert!(beats.due() <= Some(clock.now));
        let end = told(&mut beats, &clock);
        assert_eq!((end.event.task.as_str(), end.event.status), ("DEV-CICDL-0032", status));
        assert_eq!(meta(&end, "exit_code"), ending.exit_code.map_or(Value::Null, Value::from));
        assert_eq!(meta(&end, "signal"), ending.signal.map_or(Value::Null, Value::from));
        assert_eq!(meta(&end, "interval"), Value::Null);
        assert_eq!(beats.due(), None);
    }
}

/// Ten minutes without a way out: tries back off, nothing piles up, and the next beat tells the gap.
#[test]
fn a_gap_is_told() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, vtid(1), &clock);
    told(&mut beats, &clock);
    let last = clock.ts().to_string();
    clock.now = beats.due().unwrap();
    let (lost, mut tries) = (clock.now, 0);
    while clock.now < lost + 600 * SECOND {
        beats.beat(clock.now, clock.ts());
        beats.failed(clock.now, 1.0);
        tries += 1;
        let pause = beats.due().unwrap() - clock.now;
        assert!(pause <= LONGEST_PAUSE && (tries < 6 || pause == LONGEST_PAUSE), "{tries}: {pause:?}");
        clock.pass(pause);
        // What it works on meanwhile is told only as far as it is still so.
        beats.set(vtid(tries), clock.now);
    }
    assert!(tries < 30, "{tries}");
    let event = beats.beat(clock.now, clock.ts());
    assert_eq!(event.event.task.as_str(), format!("DEV-CICDL-{tries:04}"));
    assert_eq!((meta(&event, "gap_since"), meta(&event, "failed_attempts")), (last.into(), tries.into()));
    assert_eq!(meta(&event, "seq"), tries + 1);
    beats.arrived(clock.now, 1.0);
    assert_eq!(beats.due(), Some(clock.now + 60 * SECOND));
    clock.pass(60 * SECOND);
    assert_eq!(meta(&told(&mut beats, &clock), "gap_since"), Value::Null);
}

/// It may have been stored, and only the answer was lost: told again it is the same, for an interval.
#[test]
fn a_try_that_failed_may_have_arrived() {
    let mut clock = Clock::new();
    let mut beats = beats(10 * SECOND, vtid(1), &clock);
    let key =
        |event: &NewEvent| event.dedup_key.as_ref().unwrap().as_str().rsplit_once(':').unwrap().1.to_owned();
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(key(&beats.beat(clock.now, clock.ts())));
        beats.failed(clock.now, 1.0);
        clock.pass(4 * SECOND);
    }
    // Ten seconds later it is news that it lives.
    assert_eq!(keys, ["1", "1", "1", "2"]);
    beats.set(vtid(2), clock.now);
    assert_eq!(key(&told(&mut beats, &clock)), "3");
    clock.pass(10 * SECOND);
    assert_eq!(key(&told(&mut beats, &clock)), "4");
}

/// Whoever was told of a change, perhaps, is told of its end: at once, and not as if nothing had been said
/// between.
#[test]
fn what_is_as_before_a_try_that_failed_is_news() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, idle(), &clock);
    told(&mut beats, &clock);
    clock.pass(SECOND);
    beats.set(vtid(1), clock.now);
    beats.beat(clock.now, clock.ts());
    beats.failed(clock.now, 1.0);
    beats.set(idle(), clock.now);
    assert_eq!(beats.due(), Some(clock.now + SECOND));
    clock.pass(SECOND);
    let event = told(&mut beats, &clock);
    assert_eq!((event.event.status, meta(&event, "repeat")), (Status::Info, Value::Null));
    assert_eq!(meta(&event, "seq"), 3);
    clock.pass(60 * SECOND);
    assert_eq!(meta(&told(&mut beats, &clock), "repeat"), true);
}

#[test]
fn a_short_interval_is_not_backed_off_beyond_itself() {
    let mut clock = Clock::new();
    let mut beats = beats(2 * SECOND, vtid(1), &clock);
    for _ in 0..10 {
        beats.beat(clock.now, clock.ts());
        beats.failed(clock.now, 1.0);
        assert!(beats.due().unwrap() - clock.now <= 2 * SECOND);
        clock.pass(2 * SECOND);
    }
}

/// What was refused is not said again before its next turn; anything else is due at once.
#[test]
fn a_beat_that_is_refused_waits_for_its_next_turn() {
    for (refused, turn) in [(vtid(1), 600), (idle(), 600), (vtid(2), 600)] {
        let mut clock = Clock::new();
        let mut beats = beats(600 * SECOND, vtid(2), &clock);
        if refused != vtid(2) {
            told(&mut beats, &clock);
            clock.pass(SECOND);
        }
        beats.set(refused.clone(), clock.now);
        let first = beats.beat(clock.now, clock.ts());
        beats.refused(clock.now);
        assert_eq!(beats.due(), Some(clock.now + turn * SECOND));
        // The same once more is nothing else.
        beats.set(refused.clone(), clock.now + SECOND);
        assert_eq!(beats.due(), Some(clock.now + turn * SECOND));
        clock.pass(turn * SECOND);
        let next = beats.beat(clock.now, clock.ts());
        assert!(meta(&next, "seq").as_u64() > meta(&first, "seq").as_u64());
        assert_eq!(meta(&next, "failed_attempts"), 1);
        beats.refused(clock.now);
        clock.pass(SECOND);
        beats.set(vtid(3), clock.now);
        assert_eq!(beats.due(), Some(clock.now));
        told(&mut beats, &clock);
        assert_eq!(beats.due(), Some(clock.now + 600 * SECOND));
    }
    let mut clock = Clock::new();
    let mut beats = beats(600 * SECOND, vtid(1), &clock);
    beats.beat(clock.now, clock.ts());
    beats.refused(clock.now);
    clock.pass(SECOND);
    beats.set(ended(vtid(1), Ending::well()), clock.now);
    assert_eq!(beats.due(), Some(clock.now));
}

/// A gap before anything was told began with the agent.
#[test]
fn a_first_beat_that_is_late_says_since_when() {
    let clock = Clock::new();
    let mut beats = beats(60 * SECOND, idle(), &clock);
    beats.beat(clock.now, clock.ts());
    beats.failed(clock.now, 0.0);
    let event = beats.beat(clock.now, clock.ts());
    assert_eq!(meta(&event, "gap_since"), who().started.unwrap());
    assert_eq!(meta(&event, "repeat"), Value::Null);
}

/// An end is tried at once, whatever the pause; and what the wall clock says changes no schedule.
#[test]
fn an_end_does_not_wait_and_the_wall_clock_may_jump() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, vtid(1), &clock);
    for jump in [-86_400 * 400, 86_400 * 400] {
        let ts = Ts::from_unix_seconds(1_767_323_045 + jump).unwrap();
        assert_eq!(beats.beat(clock.now, ts).event.ts, ts);
        beats.arrived(clock.now, 1.0);
        assert_eq!(beats.due(), Some(clock.now + 60 * SECOND));
        clock.pass(60 * SECOND);
    }
    for _ in 0..8 {
        beats.beat(clock.now, clock.ts());
        beats.failed(clock.now, 1.0);
    }
    assert!(beats.due() > Some(clock.now));
    beats.set(ended(idle(), Ending::well()), clock.now);
    assert_eq!(beats.due(), Some(clock.now));
}

#[derive(Debug, Clone)]
enum Step {
    Set(Doing),
    Pass(u64),
    Fail,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let doing = prop_oneof![Just(idle()), (1_u32..4).prop_map(vtid)];
    let step =
        prop_oneof![doing.prop_map(Step::Set), (1_u64..200_000).prop_map(Step::Pass), Just(Step::Fail),];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever happens: an agent that can be heard is never silent for longer than it promised, a repeat
    /// says what the one before it said, idle repeats are a minute apart, and numbers only grow.
    #[test]
    fn promises_are_kept(steps in steps(), interval in 1_u64..120) {
        let mut clock = Clock::new();
        let mut beats = beats(Duration::from_secs(interval), idle(), &clock);
        let mut before: Option<(NewEvent, Instant)> = None;
        let (mut failing, mut doubted) = (false, false);
        let (mut seq, mut tried) = (0, None);
        for step in steps {
            let until = match step {
                Step::Set(doing) => {
                    beats.set(doing, clock.now);
                    clock.now
                }
                Step::Pass(ms) => clock.now + Duration::from_millis(ms),
                Step::Fail => {
                    failing = !failing;
                    clock.now
                }
            };
            while let Some(due) = beats.due().filter(|due| *due <= until) {
                clock.now = clock.now.max(due);
                let event = beats.beat(clock.now, clock.ts());
                let number = meta(&event, "seq").as_u64().unwrap();
                let said = (event.event.task.clone(), event.event.status);
                prop_assert!(number > seq || (number == seq && tried.as_ref() == Some(&said)));
                seq = number;
                if failing {
                    beats.failed(clock.now, 0.5);
                    let is_other =
                        |last: &NewEvent| last.event.task != said.0 || last.event.status != said.1;
                    doubted |= before.as_ref().is_some_and(|(last, _)| is_other(last));
                    tried = Some(said);
                    continue;
                }
                tried = None;
                let repeats = meta(&event, "repeat") == true;
                if let Some((last, at)) = &before {
                    let same = last.event.task == event.event.task && last.event.status == event.event.status;
                    prop_assert_eq!(repeats, same && !doubted);
                    if repeats && event.event.status == Status::Info {
                        prop_assert!(clock.now - *at >= IDLE_INTERVAL);
                    }
                    if meta(&event, "failed_attempts").is_null() {
                        let promised = meta(last, "interval").as_f64().unwrap();
                        let late = (clock.now - *at).as_secs_f64();
                        prop_assert!(late <= promised * 1.25, "{} after a promise of {}", late, promised);
                    }
                }
                beats.arrived(clock.now, 0.5);
                doubted = false;
                before = Some((event, clock.now));
            }
            clock.now = clock.now.max(until);
        }
    }
}
