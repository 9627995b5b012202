//! [`Lanes`]: a queue that many senders share fairly.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Items that wait. Each sender `K` has a lane, in which its items wait in the order of their arrival. The
/// lanes take turns, so a sender with many items does not delay the others.
///
/// Each item has a weight, such as the memory that it uses. The queue has no limit of its own. If it is full
/// for its user, the lane with the greatest weight gives way (see [`Lanes::give_way`]).
#[derive(Debug)]
pub struct Lanes<K, T> {
    lanes: HashMap<K, Lane<T>>,
    /// The senders with items, in the order of their turns.
    turns: VecDeque<K>,
    length: usize,
    weight: usize,
}

/// The items of one sender, each with its weight. A lane has at least one item.
#[derive(Debug)]
struct Lane<T> {
    items: VecDeque<(T, usize)>,
    weight: usize,
}

impl<K, T> Default for Lanes<K, T> {
    fn default() -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), length: 0, weight: 0 }
    }
}

impl<K: Copy + Eq + Hash + Ord, T> Lanes<K, T> {
    /// The number of items.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The weight of all items together.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Adds an item as the last one of its sender.
    pub fn push_back(&mut self, sender: K, weight: usize, item: T) {
        if !self.lanes.contains_key(&sender) {
            self.turns.push_back(sender);
        }
        self.lane(sender, weight).items.push_back((item, weight));
    }

    /// Adds an item in front of all others.
    pub fn push_front(&mut self, sender: K, weight: usize, item: T) {
        self.remove_turn(sender);
        self.turns.push_front(sender);
        self.lane(sender, weight).items.push_front((item, weight));
    }

    /// The lane to which an item is being added.
    fn lane(&mut self, sender: K, weight: usize) -> &mut Lane<T> {
        self.length += 1;
        self.weight += weight;
        let lane = self.lanes.entry(sender).or_insert_with(|| Lane { items: VecDeque::new(), weight: 0 });
        lane.weight += weight;
        lane
    }

    /// Removes the turn of a sender. Mostly it is the first one, so the others need not be searched.
    fn remove_turn(&mut self, sender: K) {
        if self.turns.front() == Some(&sender) {
            self.turns.pop_front();
        } else {
            self.turns.retain(|turn| *turn != sender);
        }
    }

    /// The next item: the first one of the sender whose turn it is.
    pub fn next(&self) -> Option<&T> {
        let (item, _) = self.lanes.get(self.turns.front()?)?.items.front()?;
        Some(item)
    }

    /// Takes the next item. The next turn of its sender comes after those of all others.
    pub fn pop(&mut self) -> Option<T> {
        self.pop_with(VecDeque::pop_front)
    }

    /// Takes the item with the lowest rank of the sender whose turn it is. If several items have this rank,
    /// takes the first one.
    pub fn pop_lowest<R: Ord>(&mut self, rank: impl Fn(&T) -> R) -> Option<T> {
        self.pop_with(|items| {
            let (lowest, _) = items.iter().enumerate().min_by_key(|(_, (item, _))| rank(item))?;
            items.remove(lowest)
        })
    }

    fn pop_with(&mut self, take: impl FnOnce(&mut VecDeque<(T, usize)>) -> Option<(T, usize)>) -> Option<T> {
        let sender = self.turns.front().copied()?;
        let item = self.remove(sender, take)?;
        if self.turns.front() == Some(&sender) {
            self.turns.rotate_left(1);
        }
        Some(item)
    }

    /// Takes out the newest item of the sender with the greatest weight, to make room for an item of
    /// `sender` with this `weight`. Only senders that have more than `sender` would then have give way.
    /// `None` if they cannot free the weight `needed`; then no item is removed.
    pub fn give_way(&mut self, sender: K, weight: usize, needed: usize) -> Option<T> {
        let own = self.lanes.get(&sender).map_or(0, |lane| lane.weight) + weight;
        let larger = || self.lanes.iter().filter(|(other, lane)| **other != sender && lane.weight > own);
        if larger().map(|(_, lane)| lane.weight - own).sum::<usize>() < needed {
            return None;
        }
        let largest = larger().max_by_key(|(other, lane)| (lane.weight, **other)).map(|(other, _)| *other)?;
        self.remove(largest, VecDeque::pop_back)
    }

    /// Takes an item out of a lane with `take`.
    fn remove(
        &mut self,
        sender: K,
        take: impl FnOnce(&mut VecDeque<(T, usize)>) -> Option<(T, usize)>,
    ) -> Option<T> {
        let lane = self.lanes.get_mut(&sender)?;
        let (item, weight) = take(&mut lane.items)?;
        lane.weight -= weight;
        self.length -= 1;
        self.weight -= weight;
        if lane.items.is_empty() {
            self.lanes.remove(&sender);
            self.remove_turn(sender);
        }
        Some(item)
    }

    /// All items, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.lanes.values().flat_map(|lane| &lane.items).map(|(item, _)| item)
    }

    /// All items, in no particular order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.lanes.values_mut().flat_map(|lane| &mut lane.items).map(|(item, _)| item)
    }

    /// Takes out the items for which `is_removed`. The others keep their order.
    pub fn extract(&mut self, is_removed: impl Fn(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for lane in self.lanes.values_mut() {
            for (item, weight) in std::mem::take(&mut lane.items) {
                if is_removed(&item) {
                    lane.weight -= weight;
                    self.weight -= weight;
                    removed.push(item);
                } else {
                    lane.items.push_back((item, weight));
                }
            }
        }
        self.length -= removed.len();
        self.lanes.retain(|_, lane| !lane.items.is_empty());
        self.turns.retain(|turn| self.lanes.contains_key(turn));
        removed
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
