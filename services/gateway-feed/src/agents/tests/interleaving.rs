//! Tests that two gateways report the same losses and returns, in whatever order they read and append.

use std::collections::{BTreeMap, BTreeSet};

use oasis_core::Meta;
use oasis_store::StoredEvent;
use proptest::prelude::*;
use serde_json::Value;

use super::helpers::{due, key, keys, registry, seconds, stored};
use crate::agents::observation::{Observation, Report};
use crate::agents::registry::Registry;

/// One step of a scenario with two gateways and one table.
#[derive(Debug, Clone)]
enum Step {
    Ping {
        instance: usize,
        stops: bool,
    },
    Time(u64),
    /// A gateway reads the next events, at most this many.
    Read {
        gateway: usize,
        events: usize,
    },
    /// A gateway appends the notices that are due. The gateway may be behind the table.
    Notify {
        gateway: usize,
    },
    Away {
        gateway: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3usize, prop::bool::weighted(0.1))
            .prop_map(|(instance, stops)| Step::Ping { instance, stops }),
        4 => (1..100u64).prop_map(Step::Time),
        4 => (0..2usize, 1..5usize).prop_map(|(gateway, events)| Step::Read { gateway, events }),
        4 => (0..2usize).prop_map(|gateway| Step::Notify { gateway }),
        1 => (0..2usize).prop_map(|gateway| Step::Away { gateway }),
    ];
    prop::collection::vec(step, 1..80)
}

/// A table that stores one event for each key, and two gateways that read the table.
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
            registry.observe(Observation::read(event).unwrap(), seconds(self.now));
            *at += 1;
        }
    }

    fn notify(&mut self, gateway: usize) {
        for notice in due(&self.gateways[gateway].0, self.now) {
            if self.keys.insert(key(&notice)) {
                let event = notice.event.as_ref().unwrap();
                self.append(event.event.kind.as_str(), event.event.status.as_str(), &event.meta);
            }
            self.gateways[gateway].0.notified(&notice);
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
            Step::Notify { gateway } => self.notify(gateway),
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
            // The same notices are due for both gateways, no matter which gateway appends first.
            assert_eq!(self.new_keys(0), self.new_keys(1));
            for gateway in [0, 1] {
                self.notify(gateway);
            }
            if self.table.len() == before {
                return;
            }
        }
    }

    /// The keys of the notices that are due for a gateway and that are not in the table yet.
    fn new_keys(&self, gateway: usize) -> BTreeSet<String> {
        keys(&self.gateways[gateway].0, self.now).difference(&self.keys).cloned().collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The gateways may read at any time, and either gateway may report first. In the end, the table has
    /// one loss for the last ping of each agent that did not stop, and no two losses for the same ping. For
    /// each loss, the table has one return if the agent has sent a ping after the ping that the loss names.
    /// Both gateways know the same agents and states.
    #[test]
    fn two_gateways_report_the_same_losses_and_returns_in_any_interleaving(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        for gateway in [0, 1] {
            world.read(gateway, usize::MAX);
        }
        // This is long enough for both gateways to miss every agent.
        world.now += 10_000;
        world.settle();

        let views = [0, 1].map(|gateway| {
            let (registry, _) = &world.gateways[gateway];
            registry
                .all(seconds(world.now))
                .map(|(agent, state)| {
                    (agent.ping.who.instance.clone(), (state, agent.ping.id, agent.since()))
                })
                .collect::<BTreeMap<_, _>>()
        });
        prop_assert_eq!(&views[0], &views[1]);

        let read: Vec<Observation> = world.table.iter().filter_map(Observation::read).collect();
        let instances: BTreeSet<&str> = read.iter().map(|one| one.who.instance.as_str()).collect();
        let mut expected = BTreeSet::new();
        for instance in instances {
            let own: Vec<&Observation> = read.iter().filter(|one| one.who.instance == instance).collect();
            let pings: Vec<&Observation> =
                own.iter().copied().filter(|one| one.report == Report::Ping).collect();
            let last = pings.last().unwrap();
            for observation in &own {
                if let Report::Lost { last_id: Some(last_id), .. } = observation.report {
                    expected.insert(format!("gateway:lost:{instance}:{last_id}"));
                    prop_assert!(!pings.iter().any(|ping| ping.id == last_id && ping.stopped()));
                    if last.id > last_id {
                        expected.insert(format!("gateway:back:{instance}:{}", observation.id));
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
