//! [`Graph`]: the dependencies between files, and the search for cycles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The dependencies between files. An edge `from → to` means that the file `from` uses names that the file
/// `to` defines.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The used names of each edge `from → to`. The outer key is `from`, and the inner key is `to`.
    edges: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Graph {
    /// Adds the name to the edge, and adds the edge if it does not exist yet. Does nothing if both files are
    /// the same.
    pub(crate) fn add(&mut self, from: &str, to: &str, name: &str) {
        if from != to {
            let names = self.edges.entry(from.to_owned()).or_default().entry(to.to_owned()).or_default();
            names.insert(name.to_owned());
        }
    }

    /// Removes the edge with all its names.
    pub(crate) fn remove(&mut self, from: &str, to: &str) {
        if let Some(edges) = self.edges.get_mut(from) {
            edges.remove(to);
        }
    }

    /// Returns every edge with the names that `from` uses: (from, to, names).
    pub(crate) fn edges(&self) -> impl Iterator<Item = (&str, &str, &BTreeSet<String>)> {
        self.edges.iter().flat_map(|(from, edges)| {
            edges.iter().map(move |(to, names)| (from.as_str(), to.as_str(), names))
        })
    }

    /// Finds a shortest cycle of each strongly connected component. A cycle is a list of files. The first
    /// file is not repeated at the end.
    pub(crate) fn cycles(&self) -> Vec<Vec<&str>> {
        let mut cycles: Vec<Vec<&str>> = Vec::new();
        let mut visited: BTreeSet<&str> = BTreeSet::new();
        for start in self.edges.keys().map(String::as_str) {
            if visited.contains(start) {
                continue;
            }
            let reached = self.reached_from(start);
            let component: Vec<&str> =
                reached.into_iter().filter(|file| self.reached_from(file).contains(start)).collect();
            visited.extend(&component);
            cycles.extend(component.iter().filter_map(|file| self.cycle_through(file)).min_by_key(Vec::len));
        }
        cycles
    }

    /// Describes a cycle as text. The text has one line for each edge, with the names that are used.
    pub(crate) fn describe(&self, cycle: &[&str]) -> String {
        let next = cycle.iter().skip(1).chain(cycle.first());
        let lines = cycle.iter().zip(next).map(|(from, to)| {
            let names = self.edges.get(*from).and_then(|edges| edges.get(*to));
            let names: Vec<String> = names.into_iter().flatten().map(|name| format!("`{name}`")).collect();
            format!("\n    {from} uses {} from {to}", names.join(", "))
        });
        lines.collect()
    }

    fn successors(&self, file: &str) -> impl Iterator<Item = &str> {
        self.edges.get(file).into_iter().flat_map(|edges| edges.keys().map(String::as_str))
    }

    /// Returns the files that can be reached from `start` through at least one edge.
    fn reached_from(&self, start: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.successors(start).collect();
        while let Some(file) = open.pop() {
            if reached.insert(file) {
                open.extend(self.successors(file));
            }
        }
        reached
    }

    /// Finds a shortest cycle through `start` with a breadth-first search.
    fn cycle_through<'a>(&'a self, start: &'a str) -> Option<Vec<&'a str>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut open = VecDeque::from([start]);
        while let Some(file) = open.pop_front() {
            for next in self.successors(file) {
                if next == start {
                    let mut cycle = vec![file];
                    while let Some(before) = cycle.last().and_then(|file| came_from.get(file)) {
                        cycle.push(before);
                    }
                    cycle.reverse();
                    return Some(cycle);
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

    fn graph(edges: &[(&str, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to) in edges {
            graph.add(from, to, &to.to_uppercase());
        }
        graph
    }

    #[test]
    fn no_cycle_is_found_in_a_graph_without_cycles() {
        assert!(graph(&[("a", "b"), ("b", "c"), ("a", "c"), ("a", "a")]).cycles().is_empty());
    }

    #[test]
    fn the_shortest_cycle_of_each_component_is_found() {
        let edges =
            [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "c"), ("x", "y"), ("y", "x"), ("d", "x")];
        let graph = graph(&edges);
        assert_eq!(graph.cycles(), [vec!["c", "d"], vec!["x", "y"]]);
        assert_eq!(graph.describe(&["c", "d"]), "\n    c uses `D` from d\n    d uses `C` from c");
    }

    #[test]
    fn a_removed_edge_is_not_part_of_any_cycle() {
        let mut graph = graph(&[("a", "b"), ("b", "a")]);
        graph.remove("b", "a");
        assert!(graph.cycles().is_empty());
        assert_eq!(graph.edges().count(), 1);
    }
}
