//! The registry under an injected clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use oasis_core::{Channel, DedupKey, Kind, Layer, Meta, Module, Source, Ts};
use oasis_store::StoredEvent;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::heard::Heard;
use super::registry::{Agent, Registry, State};
use super::telling::Telling;

const INTERVAL: u64 = 60;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stored(id: i64, kind: &str, status: &str, vtid: &str, meta: &Value) -> StoredEvent {
    StoredEvent {
        id,
        ts: format!("2026-01-02T03:04:05.{id:03}Z").parse().unwrap(),
        task: vtid.parse().unwrap(),
        layer: Layer::unset(),
        module: Module::parse("PLANNER").unwrap(),
        source: Source::AgentPing,
        kind: Kind::parse(kind).unwrap(),
        status: status.parse().unwrap(),
        title: String::new(),
        reference: String::new(),
        link: None,
        channel: Channel::devhub(),
        recorded_at: Timestamp::from_second(1_767_323_045 + id).unwrap(),
        meta: Some(Meta::stored(meta.to_string())),
    }
}

fn ping(id: i64, instance: &str, status: &str) -> Heard {
    let meta = json!({ "agent": "planner", "instance": instance, "interval": INTERVAL });
    Heard::read(&stored(id, "ping", status, "IDLE", &meta)).unwrap()
}

fn lost(id: i64, instance: &str, last_id: i64) -> Heard {
    let meta = json!({ "agent": "planner", "instance": instance, "last_id": last_id });
    Heard::read(&stored(id, "ping.lost", "failure", "IDLE", &meta)).unwrap()
}

fn back(id: i64, instance: &str) -> Heard {
    let meta = json!({ "agent": "planner", "instance": instance });
    Heard::read(&stored(id, "ping.back", "info", "IDLE", &meta)).unwrap()
}

/// A registry that reads the table from its beginning.
fn registry(most: usize) -> Registry {
    let mut registry = Registry::new(most);
    registry.start();
    registry.up(Duration::ZERO);
    let epoch = registry.wants_seed().unwrap();
    registry.seed(epoch, [], Duration::ZERO);
    registry
}

fn state(registry: &Registry, now: u64) -> State {
    only(registry, now).1
}

fn only(registry: &Registry, now: u64) -> (&Agent, State) {
    let mut all = registry.all(seconds(now));
    let one = all.next().expect("an agent");
    assert!(all.next().is_none(), "one agent");
    one
}

fn due(registry: &Registry, now: u64) -> Vec<Telling> {
    registry.due(seconds(now), Ts::clamped(Timestamp::UNIX_EPOCH), 1_000)
}

fn key(telling: &Telling) -> String {
    telling.event.as_ref().unwrap().dedup_key.as_ref().map(DedupKey::as_str).unwrap().to_owned()
}

fn keys(registry: &Registry, now: u64) -> BTreeSet<String> {
    due(registry, now).iter().map(key).collect()
}

#[test]
fn late_after_one_and_a_half_intervals_and_missed_after_two_and_a_half() {
    let mut registry = registry(10);
    registry.hear(ping(1, "i", "in_progress"), seconds(100));
    assert_eq!(state(&registry, 189), State::Working);
    assert_eq!(state(&registry, 190), State::Late);
    assert_eq!(due(&registry, 249), []);
    assert_eq!(keys(&registry, 250), ["gateway:lost:i:1".to_owned()].into());
    // Lost is who the table calls lost.
    assert_eq!(state(&registry, 250), State::Late);
    registry.hear(lost(2, "i", 1), seconds(251));
    assert_eq!((state(&registry, 251), due(&registry, 10_000)), (State::Lost, vec![]));
    assert_eq!(only(&registry, 251).0.since().to_string(), "2026-01-02T03:04:05.002Z");
}

#[test]
fn a_repeat_counts_and_keeps_since() {
    let mut registry = registry(10);
    registry.hear(ping(1, "i", "in_progress"), seconds(0));
    registry.hear(ping(2, "i", "in_progress"), seconds(80));
    assert_eq!(state(&registry, 160), State::Working);
    assert_eq!(only(&registry, 160).0.since().to_string(), "2026-01-02T03:04:05.001Z");
    registry.hear(ping(3, "i", "info"), seconds(161));
    assert_eq!(
        (state(&registry, 161), only(&registry, 161).0.since().to_string()),
        (State::Idle, "2026-01-02T03:04:05.003Z".to_owned())
    );
    let task = json!({ "instance": "i", "interval": 60 });
    registry.hear(Heard::read(&stored(4, "ping", "info", "DEV-TEST-0001", &task)).unwrap(), seconds(162));
    assert_eq!(only(&registry, 162).0.since().to_string(), "2026-01-02T03:04:05.004Z", "another task");
    // What was read before changes nothing.
    registry.hear(ping(2, "i", "in_progress"), seconds(170));
    assert_eq!((state(&registry, 170), only(&registry, 170).0.ping.id), (State::Idle, 4));
}

/// The table's order counts, and no clock of an agent: a run may begin anew under the same name on a machine that is slow.
#[test]
fn a_ping_after_the_goodbye_is_a_new_beginning() {
    let mut registry = registry(10);
    registry.hear(ping(3, "i", "success"), seconds(60));
    registry.hear(Heard { id: 4, ..ping(2, "i", "in_progress") }, seconds(60));
    assert_eq!((state(&registry, 60), keys(&registry, 210).len()), (State::Working, 1));
}

#[test]
fn the_return_of_a_lost_one_is_told_once() {
    let mut registry = registry(10);
    registry.hear(ping(1, "i", "in_progress"), seconds(0));
    registry.hear(lost(2, "i", 1), seconds(150));
    registry.hear(ping(9, "i", "in_progress"), seconds(500));
    assert_eq!(state(&registry, 500), State::Working);
    let told = due(&registry, 500);
    assert_eq!(told.iter().map(key).collect::<Vec<_>>(), ["gateway:back:i:2"]);
    let event = told[0].event.as_ref().unwrap();
    assert_eq!((event.event.kind.as_str(), event.event.status.as_str()), ("ping.back", "info"));
    // From when the loss was recorded, since it does not say when the last ping was.
    assert_eq!(event.meta.as_map()["away"], 7);
    registry.told(&told[0]);
    assert_eq!(due(&registry, 501), []);
    registry.hear(back(10, "i"), seconds(501));
    assert_eq!((state(&registry, 501), due(&registry, 502)), (State::Working, vec![]));
    // And it can be lost again, under another key.
    assert_eq!(keys(&registry, 650), ["gateway:lost:i:9".to_owned()].into());
}

/// Gateways that only read it say what the one that told it says.
#[test]
fn what_a_loss_says() {
    let mut registry = registry(10);
    let meta = json!({
        "agent": "planner", "role": "PLANNER", "instance": "build-7:42:1", "host": "build-7", "pid": 42, "interval": 1.5
    });
    registry
        .hear(Heard::read(&stored(7, "ping", "in_progress", "DEV-TEST-0001", &meta)).unwrap(), seconds(0));
    let told = due(&registry, 4);
    let event = told[0].event.clone().unwrap();
    assert_eq!(event.event.reference(), "vt/DEV-TEST-0001-ping-lost");
    assert_eq!(
        (event.event.title().as_str(), event.event.status.as_str()),
        ("TEST-PLANNER-PING-LOST", "failure")
    );
    let said = Value::Object(event.meta.as_map().clone());
    assert_eq!(
        said,
        json!({
            "agent": "planner", "role": "PLANNER", "instance": "build-7:42:1", "host": "build-7", "pid": 42,
            "interval": 1.5, "last_seen": "2026-01-02T03:04:12.000Z", "last_id": 7
        })
    );
    let read = Heard::read(&stored(8, "ping.lost", "failure", "DEV-TEST-0001", &said)).unwrap();
    registry.hear(read, seconds(5));
    assert_eq!(state(&registry, 5), State::Lost);
    registry.hear(Heard::read(&stored(67, "ping", "info", "DEV-TEST-0001", &meta)).unwrap(), seconds(6));
    let told = due(&registry, 6);
    assert_eq!(told[0].event.as_ref().unwrap().meta.as_map()["away"], 60);
}

#[test]
fn who_said_goodbye_is_never_lost() {
    for (status, at) in [("success", 1), ("failure", 2), ("cancelled", 3)] {
        let mut registry = registry(10);
        registry.hear(ping(at, "i", "in_progress"), seconds(0));
        registry.hear(ping(at + 1, "i", status), seconds(1));
        assert_eq!((state(&registry, 100_000), due(&registry, 100_000)), (State::Stopped, vec![]));
        // Not even when somebody says so.
        registry.hear(lost(50, "i", at + 1), seconds(2));
        assert_eq!((state(&registry, 3), due(&registry, 3)), (State::Stopped, vec![]));
    }
}

#[test]
fn the_last_interval_counts_and_none_is_no_promise() {
    let mut registry = registry(10);
    registry.hear(ping(1, "i", "in_progress"), seconds(0));
    let idle = json!({ "instance": "i", "interval": 600 });
    registry.hear(Heard::read(&stored(2, "ping", "info", "IDLE", &idle)).unwrap(), seconds(10));
    assert_eq!((state(&registry, 909), due(&registry, 1_509)), (State::Idle, vec![]));
    assert_eq!((state(&registry, 910), due(&registry, 1_510).len()), (State::Late, 1));
    let none = json!({ "instance": "i" });
    registry.hear(Heard::read(&stored(3, "ping", "info", "IDLE", &none)).unwrap(), seconds(20));
    assert_eq!((state(&registry, 1_000_000), due(&registry, 1_000_000)), (State::Idle, vec![]));
}

/// While the table is out of reach nobody is late, and afterwards everybody has all the time again.
#[test]
fn an_outage_loses_nobody() {
    let mut registry = registry(10);
    registry.hear(ping(1, "i", "in_progress"), seconds(0));
    registry.down();
    assert_eq!((state(&registry, 10_000), due(&registry, 10_000)), (State::Working, vec![]));
    registry.up(seconds(10_000));
    // Polling instead of listening is no outage.
    registry.up(seconds(10_100));
    assert_eq!((state(&registry, 10_089), state(&registry, 10_090)), (State::Working, State::Late));
    assert_eq!((due(&registry, 10_149), due(&registry, 10_150).len()), (vec![], 1));
    registry.count_anew(seconds(10_150));
    assert_eq!((due(&registry, 10_299), due(&registry, 10_300).len()), (vec![], 1));
}

/// Time in which the table did not answer counts for nothing, from whichever side it is noticed first.
#[test]
fn a_table_that_hangs_loses_nobody() {
    let watched = || {
        let mut registry = registry(10);
        registry.hear(ping(1, "i", "in_progress"), seconds(0));
        (0..140).step_by(2).for_each(|at| registry.probed(seconds(at), true, Some(seconds(at))));
        assert!(registry.watches());
        registry
    };
    let all_along = |registry: &mut Registry, from: u64, to: u64| {
        (from..to).step_by(2).for_each(|at| registry.probed(seconds(at), true, Some(seconds(at))));
    };
    let mut steady = watched();
    all_along(&mut steady, 140, 152);
    assert_eq!((state(&steady, 150), due(&steady, 149), due(&steady, 150).len()), (State::Late, vec![], 1));
    // The answer is awaited: nobody is missed even before it is there, and it comes late.
    let mut late = watched();
    assert_eq!((state(&late, 200), due(&late, 200)), (State::Working, vec![]));
    late.probed(seconds(140), false, Some(seconds(200)));
    // It hung until 149, and the agent tries again 30 s later.
    let mut short = watched();
    short.probed(seconds(140), false, Some(seconds(149)));
    all_along(&mut short, 150, 182);
    assert_eq!(due(&short, 180), []);
    // There is none, and none for a while.
    let mut failed = watched();
    failed.probed(seconds(140), false, None);
    assert_eq!(due(&failed, 160), []);
    failed.probed(seconds(199), true, Some(seconds(200)));
    // Nobody asked.
    let mut asleep = watched();
    asleep.probed(seconds(199), true, Some(seconds(200)));
    for registry in [&mut late, &mut failed, &mut asleep] {
        all_along(registry, 202, 352);
        assert_eq!((due(registry, 349), due(registry, 350).len()), (vec![], 1));
    }
    // A return is told whenever it can be.
    let mut back = watched();
    back.hear(lost(2, "i", 1), seconds(140));
    assert!(!back.watches());
    back.hear(ping(3, "i", "info"), seconds(300));
    assert_eq!(keys(&back, 301), ["gateway:back:i:2".to_owned()].into());
}

/// A ping was committed between what the loss was told for and the loss itself.
#[test]
fn a_ping_that_overtook_its_loss_means_back() {
    for order in
        [[ping(2, "i", "in_progress"), lost(3, "i", 1)], [lost(3, "i", 1), ping(2, "i", "in_progress")]]
    {
        let mut registry = registry(10);
        registry.hear(ping(1, "i", "in_progress"), seconds(0));
        order.into_iter().for_each(|heard| registry.hear(heard, seconds(150)));
        assert_eq!(state(&registry, 150), State::Working);
        assert_eq!(keys(&registry, 150), ["gateway:back:i:3".to_owned()].into());
    }
}

#[test]
fn at_the_start_the_table_says_who_there_is_and_the_count_begins() {
    let mut registry = Registry::new(10);
    assert!(!registry.is_known() && registry.wants_seed().is_none());
    registry.start();
    registry.up(seconds(1));
    let epoch = registry.wants_seed().unwrap();
    // Read by the tail while the table is asked.
    registry.hear(ping(12, "b", "info"), seconds(2));
    registry.hear(lost(13, "c", 9), seconds(2));
    let table = [
        ping(1, "a", "in_progress"),
        ping(5, "a", "in_progress"),
        ping(9, "c", "info"),
        ping(11, "b", "info"),
    ];
    registry.seed(epoch + 1, table.clone().map(|heard| (heard, seconds(86_000))), seconds(3));
    assert!(!registry.is_known(), "that was asked for another start");
    registry.seed(epoch, table.map(|heard| (heard, seconds(86_000))), seconds(3));
    let states: BTreeMap<String, (State, i64)> = registry
        .all(seconds(91))
        .map(|(agent, state)| (agent.ping.who.instance.clone(), (state, agent.ping.id)))
        .collect();
    let expected = [("a", (State::Working, 5)), ("b", (State::Idle, 12)), ("c", (State::Lost, 9))];
    assert_eq!(states, expected.map(|(name, state)| (name.to_owned(), state)).into());
    assert_eq!((keys(&registry, 152).len(), keys(&registry, 153).len()), (1, 2));
    registry.start();
    assert!(!registry.is_known() && registry.all(seconds(200)).next().is_none(), "another table");
}

/// A loss whose return was not told, because nobody watched then.
#[test]
fn a_return_that_is_owed_is_told_after_a_restart() {
    let events = [ping(1, "i", "info"), lost(2, "i", 1), ping(3, "i", "info"), back(4, "i")];
    for (known, owed) in [(3, 1), (4, 0)] {
        let mut registry = Registry::new(10);
        registry.start();
        registry.up(seconds(0));
        let epoch = registry.wants_seed().unwrap();
        registry.seed(epoch, events[..known].iter().cloned().map(|heard| (heard, seconds(9))), seconds(0));
        assert_eq!((state(&registry, 0), due(&registry, 0).len()), (State::Idle, owed));
    }
}

/// Of a ping that says something new the table gives only that one, so what was lost before it comes first.
#[test]
fn a_return_with_news_is_told_after_a_restart() {
    let events = [lost(2, "i", 1), ping(3, "i", "info"), back(4, "i")];
    for (known, owed) in [(2, vec!["gateway:back:i:2".to_owned()]), (3, vec![])] {
        let mut registry = Registry::new(10);
        registry.start();
        registry.up(seconds(0));
        let epoch = registry.wants_seed().unwrap();
        registry.seed(epoch, events[..known].iter().cloned().map(|heard| (heard, seconds(9))), seconds(0));
        assert_eq!((state(&registry, 0), keys(&registry, 0)), (State::Idle, owed.into_iter().collect()));
    }
}

/// Whatever it names: what comes after it is a return.
#[test]
fn a_loss_that_names_what_came_after_it_names_nothing() {
    for named in [3, 4_000, i64::MAX, -1] {
        let mut registry = registry(10);
        registry.hear(ping(1, "i", "info"), seconds(0));
        registry.hear(lost(2, "i", named), seconds(0));
        assert_eq!(state(&registry, 0), State::Lost, "{named}");
        registry.hear(ping(3, "i", "info"), seconds(1));
        assert_eq!((state(&registry, 1), keys(&registry, 1).len()), (State::Idle, 1), "{named}");
    }
}

#[test]
fn there_is_a_bound() {
    let mut registry = registry(20);
    for n in 0..20 {
        let status = if n < 5 { "success" } else { "info" };
        registry.hear(ping(n, &format!("i{n}"), status), seconds(0));
    }
    for n in 20..26 {
        registry.hear(ping(n, &format!("i{n}"), "info"), seconds(0));
    }
    let names: BTreeSet<i64> = registry.all(seconds(0)).map(|(agent, _)| agent.ping.id).collect();
    // The five that had stopped made room, the first ones first; the sixth found none.
    assert_eq!((names, registry.turned_away), ((5..25).collect(), 1));
    registry.hear(ping(30, "i24", "failure"), seconds(0));
    registry.hear(ping(31, "i25", "info"), seconds(2));
    assert!(registry.all(seconds(2)).any(|(agent, _)| agent.ping.id == 31));
    // What is said of one that is not known is nothing to know.
    registry.hear(lost(40, "stranger", 1), seconds(2));
    assert_eq!(registry.all(seconds(2)).count(), 20);
}

/// Whoever may send events can send pings of any number of instances, but not so that nobody else is watched.
#[test]
fn those_that_promise_nothing_make_room_first() {
    let quiet = |id: i64| {
        let meta = json!({ "instance": format!("quiet {id}") });
        Heard::read(&stored(id, "ping", "info", "IDLE", &meta)).unwrap()
    };
    let mut registry = registry(20);
    registry.hear(ping(1, "stopped", "success"), seconds(0));
    registry.hear(ping(2, "lost", "info"), seconds(0));
    registry.hear(lost(3, "lost", 2), seconds(0));
    registry.hear(ping(4, "alive", "info"), seconds(0));
    (10..1_010).for_each(|id| registry.hear(quiet(id), seconds(1)));
    let names = |registry: &Registry| -> BTreeSet<String> {
        registry.all(seconds(1)).map(|(agent, _)| agent.ping.who.instance.clone()).collect()
    };
    let kept = names(&registry);
    assert!(["stopped", "lost", "alive", "quiet 1009"].iter().all(|name| kept.contains(*name)), "{kept:?}");
    assert!(!kept.contains("quiet 10") && registry.turned_away == 0);
    // One that is watched makes room for nobody, but is let in by all others.
    for id in 2_000..2_019 {
        registry.hear(ping(id, &format!("i{id}"), "info"), seconds(2));
    }
    let watched: BTreeSet<String> =
        (2_000..2_019).map(|id| format!("i{id}")).chain(["alive".to_owned()]).collect();
    assert_eq!((names(&registry), registry.turned_away), (watched.clone(), 0));
    registry.hear(quiet(3_000), seconds(3));
    assert_eq!((names(&registry), registry.turned_away), (watched, 1));
}

#[test]
fn those_that_ended_are_forgotten_after_a_day() {
    let mut registry = registry(20);
    registry.hear(ping(1, "alive", "info"), seconds(0));
    registry.hear(ping(2, "stopped", "success"), seconds(0));
    let none = json!({ "instance": "promises nothing" });
    registry.hear(Heard::read(&stored(3, "ping", "info", "IDLE", &none)).unwrap(), seconds(0));
    registry.hear(ping(4, "lost", "info"), seconds(0));
    registry.hear(lost(5, "lost", 4), seconds(150));
    let names = |registry: &Registry| {
        registry.all(seconds(0)).map(|(agent, _)| agent.ping.id).collect::<BTreeSet<_>>()
    };
    registry.forget(seconds(86_400));
    assert_eq!(names(&registry), [1, 2, 3, 4].into());
    registry.forget(seconds(86_401));
    assert_eq!(names(&registry), [1, 4].into());
    registry.forget(seconds(86_551));
    assert_eq!(names(&registry), [1].into());
}

/// What the table can hold as a name makes a key, the same each time.
#[test]
fn any_name_makes_a_key() {
    for name in ["a\nb", "\u{7f}", "é😀", &"x".repeat(300), &"é".repeat(300)] {
        let mut registry = registry(2);
        registry.hear(ping(1, name, "info"), seconds(0));
        let told = due(&registry, 150);
        assert!(key(&told[0]).starts_with("gateway:lost:"), "{name:?}");
        assert_eq!(told, due(&registry, 160), "{name:?}");
    }
}

/// What happens around two gateways and a table.
#[derive(Debug, Clone)]
enum Step {
    Ping {
        instance: usize,
        stops: bool,
    },
    Time(u64),
    /// A gateway reads so many more events.
    Read {
        gateway: usize,
        events: usize,
    },
    /// A gateway tells what it finds due, however far it has read.
    Tell {
        gateway: usize,
    },
    Away {
        gateway: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3usize, prop::bool::weighted(0.1)).prop_map(|(instance, stops)| Step::Ping { instance, stops }),
        4 => (1..100u64).prop_map(Step::Time),
        4 => (0..2usize, 1..5usize).prop_map(|(gateway, events)| Step::Read { gateway, events }),
        4 => (0..2usize).prop_map(|gateway| Step::Tell { gateway }),
        1 => (0..2usize).prop_map(|gateway| Step::Away { gateway }),
    ];
    prop::collection::vec(step, 1..80)
}

/// A table that keeps each key once, and two gateways that follow it.
struct World {
    table: Vec<StoredEvent>,
    keys: BTreeSet<String>,
    gateways: [(Registry, usize); 2],
    now: u64,
}

impl World {
    fn new() -> Self {
        Self {
            table: Vec::new(),
            keys: BTreeSet::new(),
            gateways: [(registry(10), 0), (registry(10), 0)],
            now: 0,
        }
    }

    fn append(&mut self, kind: &str, status: &str, meta: &Meta) {
        let id = self.table.len() as i64 + 1;
        let meta = Value::Object(meta.as_map().clone());
        self.table.push(stored(id, kind, status, "IDLE", &meta));
    }

    fn read(&mut self, gateway: usize, events: usize) {
        let (registry, at) = &mut self.gateways[gateway];
        for event in self.table.iter().skip(*at).take(events) {
            registry.hear(Heard::read(event).unwrap(), seconds(self.now));
            *at += 1;
        }
    }

    fn tell(&mut self, gateway: usize) {
        for telling in due(&self.gateways[gateway].0, self.now) {
            if self.keys.insert(key(&telling)) {
                let event = telling.event.as_ref().unwrap();
                self.append(event.event.kind.as_str(), event.event.status.as_str(), &event.meta);
            }
            self.gateways[gateway].0.told(&telling);
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Ping { instance, stops } => {
                let who =
                    Meta::default().with("instance", Some(format!("i{instance}"))).with("interval", Some(60));
                self.append("ping", if stops { "success" } else { "in_progress" }, &who);
            }
            Step::Time(passes) => self.now += passes,
            Step::Read { gateway, events } => self.read(gateway, events),
            Step::Tell { gateway } => self.tell(gateway),
            Step::Away { gateway } => {
                self.gateways[gateway].0.down();
                self.gateways[gateway].0.up(seconds(self.now));
            }
        }
    }

    fn settle(&mut self) {
        loop {
            let before = self.table.len();
            for gateway in [0, 1] {
                self.read(gateway, usize::MAX);
            }
            // Both find the same, whoever of them comes first.
            assert_eq!(self.new_keys(0), self.new_keys(1));
            for gateway in [0, 1] {
                self.tell(gateway);
            }
            if self.table.len() == before {
                return;
            }
        }
    }

    /// What a gateway would tell that the table does not have.
    fn new_keys(&self, gateway: usize) -> BTreeSet<String> {
        keys(&self.gateways[gateway].0, self.now).difference(&self.keys).cloned().collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever the two gateways read when, and whoever tells first: the table ends up with one loss for each last ping, and
    /// one return for each loss after which, or across which, there was a ping; and both end up with the same view.
    #[test]
    fn any_interleaving_gives_the_same_events(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        for gateway in [0, 1] {
            world.read(gateway, usize::MAX);
        }
        // Long enough for both to miss everybody.
        world.now += 10_000;
        world.settle();

        let views = [0, 1].map(|gateway| {
            let (registry, _) = &world.gateways[gateway];
            registry
                .all(seconds(world.now))
                .map(|(agent, state)| (agent.ping.who.instance.clone(), (state, agent.ping.id, agent.since())))
                .collect::<BTreeMap<_, _>>()
        });
        prop_assert_eq!(&views[0], &views[1]);

        let read: Vec<Heard> = world.table.iter().filter_map(Heard::read).collect();
        let instances: BTreeSet<&str> = read.iter().map(|heard| heard.who.instance.as_str()).collect();
        let mut expected = BTreeSet::new();
        for instance in instances {
            let own: Vec<&Heard> = read.iter().filter(|heard| heard.who.instance == instance).collect();
            let pings: Vec<&Heard> = own.iter().copied().filter(|heard| heard.said == super::heard::Said::Ping).collect();
            let last = pings.last().unwrap();
            for heard in &own {
                if let super::heard::Said::Lost { last_id: Some(last_id), .. } = heard.said {
                    expected.insert(format!("gateway:lost:{instance}:{last_id}"));
                    prop_assert!(!pings.iter().any(|ping| ping.id == last_id && ping.stopped()));
                    if last.id > last_id {
                        expected.insert(format!("gateway:back:{instance}:{}", heard.id));
                    }
                }
            }
            if !last.stopped() {
                expected.insert(format!("gateway:lost:{instance}:{}", last.id));
            }
        }
        prop_assert_eq!(&world.keys, &expected);
    }
}
