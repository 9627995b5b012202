//! Checks that the map in ARCHITECTURE.md names every folder of source files, and that each path in the map
//! exists.
//!
//! The map is the table under the heading `## The map`. The first column of a row names folders or files. A
//! row that starts with `…` belongs to the folders of the row above. The other code spans of a row can be
//! paths, too. Each of these paths must exist below a folder of the row or at the root.
//!
//! The map must name each folder at the root that directly contains source files. The map must also name each
//! folder one level deeper that contains source files at any depth. The folders `src`, `tests`, `benches` and
//! `examples` of a package need no row.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::markdown::code_spans;
use crate::paths::language;
use crate::tree::Tree;

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADING: &str = "## The map";
const PARTS_OF_A_PACKAGE: [&str; 4] = ["src", "tests", "benches", "examples"];

/// Checks the map against the tree.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let rows = rows(tree.text(DOCUMENT).unwrap_or_default());
    if rows.is_empty() {
        return vec![Finding::new(DOCUMENT, format!("there is no table under `{HEADING}`: add the map"))];
    }
    let mut findings: Vec<Finding> = rows.iter().flat_map(|row| row.missing(tree)).collect();
    let named: BTreeSet<&str> =
        rows.iter().flat_map(|row| &row.paths).map(|path| path.trim_end_matches('/')).collect();
    let unnamed = folders(tree).into_iter().filter(|folder| !is_named(tree, folder, &named));
    findings.extend(unnamed.map(|folder| {
        Finding::new(
            folder,
            format!("the map in {DOCUMENT} does not name this folder: add a row for the folder"),
        )
    }));
    findings
}

struct Row<'a> {
    line: usize,
    /// The paths in the first column. A row that starts with `…` has the paths of the row above.
    folders: Vec<&'a str>,
    /// All paths that the row names.
    paths: Vec<&'a str>,
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let section = text.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(1);
    let section = section.take_while(|(_, line)| !line.starts_with("## "));
    let mut folders: Vec<&str> = Vec::new();
    let mut rows = Vec::new();
    // The first two lines are the head of the table.
    for (index, line) in section.filter(|(_, line)| line.starts_with('|')).skip(2) {
        let first = line.split('|').nth(1).unwrap_or_default();
        let mut paths: Vec<&str> = Vec::new();
        if !first.trim_start().starts_with('…') {
            folders = code_spans(first).collect();
            paths.clone_from(&folders);
        }
        paths.extend(code_spans(line).filter(|span| is_path(span)));
        rows.push(Row { line: index + 1, folders: folders.clone(), paths });
    }
    rows
}

/// Whether a code span looks like a path: it contains a slash, or ends with the extension of a source file.
fn is_path(span: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let name = span.rsplit('/').next().unwrap_or_default();
    let is_file = name.rsplit_once('.').is_some_and(|(_, extension)| {
        ["rs", "js", "mjs", "ts", "sql", "sh", "md", "yml", "toml", "css", "html", "json"]
            .contains(&extension)
    });
    !span.starts_with('/') && span.chars().all(allowed) && (is_file || span.contains('/'))
}

impl Row<'_> {
    fn missing(&self, tree: &Tree) -> Vec<Finding> {
        let missing = self.paths.iter().filter(|path| !tree.has(path) && !self.is_below(tree, path));
        let paths: BTreeSet<&&str> = missing.collect();
        let report = |path| {
            Finding::at(
                DOCUMENT,
                self.line,
                format!("the map names {path}, which does not exist: correct the row"),
            )
        };
        paths.into_iter().map(report).collect()
    }

    fn is_below(&self, tree: &Tree, path: &str) -> bool {
        let (file, folder) = (format!("/{path}"), format!("/{}/", path.trim_end_matches('/')));
        let mut below = tree.paths().filter_map(|there| {
            self.folders.iter().find_map(|folder| there.strip_prefix(folder.trim_end_matches('/')))
        });
        below.any(|rest| rest.ends_with(&file) || rest.contains(&folder))
    }
}

/// The folders that the map must name.
fn folders(tree: &Tree) -> BTreeSet<String> {
    let sources = tree.texts().filter(|(path, text)| language(path, text).is_some());
    sources
        .filter_map(|(path, _)| {
            let mut parts = path.split('/');
            let (first, second, third) = (parts.next()?, parts.next()?, parts.next());
            let is_part = PARTS_OF_A_PACKAGE.contains(&second) && tree.has(&format!("{first}/Cargo.toml"));
            let is_deeper = third.is_some() && !is_part;
            Some(if is_deeper { format!("{first}/{second}") } else { first.to_owned() })
        })
        .collect()
}

/// Whether the map names `folder`, or a file directly in `folder`.
fn is_named(tree: &Tree, folder: &str, named: &BTreeSet<&str>) -> bool {
    named.contains(folder)
        || named.iter().any(|path| {
            path.rsplit_once('/').is_some_and(|(within, _)| within == folder) && tree.text(path).is_some()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "# A\n## The map\n| where | what |\n|---|---|\n\
        | `crates/core` | pure: `Vtid`, `/ready`, `a.rs` |\n| … `b.rs` | in `b/` |\n\
        | `cli/` | see `docs/` |\n| `.ci/run` | all |\n## Next\n| `gone/` |\n";

    const FILES: [(&str, &str); 8] = [
        (DOCUMENT, MAP),
        ("crates/core/src/a.rs", ""),
        ("crates/core/src/b.rs", ""),
        ("crates/core/src/b/c.rs", ""),
        ("cli/Cargo.toml", ""),
        ("cli/src/main.rs", ""),
        ("docs/a.md", ""),
        (".ci/run", "#!/usr/bin/env bash\n"),
    ];

    fn findings(more: &[(&str, &str)]) -> Vec<String> {
        check(&FILES.into_iter().chain(more.iter().copied()).collect())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_complete_map_is_accepted() {
        assert_eq!(findings(&[("docs/data.json", ""), ("data/rows.json", "")]), Vec::<String>::new());
    }

    #[test]
    fn folders_missing_from_the_map_are_found() {
        let found = findings(&[("crates/new/src/lib.rs", ""), ("cli/scripts/a.sh", ""), ("web/a.js", "")]);
        let places: Vec<_> = found.iter().filter_map(|finding| finding.split(':').next()).collect();
        assert_eq!(places, ["cli/scripts", "crates/new", "web"]);
    }

    #[test]
    fn paths_that_do_not_exist_are_found() {
        let map = MAP.replace("`a.rs`", "`d.rs`").replace("`cli/`", "`cmd/`");
        let found = findings(&[(DOCUMENT, &map)]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("ARCHITECTURE.md:5: the map names d.rs"), "{found:?}");
        assert!(found[1].contains("ARCHITECTURE.md:7: the map names cmd/"), "{found:?}");
        assert!(found[2].starts_with("cli: the map"), "{found:?}");
    }

    #[test]
    fn a_document_without_a_map_is_found() {
        assert_eq!(findings(&[(DOCUMENT, "# A\n")]).len(), 1);
    }
}
