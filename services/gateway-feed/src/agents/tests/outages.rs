//! Tests that an agent's silence does not count while no agent can ping.

use super::helpers::{due, keys, lost, ping, registry, seconds, state};
use crate::agents::registry::Registry;
use crate::agents::state::State;

/// While the table is out of reach, no agent is late. Afterwards, the silence of every agent is counted
/// from zero again.
#[test]
fn no_agent_is_lost_because_of_an_outage() {
    let mut registry = registry(10);
    registry.observe(ping(1, "i", "in_progress"), seconds(0));
    registry.down();
    assert_eq!((state(&registry, 10_000), due(&registry, 10_000)), (State::Working, vec![]));
    registry.up(seconds(10_000));
    // A second `up` does not mean that there was an outage: here, the tail has changed from listening to
    // polling.
    registry.up(seconds(10_100));
    assert_eq!((state(&registry, 10_089), state(&registry, 10_090)), (State::Working, State::Late));
    assert_eq!((due(&registry, 10_149), due(&registry, 10_150).len()), (vec![], 1));
    registry.restart_count(seconds(10_150));
    assert_eq!((due(&registry, 10_299), due(&registry, 10_300).len()), (vec![], 1));
}

/// Silence does not count while the table does not answer, no matter how the registry notices this.
#[test]
fn no_agent_is_lost_because_the_table_hangs() {
    let watched = || {
        let mut registry = registry(10);
        registry.observe(ping(1, "i", "in_progress"), seconds(0));
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
    // The answer comes late. No agent is missed before the answer comes.
    let mut late = watched();
    assert_eq!((state(&late, 200), due(&late, 200)), (State::Working, vec![]));
    late.probed(seconds(140), false, Some(seconds(200)));
    // The table hung until second 149, and the agent pings again 30 s later.
    let mut short = watched();
    short.probed(seconds(140), false, Some(seconds(149)));
    all_along(&mut short, 150, 182);
    assert_eq!(due(&short, 180), []);
    // The probe fails, and no answer comes for a while.
    let mut failed = watched();
    failed.probed(seconds(140), false, None);
    assert_eq!(due(&failed, 160), []);
    failed.probed(seconds(199), true, Some(seconds(200)));
    // No probe was sent for a while.
    let mut asleep = watched();
    asleep.probed(seconds(199), true, Some(seconds(200)));
    for registry in [&mut late, &mut failed, &mut asleep] {
        all_along(registry, 202, 352);
        assert_eq!((due(registry, 349), due(registry, 350).len()), (vec![], 1));
    }
    // A return is due whether the table answers or not.
    let mut back = watched();
    back.observe(lost(2, "i", 1), seconds(140));
    assert!(!back.watches());
    back.observe(ping(3, "i", "info"), seconds(300));
    assert_eq!(keys(&back, 301), ["gateway:back:i:2".to_owned()].into());
}
