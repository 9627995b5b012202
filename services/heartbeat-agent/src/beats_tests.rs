//! Tests of `Beats` with a clock that the tests advance.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Clock {
    started: Instant,
    now: Instant,
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        Self { started: now, now }
    }

    fn pass(&mut self, by: Duration) {
        self.now += by;
    }

    /// The time of the wall clock.
    fn ts(&self) -> Ts {
        let seconds = (self.now - self.started).as_secs();
        Ts::from_unix_seconds(1_767_323_045 + i64::try_from(seconds).unwrap()).unwrap()
    }
}

fn pinger() -> Pinger {
    Pinger {
        agent: "web planner".into(),
        role: Some("PLANNER".into()),
        instance: "build-7:42:1767323045".into(),
        host: Some("build-7".into()),
        pid: Some(42),
        started: Some("2026-01-02T03:04:05.000Z".into()),
    }
}

fn vtid(number: u32) -> AgentState {
    AgentState::with_task(Some(Vtid::parse(&format!("DEV-CICDL-{number:04}")).unwrap()))
}

fn idle() -> AgentState {
    AgentState::with_task(None)
}

fn ended(state: AgentState, ending: Ending) -> AgentState {
    AgentState { ended: Some(ending), ..state }
}

fn beats(interval: Duration, state: AgentState, clock: &Clock) -> Beats {
    let room = RoomId::parse("build-7").ok();
    Beats::new(pinger(), Wrapping { command: Some("claude".into()), room }, interval, state, clock.now)
}

/// Makes a beat now, and delivers it. A `chance` of 1 does not shorten the first interval of a working agent.
fn deliver(beats: &mut Beats, clock: &Clock) -> NewEvent {
    let event = beats.beat(clock.now, clock.ts());
    beats.delivered(clock.now, 1.0);
    event
}

fn meta(event: &NewEvent, name: &str) -> Value {
    event.meta.as_map().get(name).cloned().unwrap_or_default()
}

#[test]
fn the_first_beat_is_due_at_once_and_each_later_beat_after_an_interval() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, vtid(31), &clock);
    assert_eq!(beats.due(), Some(clock.now));
    let first = deliver(&mut beats, &clock);
    assert_eq!((first.event.task.as_str(), first.event.layer()), ("DEV-CICDL-0031", "CICDL"));
    assert_eq!((first.event.module.as_str(), first.event.status), ("WEB-PLANNER", Status::InProgress));
    assert_eq!((first.event.source, first.event.kind.as_str()), (Source::AgentPing, "ping"));
    assert_eq!(Pinger::read(first.meta.as_map(), "X"), pinger());
    assert_eq!(first.dedup_key.as_ref().unwrap().as_str(), "ping:build-7:42:1767323045:1");
    for (name, value) in [("interval", 60), ("seq", 1), ("uptime", 0)] {
        assert_eq!(meta(&first, name), value, "{name}");
    }
    assert_eq!((meta(&first, "repeat"), meta(&first, "command")), (Value::Null, "claude".into()));

    for seq in 2..5 {
        assert_eq!(beats.due(), Some(clock.now + 60 * SECOND));
        clock.pass(60 * SECOND);
        let repeat = deliver(&mut beats, &clock);
        assert_eq!((meta(&repeat, "repeat"), meta(&repeat, "seq")), (true.into(), seq.into()));
        assert_eq!(meta(&repeat, "uptime"), 60 * (seq - 1));
    }
}

#[test]
fn agents_that_start_together_spread_their_beats() {
    let clock = Clock::new();
    for (state, least, most) in [(vtid(1), 30, 60), (idle(), 60, 75)] {
        for (chance, seconds) in [(0.0, least), (1.0, most)] {
            let mut beats = beats(60 * SECOND, state.clone(), &clock);
            beats.beat(clock.now, clock.ts());
            beats.delivered(clock.now, chance);
            assert_eq!(beats.due(), Some(clock.now + seconds * SECOND));
        }
    }
}

#[test]
fn a_beat_with_a_new_state_is_due_at_once_and_is_not_a_repeat() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, idle(), &clock);
    assert_eq!(deliver(&mut beats, &clock).event.status, Status::Info);
    for (state, task, status) in [
        (vtid(1), "DEV-CICDL-0001", Status::InProgress),
        (vtid(2), "DEV-CICDL-0002", Status::InProgress),
        (idle(), "IDLE", Status::Info),
    ] {
        clock.pass(SECOND);
        beats.set_state(state, clock.now);
        assert!(beats.due() <= Some(clock.now));
        let event = deliver(&mut beats, &clock);
        assert_eq!((event.event.task.as_str(), event.event.status), (task, status));
        assert_eq!(meta(&event, "repeat"), Value::Null);
        assert!(beats.due() > Some(clock.now));
    }
    // Setting the same state again is not a change.
    beats.set_state(idle(), clock.now);
    assert!(beats.due() > Some(clock.now));
}

/// Idle beats promise an interval of at least a minute, even if the configured interval is shorter.
#[test]
fn idle_beats_are_at_least_a_minute_apart() {
    let mut clock = Clock::new();
    let mut beats = beats(SECOND, idle(), &clock);
    assert_eq!(meta(&deliver(&mut beats, &clock), "interval"), 60);
    let first = clock.now;
    assert!(beats.due() >= Some(first + 60 * SECOND));
    clock.now = beats.due().unwrap();
    deliver(&mut beats, &clock);
    assert_eq!(beats.due(), Some(clock.now + 60 * SECOND));
    beats.set_state(vtid(1), clock.now);
    assert_eq!(meta(&deliver(&mut beats, &clock), "interval"), 1);
    assert_eq!(beats.due(), Some(clock.now + SECOND));
}

#[test]
fn a_final_beat_is_sent_once_with_the_last_task() {
    for (ending, status) in [
        (Ending::well(), Status::Success),
        (Ending { exit_code: Some(137), signal: Some(9), ..Ending::badly() }, Status::Failure),
    ] {
        let mut clock = Clock::new();
        let mut beats = beats(60 * SECOND, vtid(31), &clock);
        deliver(&mut beats, &clock);
        clock.pass(SECOND);
        beats.set_state(ended(vtid(32), ending.clone()), clock.now);
        beats.set_state(idle(), clock.now);
        assert!(beats.due() <= Some(clock.now));
        let end = deliver(&mut beats, &clock);
        assert_eq!((end.event.task.as_str(), end.event.status), ("DEV-CICDL-0032", status));
        assert_eq!(meta(&end, "exit_code"), ending.exit_code.map_or(Value::Null, Value::from));
        assert_eq!(meta(&end, "signal"), ending.signal.map_or(Value::Null, Value::from));
        assert_eq!(meta(&end, "interval"), Value::Null);
        assert_eq!(beats.due(), None);
    }
}

/// During an outage of ten minutes, the pauses between attempts grow, and no beats are queued.
#[test]
fn a_beat_after_an_outage_reports_the_gap() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, vtid(1), &clock);
    deliver(&mut beats, &clock);
    let last = clock.ts().to_string();
    clock.now = beats.due().unwrap();
    let (outage, mut tries) = (clock.now, 0);
    while clock.now < outage + 600 * SECOND {
        beats.beat(clock.now, clock.ts());
        beats.failed(clock.now, 1.0);
        tries += 1;
        let pause = beats.due().unwrap() - clock.now;
        assert!(pause <= LONGEST_PAUSE && (tries < 6 || pause == LONGEST_PAUSE), "{tries}: {pause:?}");
        clock.pass(pause);
        // Only the last of these tasks is sent.
        beats.set_state(vtid(tries), clock.now);
    }
    assert!(tries < 30, "{tries}");
    let event = beats.beat(clock.now, clock.ts());
    assert_eq!(event.event.task.as_str(), format!("DEV-CICDL-{tries:04}"));
    assert_eq!((meta(&event, "gap_since"), meta(&event, "failed_attempts")), (last.into(), tries.into()));
    assert_eq!(meta(&event, "seq"), tries + 1);
    beats.delivered(clock.now, 1.0);
    assert_eq!(beats.due(), Some(clock.now + 60 * SECOND));
    clock.pass(60 * SECOND);
    assert_eq!(meta(&deliver(&mut beats, &clock), "gap_since"), Value::Null);
}

/// If only the answer was lost, the destination has stored the beat of the failed attempt. So a retry within
/// an interval has the same key.
#[test]
fn a_retry_keeps_its_dedup_key_for_an_interval() {
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
    // After an interval, the retry is a new beat, which shows that the agent is still alive.
    assert_eq!(keys, ["1", "1", "1", "2"]);
    beats.set_state(vtid(2), clock.now);
    assert_eq!(key(&deliver(&mut beats, &clock)), "3");
    clock.pass(10 * SECOND);
    assert_eq!(key(&deliver(&mut beats, &clock)), "4");
}

/// The destination may have stored the beat of a failed attempt. So a return to the state before this attempt
/// counts as a change.
#[test]
fn a_return_to_the_state_before_a_failed_attempt_is_not_a_repeat() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, idle(), &clock);
    deliver(&mut beats, &clock);
    clock.pass(SECOND);
    beats.set_state(vtid(1), clock.now);
    beats.beat(clock.now, clock.ts());
    beats.failed(clock.now, 1.0);
    beats.set_state(idle(), clock.now);
    assert_eq!(beats.due(), Some(clock.now + SECOND));
    clock.pass(SECOND);
    let event = deliver(&mut beats, &clock);
    assert_eq!((event.event.status, meta(&event, "repeat")), (Status::Info, Value::Null));
    assert_eq!(meta(&event, "seq"), 3);
    clock.pass(60 * SECOND);
    assert_eq!(meta(&deliver(&mut beats, &clock), "repeat"), true);
}

#[test]
fn a_pause_is_never_longer_than_the_interval() {
    let mut clock = Clock::new();
    let mut beats = beats(2 * SECOND, vtid(1), &clock);
    for _ in 0..10 {
        beats.beat(clock.now, clock.ts());
        beats.failed(clock.now, 1.0);
        assert!(beats.due().unwrap() - clock.now <= 2 * SECOND);
        clock.pass(2 * SECOND);
    }
}

/// The refused state is not sent again before the next interval. Any other state is due at once.
#[test]
fn a_refused_state_is_not_due_before_the_next_interval() {
    for (refused, wait) in [(vtid(1), 600), (idle(), 600), (vtid(2), 600)] {
        let mut clock = Clock::new();
        let mut beats = beats(600 * SECOND, vtid(2), &clock);
        if refused != vtid(2) {
            deliver(&mut beats, &clock);
            clock.pass(SECOND);
        }
        beats.set_state(refused.clone(), clock.now);
        let first = beats.beat(clock.now, clock.ts());
        beats.refused(clock.now);
        assert_eq!(beats.due(), Some(clock.now + wait * SECOND));
        // Setting the same state again is not a change.
        beats.set_state(refused.clone(), clock.now + SECOND);
        assert_eq!(beats.due(), Some(clock.now + wait * SECOND));
        clock.pass(wait * SECOND);
        let next = beats.beat(clock.now, clock.ts());
        assert!(meta(&next, "seq").as_u64() > meta(&first, "seq").as_u64());
        assert_eq!(meta(&next, "failed_attempts"), 1);
        beats.refused(clock.now);
        clock.pass(SECOND);
        beats.set_state(vtid(3), clock.now);
        assert_eq!(beats.due(), Some(clock.now));
        deliver(&mut beats, &clock);
        assert_eq!(beats.due(), Some(clock.now + 600 * SECOND));
    }
    let mut clock = Clock::new();
    let mut beats = beats(600 * SECOND, vtid(1), &clock);
    beats.beat(clock.now, clock.ts());
    beats.refused(clock.now);
    clock.pass(SECOND);
    beats.set_state(ended(vtid(1), Ending::well()), clock.now);
    assert_eq!(beats.due(), Some(clock.now));
}

#[test]
fn a_late_first_beat_reports_the_gap_since_the_start() {
    let clock = Clock::new();
    let mut beats = beats(60 * SECOND, idle(), &clock);
    beats.beat(clock.now, clock.ts());
    beats.failed(clock.now, 0.0);
    let event = beats.beat(clock.now, clock.ts());
    assert_eq!(meta(&event, "gap_since"), pinger().started.unwrap());
    assert_eq!(meta(&event, "repeat"), Value::Null);
}

/// The schedule does not depend on the wall clock.
#[test]
fn the_final_beat_skips_the_pause_and_a_jump_of_the_wall_clock_changes_nothing() {
    let mut clock = Clock::new();
    let mut beats = beats(60 * SECOND, vtid(1), &clock);
    for jump in [-86_400 * 400, 86_400 * 400] {
        let ts = Ts::from_unix_seconds(1_767_323_045 + jump).unwrap();
        assert_eq!(beats.beat(clock.now, ts).event.ts, ts);
        beats.delivered(clock.now, 1.0);
        assert_eq!(beats.due(), Some(clock.now + 60 * SECOND));
        clock.pass(60 * SECOND);
    }
    for _ in 0..8 {
        beats.beat(clock.now, clock.ts());
        beats.failed(clock.now, 1.0);
    }
    assert!(beats.due() > Some(clock.now));
    beats.set_state(ended(idle(), Ending::well()), clock.now);
    assert_eq!(beats.due(), Some(clock.now));
}

#[derive(Debug, Clone)]
enum Step {
    Set(AgentState),
    /// Lets milliseconds pass.
    Pass(u64),
    /// Switches between failing and successful deliveries.
    Fail,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let state = prop_oneof![Just(idle()), (1_u32..4).prop_map(vtid)];
    let step =
        prop_oneof![state.prop_map(Step::Set), (1_u64..200_000).prop_map(Step::Pass), Just(Step::Fail),];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// While deliveries succeed, an agent is never silent for longer than it promised. A repeat has the state
    /// of the previous beat. Idle repeats are at least a minute apart. Only a retry has the number of an
    /// earlier beat.
    #[test]
    fn an_agent_beats_as_often_as_it_promises(steps in steps(), interval in 1_u64..120) {
        let mut clock = Clock::new();
        let mut beats = beats(Duration::from_secs(interval), idle(), &clock);
        let mut before: Option<(NewEvent, Instant)> = None;
        let (mut failing, mut uncertain) = (false, false);
        let (mut seq, mut tried) = (0, None);
        for step in steps {
            let until = match step {
                Step::Set(state) => {
                    beats.set_state(state, clock.now);
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
                let content = (event.event.task.clone(), event.event.status);
                prop_assert!(number > seq || (number == seq && tried.as_ref() == Some(&content)));
                seq = number;
                if failing {
                    beats.failed(clock.now, 0.5);
                    let is_other =
                        |last: &NewEvent| last.event.task != content.0 || last.event.status != content.1;
                    uncertain |= before.as_ref().is_some_and(|(last, _)| is_other(last));
                    tried = Some(content);
                    continue;
                }
                tried = None;
                let repeats = meta(&event, "repeat") == true;
                if let Some((last, at)) = &before {
                    let same = last.event.task == event.event.task && last.event.status == event.event.status;
                    prop_assert_eq!(repeats, same && !uncertain);
                    if repeats && event.event.status == Status::Info {
                        prop_assert!(clock.now - *at >= IDLE_INTERVAL);
                    }
                    if meta(&event, "failed_attempts").is_null() {
                        let promised = meta(last, "interval").as_f64().unwrap();
                        let late = (clock.now - *at).as_secs_f64();
                        prop_assert!(late <= promised * 1.25, "gap: {} s, promised: {} s", late, promised);
                    }
                }
                beats.delivered(clock.now, 0.5);
                uncertain = false;
                before = Some((event, clock.now));
            }
            clock.now = clock.now.max(until);
        }
    }
}
