//! Checks that every relative link in the documents leads to an existing file or folder. If the link has an
//! anchor, the file must have a heading with this anchor.

use crate::finding::Finding;
use crate::markdown::{anchors, links};
use crate::paths::join;
use crate::tree::Tree;

/// Checks all Markdown files.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.texts().filter(|(path, _)| path.ends_with(".md"));
    documents
        .flat_map(|(path, text)| links(text).into_iter().map(move |(line, target)| (path, line, target)))
        .filter_map(|(path, line, target)| {
            broken(tree, path, &target).map(|problem| Finding::at(path, line, problem))
        })
        .collect()
}

/// The problem of a link to `target` in the document at `path`, or `None` if the link resolves.
fn broken(tree: &Tree, path: &str, target: &str) -> Option<String> {
    // URLs and absolute paths are not checked.
    if target.contains(':') || target.starts_with('/') {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let linked = if file.is_empty() { Some(path.to_owned()) } else { join(path, file) };
    let Some(linked) = linked.filter(|linked| tree.has(linked)) else {
        return Some(format!("the link to {target} is broken: correct the link, or add the file"));
    };
    let anchor = anchor?;
    let exists = tree.text(&linked).is_some_and(|text| anchors(text).iter().any(|heading| heading == anchor));
    (!exists).then(|| format!("{linked} has no heading #{anchor}: correct the link, or add the heading"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_resolve_are_accepted() {
        let tree = Tree::from_iter([
            ("README.md", "[a](docs/api.md#paging) [b](docs) [c](https://x.example/y) [d](#here)\n# Here"),
            ("docs/api.md", "[up](../README.md)\n## Paging"),
            ("src/links.rs", "[not a document](nowhere.md)"),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn broken_links_are_found() {
        let tree = Tree::from_iter([
            ("README.md", "\n[a](docs/old.md) [b](../outside.md)"),
            ("docs/api.md", "[a](../README.md#gone)"),
            ("examples/README.md", "[a](missing.js)"),
        ]);
        let places: Vec<String> = check(&tree).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["README.md:2", "README.md:2", "docs/api.md:1", "examples/README.md:1"]);
    }
}
