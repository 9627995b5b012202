//! Compares the queue with a simple model of it.

use proptest::prelude::*;

use super::*;

#[test]
fn senders_take_turns() {
    let mut lanes = Lanes::default();
    for item in ["a1", "a2", "a3", "b1", "c1", "b2"] {
        lanes.push_back(&item[..1], 1, item);
    }
    assert_eq!(lanes.next(), Some(&"a1"));
    let taken: Vec<&str> = std::iter::from_fn(|| lanes.pop()).collect();
    assert_eq!(taken, ["a1", "b1", "c1", "a2", "b2", "a3"]);
    assert!(lanes.is_empty() && lanes.next().is_none());
}

#[test]
fn the_sender_with_the_greatest_weight_gives_way() {
    let mut lanes = Lanes::default();
    for (sender, weight, item) in [(1, 5, "a1"), (1, 5, "a2"), (2, 4, "b1"), (2, 4, "b2")] {
        lanes.push_back(sender, weight, item);
    }
    assert_eq!(lanes.give_way(1, 1, 1), None, "a sender does not push out its own items");
    assert_eq!(lanes.give_way(3, 11, 1), None, "the others have less");
    assert_eq!(lanes.give_way(3, 6, 7), None, "the others can only give 4 + 2");
    assert_eq!(lanes.give_way(3, 6, 6), Some("a2"));
    assert_eq!(lanes.give_way(3, 6, 1), Some("b2"));
    assert_eq!(lanes.len(), 2);
}

proptest! {
    /// Every item comes out once, the items of one sender in their order, and nothing is left behind.
    #[test]
    fn nothing_is_lost_and_each_lane_keeps_its_order(
        steps in proptest::collection::vec((0_u8..4, 0_usize..5, 0_u8..8), 0..200),
    ) {
        let mut lanes = Lanes::default();
        let mut model = vec![VecDeque::new(); 4];
        for (nth, (sender, weight, step)) in steps.into_iter().enumerate() {
            let own = &mut model[usize::from(sender)];
            match step {
                0..4 => {
                    lanes.push_back(sender, weight, (sender, nth));
                    own.push_back((sender, nth));
                }
                4 => {
                    lanes.push_front(sender, weight, (sender, nth));
                    own.push_front((sender, nth));
                    prop_assert_eq!(lanes.next(), Some(&(sender, nth)));
                }
                5 => if let Some(item) = lanes.pop() {
                    prop_assert_eq!(model[usize::from(item.0)].pop_front(), Some(item));
                },
                6 => if let Some(item) = lanes.give_way(sender, weight, 1) {
                    prop_assert_ne!(item.0, sender);
                    prop_assert_eq!(model[usize::from(item.0)].pop_back(), Some(item));
                },
                _ => {
                    let removed = lanes.extract(|(_, number)| number % 3 == weight);
                    let before: usize = model.iter().map(VecDeque::len).sum();
                    model.iter_mut().for_each(|own| own.retain(|(_, number)| number % 3 != weight));
                    prop_assert_eq!(before - removed.len(), model.iter().map(VecDeque::len).sum::<usize>());
                }
            }
            prop_assert_eq!(lanes.len(), model.iter().map(VecDeque::len).sum::<usize>());
            prop_assert_eq!(lanes.iter().count(), lanes.len());
            prop_assert_eq!(lanes.weight(), lanes.lanes.values().map(|lane| lane.weight).sum::<usize>());
        }
        while let Some(item) = lanes.pop() {
            prop_assert_eq!(model[usize::from(item.0)].pop_front(), Some(item));
        }
        prop_assert!(model.iter().all(VecDeque::is_empty));
        prop_assert!(lanes.lanes.is_empty() && lanes.turns.is_empty() && lanes.is_empty());
        prop_assert_eq!(lanes.weight(), 0);
    }
}
