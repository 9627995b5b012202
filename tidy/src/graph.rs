//! A directed graph of files, and the shortest circle in each knot of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An arrow `from → to` says that the file `from` uses names that the file `to` defines.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    arrows: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Graph {
    /// Adds the arrow, or one more name to it. A file that uses its own names adds nothing.
    pub(crate) fn add(&mut self, from: &str, to: &str, name: &str) {
        if from != to {
            let arrow = self.arrows.entry(from.to_owned()).or_default().entry(to.to_owned()).or_default();
            arrow.insert(name.to_owned());
        }
    }

    /// Takes the arrow out, with its names.
    pub(crate) fn remove(&mut self, from: &str, to: &str) {
        if let Some(arrows) = self.arrows.get_mut(from) {
            arrows.remove(to);
        }
    }

    /// Every arrow: from, to, and the names that are used.
    pub(crate) fn arrows(&self) -> impl Iterator<Item = (&str, &str, &BTreeSet<String>)> {
        self.arrows.iter().flat_map(|(from, arrows)| {
            arrows.iter().map(move |(to, names)| (from.as_str(), to.as_str(), names))
        })
    }

    /// A shortest circle for each set of files that all reach each other; the first file is not repeated at
    /// the end.
    pub(crate) fn circles(&self) -> Vec<Vec<&str>> {
        let mut circles: Vec<Vec<&str>> = Vec::new();
        let mut tied: BTreeSet<&str> = BTreeSet::new();
        for start in self.arrows.keys().map(String::as_str) {
            if tied.contains(start) {
                continue;
            }
            let reached = self.reached_from(start);
            let knot: Vec<&str> =
                reached.into_iter().filter(|file| self.reached_from(file).contains(start)).collect();
            tied.extend(&knot);
            circles.extend(knot.iter().filter_map(|file| self.circle_through(file)).min_by_key(Vec::len));
        }
        circles
    }

    /// A circle as text, one arrow a line, with the names that tie it.
    pub(crate) fn describe(&self, circle: &[&str]) -> String {
        let next = circle.iter().skip(1).chain(circle.first());
        let lines = circle.iter().zip(next).map(|(from, to)| {
            let names = self.arrows.get(*from).and_then(|arrows| arrows.get(*to));
            let names: Vec<String> = names.into_iter().flatten().map(|name| format!("`{name}`")).collect();
            format!("\n    {from} uses {} of {to}", names.join(", "))
        });
        lines.collect()
    }

    fn following(&self, file: &str) -> impl Iterator<Item = &str> {
        self.arrows.get(file).into_iter().flat_map(|arrows| arrows.keys().map(String::as_str))
    }

    /// What can be reached over at least one arrow.
    fn reached_from(&self, start: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.following(start).collect();
        while let Some(file) = open.pop() {
            if reached.insert(file) {
                open.extend(self.following(file));
            }
        }
        reached
    }

    fn circle_through<'a>(&'a self, start: &'a str) -> Option<Vec<&'a str>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut open = VecDeque::from([start]);
        while let Some(file) = open.pop_front() {
            for next in self.following(file) {
                if next == start {
                    let mut circle = vec![file];
                    while let Some(before) = circle.last().and_then(|file| came_from.get(file)) {
                        circle.push(before);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if !came_from.contains_key(next) {
                    came_from.insert(next, file);
                    open.push_back(next);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(arrows: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in arrows {
            graph.add(from, to, &to.to_uppercase());
        }
        graph
    }

    #[test]
    fn a_line_has_no_circle() {
        assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c"), ("a", "a")]).circles().is_empty());
    }

    #[test]
    fn each_knot_gives_its_shortest_circle() {
        let arrows =
            [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "c"), ("x", "y"), ("y", "x"), ("d", "x")];
        let graph = graph(&arrows);
        assert_eq!(graph.circles(), [vec!["c", "d"], vec!["x", "y"]]);
        assert_eq!(graph.describe(&["c", "d"]), "\n    c uses `D` of d\n    d uses `C` of c");
    }

    #[test]
    fn an_arrow_that_is_removed_ties_nothing() {
        let mut graph = graph(&[("a", "b"), ("b", "a")]);
        graph.remove("b", "a");
        assert!(graph.circles().is_empty());
        assert_eq!(graph.arrows().count(), 1);
    }
}
