//! Every relative link in the documents resolves: its file exists, and its anchor is a heading of that file.

use crate::finding::Finding;
use crate::markdown::{anchors, links};
use crate::paths::join;
use crate::tree::Tree;

/// Checks the documents for readers: the three at the root, `docs/`, and the READMEs of the console.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.texts().filter(|(path, _)| is_document(path));
    documents
        .flat_map(|(path, text)| links(text).into_iter().map(move |(line, target)| (path, line, target)))
        .filter_map(|(path, line, target)| {
            broken(tree, path, &target).map(|problem| Finding::at(path, line, problem))
        })
        .collect()
}

fn is_document(path: &str) -> bool {
    matches!(path, "README.md" | "ARCHITECTURE.md" | "CHANGELOG.md")
        || path.starts_with("docs/") && path.ends_with(".md")
        || path.starts_with("console/") && path.ends_with("/README.md")
}

/// What is wrong with a link to `target` in the document at `path`.
fn broken(tree: &Tree, path: &str, target: &str) -> Option<String> {
    // A scheme, or an absolute path on the server that shows the page.
    if target.contains(':') || target.starts_with('/') {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let linked = if file.is_empty() { Some(path.to_owned()) } else { join(path, file) };
    let Some(linked) = linked.filter(|linked| tree.has(linked)) else {
        return Some(format!("the link to {target} leads nowhere: correct it, or add the file"));
    };
    let anchor = anchor?;
    let is_there = tree.text(&linked).is_some_and(|text| anchors(text).iter().any(|there| there == anchor));
    (!is_there).then(|| format!("{linked} has no heading #{anchor}: link to one that it has"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_resolve_pass() {
        let tree = Tree::from_iter([
            ("README.md", "[a](docs/api.md#paging) [b](docs) [c](https://x.example/y) [d](#here)\n# Here"),
            ("docs/api.md", "[up](../README.md)\n## Paging"),
            ("services/x/README.md", "[not looked at](nowhere.md)"),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let tree = Tree::from_iter([
            ("README.md", "\n[a](docs/old.md) [b](../outside.md)"),
            ("docs/api.md", "[a](../README.md#gone)"),
            ("console/react/README.md", "[a](missing.js)"),
        ]);
        let places: Vec<String> = check(&tree).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["README.md:2", "README.md:2", "console/react/README.md:1", "docs/api.md:1"]);
    }
}
